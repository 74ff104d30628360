"""Smaller precisions of a small network, in both runtimes."""

import numpy as np
import onnx
import pytest
from tests.export.test_graph import Tiny
from torch import nn

from untaught.bundle.graph import check_graph
from untaught.export.graph import to_onnx
from untaught.export.shrink import depths_of, layers, named, to_fp16, to_int8
from untaught.runtime.session import open_session


class Deeper(Tiny):
    def __init__(self, config=None, *, untrained=False):
        super().__init__(config, untrained=untrained)
        self.more = nn.Sequential(nn.Conv2d(8, 32, 3, padding=1), nn.ReLU6(), nn.Conv2d(32, 8, 1))

    def forward(self, image):
        map_ = self.more(self.conv((image - self.mean) / self.std).clamp(0, 6)).square().sum(dim=1)
        return map_, map_.flatten(1).amax(dim=1)


class Smoothed(Deeper):
    """Means over neighbourhoods before the last layers, by weights that the graph computes."""

    def forward(self, image):
        mean = (self.mean[0] * image[:, :1, :1, :1].mean() + 1 / 9).expand(8, 1, 3, 3)
        features = self.conv((image - self.mean) / self.std)
        map_ = self.more(nn.functional.conv2d(features, mean, padding=1, groups=8)).square().sum(dim=1)
        return map_, map_.flatten(1).amax(dim=1)


@pytest.fixture(scope="module")
def full():
    return to_onnx(Deeper().eval(), (32, 48))


def batches(count=6):
    for number in range(count):
        yield {"image": np.random.default_rng(number).integers(0, 256, (1, 32, 48, 3), np.uint8)}


@pytest.mark.parametrize(
    ("make", "tolerance"), [(lambda graph: to_int8(graph, batches(), first=0), 0.1), (to_fp16, 2e-3)]
)
def test_a_smaller_graph_is_near_the_full_one(full, make, tolerance):
    small = make(full)
    check_graph(small, "small")
    for backend in ("onnxruntime", "openvino"):
        before, after = (open_session(graph, backend, threads=1) for graph in (full, small))
        for batch in batches():
            (map_, score), (near, close) = before(batch), after(batch)
            assert 0 < np.abs(map_ - near).max() <= tolerance * map_.max()
            assert np.abs(score - close).max() <= tolerance * score.max()


def test_int8_quantises_the_layers_and_leaves_the_scores_in_float32(full):
    graph = onnx.load_from_string(to_int8(full, batches(), first=0)).graph
    assert {item.data_type for item in graph.initializer if np.prod(item.dims) >= 216} == {onnx.TensorProto.INT8}
    maker = {output: node.op_type for node in graph.node for output in node.output}
    assert not {maker[end.name] for end in graph.output} & {"QuantizeLinear", "DequantizeLinear"}


def test_a_product_whose_weights_are_computed_is_no_layer():
    model = named(onnx.load_from_string(to_onnx(Smoothed().eval(), (32, 48))))
    maker = {output: node for node in model.graph.node for output in node.output}
    computed = {node.name for node in model.graph.node if node.op_type == "Conv" and node.input[1] in maker}
    assert computed, "the graph no longer holds what this test is about"
    assert not computed & set(layers(model.graph, 0))


def test_fp16_halves_the_weights(full):
    def weights(graph):
        return sum(len(item.raw_data) for item in onnx.load_from_string(graph).graph.initializer)

    assert weights(to_fp16(full)) < 0.65 * weights(full)


def test_the_first_layers_stay_in_float32_with_what_leads_to_them(full):
    def kinds(first):
        graph = onnx.load_from_string(to_int8(full, batches(), first=first)).graph
        weights = [item.data_type for item in graph.initializer if np.prod(item.dims) >= 216]
        return weights.count(onnx.TensorProto.INT8), [node.op_type for node in graph.node]

    for first, quantised in ((0, 3), (1, 2), (2, 1)):
        weights, nodes = kinds(first)
        assert weights == quantised
        assert nodes[: nodes.index("Conv")].count("QuantizeLinear") == (1 if first == 0 else 0)


def test_depth_counts_the_products_from_the_picture(full):
    graph = named(onnx.load_from_string(full)).graph
    depths = depths_of(graph)
    assert [depths[node.output[0]] for node in graph.node if node.op_type == "Conv"] == [1, 2, 3]
    assert depths["map"] == depths["score"] == 3
    assert [len([name for name in layers(graph, first) if name.startswith("Conv")]) for first in range(4)] == [
        3,
        2,
        1,
        0,
    ]
