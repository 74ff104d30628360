"""A method as an ONNX graph: uint8 pixels in, raw map and raw score out; normalisation and all scoring inside."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings

import torch

from untaught.bundle.card import GraphRecord, Precision, TensorRecord
from untaught.engine.predict import Scoring
from untaught.errors import RunError
from untaught.export.fold import fold_scaling
from untaught.method import Method

OPSET = 18
FORMS = {"image": (3, torch.uint8), "depth": (2, torch.float32)}  # channels, which come last, and type
MEANS = {
    "image": "pixels row by row, red green blue, 0 to 255, as made by the steps of `preparation`",
    "depth": "row by row, at each place centimetres above the part's mean (0 beside it) and 1 on the part, else 0",
}


def to_onnx(method: Method, size: tuple[int, int], batch: int | None = None) -> bytes:
    """The graph of a method in eval mode, for pictures of `size` (height, width).

    Args:
        method: on the processor.
        size: of its input.
        batch: pictures at a time; None: any number.

    Raises:
        RunError: the method does something that a graph cannot hold.
    """
    scoring = Scoring(method).eval()
    example = tuple(
        torch.zeros((batch or 2, *size, depth), dtype=kind) for depth, kind in (FORMS[name] for name in method.inputs)
    )
    free = {} if batch else {0: torch.export.Dim("batch", min=1)}
    logging.getLogger("onnxscript").setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                scoring,
                example,
                input_names=list(method.inputs),
                output_names=["map", "score"],
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes={"pictures": (free,) * len(example)},
                verbose=False,
            )
            assert program is not None
            model = program.model_proto
            fold_scaling(model)
            return bytes(model.SerializeToString())
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0][:300]
        raise RunError(
            f"{type(method).__name__} cannot be exported ({reason})", "a `forward` without branches on data"
        ) from error


def graph_record(method: Method, reduction: str, size: tuple[int, int], precision: Precision) -> GraphRecord:
    """What the card says of the graph."""
    height, width = size
    return GraphRecord(
        opset=OPSET,
        precision=precision,
        inputs=[input_record(name, size) for name in method.inputs],
        outputs=[
            TensorRecord(
                name="map",
                type="float32",
                shape=["batch", height, width],
                meaning="anomaly map, raw: higher is more anomalous, of no unit, neither clamped nor scaled",
            ),
            TensorRecord(
                name="score",
                type="float32",
                shape=["batch"],
                meaning=f"image score, raw: {reduction}; reject where greater than calibration.image.value",
            ),
        ],
    )


def input_record(name: str, size: tuple[int, int]) -> TensorRecord:
    """What the card says of one input."""
    depth, kind = FORMS[name]
    return TensorRecord(
        name=name,
        type="uint8" if kind is torch.uint8 else "float32",
        shape=["batch", *size, depth],
        meaning=MEANS[name],
    )
