"""Graphs of small networks; the methods themselves are asked by `untaught.testing.check_method`."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from untaught.engine.predict import scorer
from untaught.errors import RunError
from untaught.export.graph import to_onnx
from untaught.method import Method
from untaught.runtime.session import open_session
from untaught.testing import check_exported

BACKENDS = ["onnxruntime", "openvino"]


class Tiny(Method):
    """Normalises like a teacher, has one layer, and a map."""

    inputs = ("image",)

    def __init__(self, config=None, *, untrained=False):
        super().__init__(config or self.configure(), untrained=untrained)
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.6])[:, None, None])
        self.register_buffer("std", torch.tensor([0.2, 0.3, 0.4])[:, None, None])

    def stages(self):
        return []

    def forward(self, image):
        map_ = self.conv((image - self.mean) / self.std).relu().sum(dim=1)
        return map_, map_.flatten(1).amax(dim=1)


class Both(Tiny):
    inputs = ("image", "depth")

    def forward(self, image, depth):
        map_, _ = super().forward(image)
        map_ = map_ + depth[:, 0] * depth[:, 1]
        return map_, map_.flatten(1).amax(dim=1)


class Branching(Tiny):
    def forward(self, image):
        map_, score = super().forward(image)
        return (map_, score) if score.max() > 0 else (-map_, -score)


class Unequal(Tiny):
    """Gives something else in a graph than in torch."""

    def forward(self, image):
        map_, score = super().forward(image)
        return map_ * (2 if torch.compiler.is_exporting() else 1), score


def pictures(method, count):
    rng = np.random.default_rng(count)
    made = {"image": rng.integers(0, 256, (count, 32, 48, 3), np.uint8)}
    if "depth" in method.inputs:
        made["depth"] = rng.normal(size=(count, 32, 48, 2)).astype(np.float32)
    return made


@pytest.fixture(scope="module")
def both():
    return Both().eval()


@pytest.fixture(scope="module")
def graph(both):
    state = {name: tensor.clone() for name, tensor in both.state_dict().items()}
    made = to_onnx(both, (32, 48))
    assert all(torch.equal(tensor, both.state_dict()[name]) for name, tensor in state.items())
    return made


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_graph_takes_any_number_of_pictures_and_gives_what_torch_gives(both, graph, backend):
    assert [end.name for end in onnx.load_from_string(graph).graph.input] == ["image", "depth"]
    session = open_session(graph, backend, threads=1)
    for count in (1, 3):
        inputs = pictures(both, count)
        for came, expected in zip(session(inputs), scorer(both, torch.device("cpu"))(inputs), strict=True):
            assert came.shape == expected.shape
            assert np.abs(came - expected).max() <= 1e-5 * np.abs(expected).max()


def test_scaling_and_normalisation_are_one_product_and_one_sum(graph):
    model = onnx.load_from_string(graph)
    before = [node.op_type for node in model.graph.node if "depth" not in node.input]
    assert before[: before.index("Conv")] == ["Transpose", "Cast", "Mul", "Add"]
    assert "Div" not in before
    used = {name for node in model.graph.node for name in node.input}
    assert {item.name for item in model.graph.initializer} <= used


def test_a_branch_on_data_cannot_be_exported():
    with pytest.raises(RunError, match="Branching cannot be exported"):
        to_onnx(Branching().eval(), (32, 48))


def test_the_checker_notices_a_graph_that_gives_something_else():
    with pytest.raises(AssertionError, match="the map of the ONNX graph differs by 1"):
        check_exported(Unequal().eval(), (torch.rand(2, 3, 32, 48),))
