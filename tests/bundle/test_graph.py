"""Graphs that reach outside their file; made with onnx, found without it."""

import onnx
import pytest
from onnx import TensorProto, helper

from untaught.bundle.graph import check_graph
from untaught.errors import BundleError


def model(nodes, weights=(), **kwargs):
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], initializer=list(weights))
    return helper.make_model(graph, **kwargs)


def tensor(*, external=False, location_only=False):
    made = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    if external:
        made.external_data.add(key="location", value="/etc/passwd")
    if external or location_only:
        made.data_location = TensorProto.EXTERNAL
    return made


ADD = helper.make_node("Add", ["x", "w"], ["y"])


def inner_graph(weight):
    body = helper.make_graph([], "body", [], [helper.make_tensor_value_info("w", 1, [1])], initializer=[weight])
    return helper.make_node("If", ["x"], ["y"], then_branch=body, else_branch=body)


def test_a_graph_complete_in_itself_passes():
    check_graph(model([ADD], [tensor()]).SerializeToString(), "g")
    check_graph(model([inner_graph(tensor())]).SerializeToString(), "g")


@pytest.mark.parametrize(
    "bad",
    [
        model([ADD], [tensor(external=True)]),
        model([ADD], [tensor(location_only=True)]),
        model([helper.make_node("Constant", [], ["y"], value=tensor(external=True))]),
        model([inner_graph(tensor(external=True))]),
        model(
            [ADD],
            [tensor()],
            functions=[
                helper.make_function(
                    "d", "f", [], ["y"],
                    [helper.make_node("Constant", [], ["y"], value=tensor(external=True))],
                    [helper.make_opsetid("", 18)],
                )
            ],
        ),
    ],
    ids=["initializer", "location", "attribute", "subgraph", "function"],
)  # fmt: skip
def test_data_in_another_file_is_found_wherever_it_hides(bad):
    with pytest.raises(BundleError, match="another file"):
        check_graph(bad.SerializeToString(), "g")


@pytest.mark.parametrize("domain", ["com.microsoft", "evil", "ai.onnx.ml"])
def test_operators_that_are_not_of_onnx_are_refused(domain):
    node = helper.make_node("EPContext", ["x"], ["y"], domain=domain)
    with pytest.raises(BundleError, match=domain):
        check_graph(model([node]).SerializeToString(), "g")


def test_damage_is_refused_and_never_crashes():
    whole = model([ADD, inner_graph(tensor())], [tensor()]).SerializeToString()
    for at in range(len(whole)):
        for bad in (whole[:at], whole[:at] + b"\xff" + whole[at + 1 :]):
            try:
                check_graph(bad, "g")
            except BundleError:
                continue
    with pytest.raises(BundleError, match="damaged"):
        check_graph(whole[:-3], "g")
    with pytest.raises(BundleError, match="damaged"):
        check_graph(b"\xff" * 40, "g")


def test_a_field_cannot_hide_behind_a_number_too_large():
    """OpenVINO's reader drops the 33rd bit, and would read /etc/passwd."""
    outside = onnx.TensorProto(data_location=TensorProto.EXTERNAL).SerializeToString()
    assert outside == bytes([14 << 3, 1])
    hidden = bytes([14 << 3 | 128, 128, 128, 128, 16, 1])
    for entry in (outside, hidden):
        weight = tensor().SerializeToString() + entry
        graph = b"\x2a" + bytes([len(weight)]) + weight
        with pytest.raises(BundleError, match=r"another file|damaged"):
            check_graph(b"\x3a" + bytes([len(graph)]) + graph, "g")


def test_nesting_without_end_is_refused():
    node = inner_graph(tensor())
    for _ in range(20):
        body = helper.make_graph([node], "body", [], [])
        node = onnx.NodeProto(op_type="If", attribute=[helper.make_attribute("then_branch", body)])
    with pytest.raises(BundleError, match="nested"):
        check_graph(model([node]).SerializeToString(), "g")
