"""Is this ONNX graph complete in itself? Asked of the bytes, before anything loads them.

A graph may point at tensors in other files, or at operators and functions that are not ONNX's own; whoever loads it
would read those files or run that code. Only the few fields of the protobuf that can do so are walked.
"""

from __future__ import annotations

from collections.abc import Iterator

from untaught.errors import BundleError

# Field number -> kind of message, from onnx.proto; all other fields are passed over.
MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
EXTERNAL_DATA, DATA_LOCATION, NODE_DOMAIN = 13, 14, 7
DOMAINS = (b"", b"ai.onnx")
DEEPEST = 32


def check_graph(model: bytes, source: str) -> None:
    """Refuse a graph that is damaged, keeps data in other files or uses operators that are not ONNX's own.

    Raises:
        BundleError: with the reason; `source` is what the message calls the graph.
    """
    try:
        why = _fault(memoryview(model), "model", 0)
    except (IndexError, ValueError):
        why = "is damaged"
    if why:
        raise BundleError(f"{source} {why}", "a graph complete in itself", "take a file made by `untaught export`")


def _fault(data: memoryview, kind: str, depth: int) -> str:
    """Why this message is refused; empty where it is not."""
    if depth > DEEPEST:
        return "is nested too deeply"
    for number, value in _fields(data):
        if kind == "tensor" and (number == EXTERNAL_DATA or (number == DATA_LOCATION and value != 0)):
            return "keeps data in another file"
        if kind == "node" and number == NODE_DOMAIN and isinstance(value, memoryview) and value not in DOMAINS:
            return f"uses an operator of {bytes(value[:40])!r}"
        inner = MESSAGES[kind].get(number)
        if inner and isinstance(value, memoryview) and (why := _fault(value, inner, depth + 1)):
            return why
    return ""


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a protobuf message; fixed-size values are given as bytes.

    Raises:
        IndexError, ValueError: the bytes are no such message.
    """
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key >> 32:  # some readers drop what is beyond 32 bits, and see another field than is seen here
            raise ValueError(key)
        wire = key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(wire)
        if at + size > len(data):
            raise ValueError(size)
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError(shift)
