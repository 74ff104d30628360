"""Scaling and normalisation of pixels as one product and one sum.

On two cores the four passes over the whole picture cost as much as several layers of the network: the runtimes do not
join them by themselves.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

STEPS = ("Mul", "Div", "Add", "Sub")


def fold_scaling(model: onnx.ModelProto) -> None:
    """Join the steps that follow the cast of each uint8 input; values change by no more than rounding."""
    graph = model.graph
    constants = {item.name: item for item in graph.initializer}
    for cast in [node for node in graph.node if node.op_type == "Cast"]:
        chain = _chain(graph, cast, constants)
        if len(chain) < 2:
            continue
        factor, offset = np.ones(()), np.zeros(())
        for node in chain:
            value = numpy_helper.to_array(constants[node.input[1]]).astype(np.float64)
            if node.op_type in ("Mul", "Div"):
                value = value if node.op_type == "Mul" else 1 / value
                factor, offset = factor * value, offset * value
            else:
                offset = offset + (value if node.op_type == "Add" else -value)
        start, end = cast.output[0], chain[-1].output[0]
        place = list(graph.node).index(chain[0])
        for node in chain:
            graph.node.remove(node)
        names = [f"{start}_{word}" for word in ("factor", "offset", "scaled")]
        for name, array in zip(names, (factor, offset), strict=False):
            graph.initializer.append(numpy_helper.from_array(_smallest(array), name))
        graph.node.insert(place, onnx.helper.make_node("Mul", [start, names[0]], [names[2]]))
        for name in {node.input[1] for node in chain}:
            if not any(name in node.input for node in graph.node):
                graph.initializer.remove(constants[name])
        graph.node.insert(place + 1, onnx.helper.make_node("Add", [names[2], names[1]], [end]))


def _chain(
    graph: onnx.GraphProto, cast: onnx.NodeProto, constants: dict[str, onnx.TensorProto]
) -> list[onnx.NodeProto]:
    """The steps with constants that follow a cast, each the only user of the one before."""
    chain: list[onnx.NodeProto] = []
    at = cast.output[0]
    while True:
        users = [node for node in graph.node if at in node.input]
        if len(users) != 1 or users[0].op_type not in STEPS:
            return chain
        node = users[0]
        if node.input[0] != at or node.input[1] not in constants:
            return chain
        chain.append(node)
        at = node.output[0]


def _smallest(array: NDArray[np.float64]) -> NDArray[np.float32]:
    """One number where all are the same: a row of three is slow to spread over pixels."""
    same = array.size and (array == array.flat[0]).all()
    return np.asarray(array.flat[0] if same else array, np.float32)
