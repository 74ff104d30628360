"""A graph in a smaller precision: weights and activations in 8 bits, or weights in 16."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from untaught.inspector import Inputs

SMALLEST = 256  # elements below which a weight is left in float32: there is nothing to gain
PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
BETWEEN = ("Add", "AveragePool", "Clip", "Concat", "DepthToSpace", "MaxPool", "Relu")  # these may stay in 8 bits
FIRST = (3, 6)  # products in a row, counted from the picture, that stay in float32: the fewest that do are taken


def to_int8(model: bytes, examples: Iterable[Inputs], first: int = FIRST[0]) -> bytes:
    """The graph with its networks in 8 bits: weights by output channel, activations by tensor.

    What comes after the last layer, where scores are computed, stays in float32, and so does the smoothing of maps.
    So do the first layers: they see the finest contrasts as small differences of large values, and nearly all that is
    lost in 8 bits is lost there (docs/latency.md has figures).

    Args:
        model: the graph in float32.
        examples: batches as the graph is fed, from which the ranges of activations are taken.
        first: how many products in a row, counted from the picture, stay in float32.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rest: Iterator[Inputs] = iter(examples)

        def get_next(self) -> dict[str, object] | None:
            batch = next(self.rest, None)
            return None if batch is None else dict(batch)

    graph = named(onnx.shape_inference.infer_shapes(onnx.load_from_string(model)))
    with tempfile.TemporaryDirectory() as folder, quiet():
        small = Path(folder) / "small.onnx"
        quantize_static(
            graph,
            small,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[*PRODUCTS, *BETWEEN],
            nodes_to_quantize=layers(graph.graph, first),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return small.read_bytes()


def named(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model, its nodes with names by which they can be told apart."""
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{number}"
    return model


def layers(graph: onnx.GraphProto, first: int) -> list[str]:
    """Names of the nodes of the networks behind the `first` layers: all products with weights, what leads to them.

    A product with computed weights, such as a mean over a neighbourhood, is no layer of a network.
    """
    sizes = {item.name: int(np.prod(item.dims)) for item in graph.initializer}
    depths = depths_of(graph)
    maker = {output: node for node in graph.node for output in node.output}
    products = [
        node
        for node in graph.node
        if node.op_type in PRODUCTS and any(sizes.get(name, 0) >= SMALLEST for name in node.input)
    ]
    found, left = {node.name: node for node in products}, list(products)
    while left:
        for name in left.pop().input:
            node = maker.get(name)
            if node is not None and node.name not in found:
                found[node.name] = node
                left.append(node)

    def fits(node: onnx.NodeProto) -> bool:
        return node.op_type in BETWEEN or (node.op_type in PRODUCTS and any(name in sizes for name in node.input))

    return [name for name, node in found.items() if fits(node) and depths[node.output[0]] > first]


def depths_of(graph: onnx.GraphProto) -> dict[str, int]:
    """By tensor: how many products in a row, at most, lie between it and the picture, its own included."""
    depths: dict[str, int] = {}
    for node in graph.node:  # sorted: what a node reads was made before it
        before = max((depths.get(name, 0) for name in node.input), default=0)
        depths.update(dict.fromkeys(node.output, before + (node.op_type in PRODUCTS)))
    return depths


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the advice that the quantiser logs."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def to_fp16(model: bytes) -> bytes:
    """The graph with its weights kept in 16 bits and widened as it is loaded: half the file, computed in float32."""
    graph = onnx.load_from_string(model)
    for weight in list(graph.graph.initializer):
        if weight.data_type != onnx.TensorProto.FLOAT or np.prod(weight.dims) < SMALLEST:
            continue
        values = numpy_helper.to_array(weight)
        kept = values.astype(np.float16)
        if not np.isfinite(kept).all():
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(kept, f"{name}_fp16"))
        graph.graph.node.insert(0, onnx.helper.make_node("Cast", [weight.name], [name], to=onnx.TensorProto.FLOAT))
    return bytes(graph.SerializeToString())
