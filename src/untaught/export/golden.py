"""Golden pictures: held-out good images over the range of scores, and what must be answered to them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from untaught.bundle.card import GoldenRecord
from untaught.inspector import Inputs
from untaught.records import ScoreMap


def choose(scores: list[float]) -> list[int]:
    """Numbers of the images with the lowest, the middle and the highest score."""
    order = sorted(range(len(scores)), key=lambda number: scores[number])
    return list(dict.fromkeys([order[0], order[len(order) // 2], order[-1]]))


def golden_parts(
    number: int, name: str, product: str, inputs: Inputs, says: ScoreMap, reject: bool
) -> tuple[GoldenRecord, dict[str, bytes]]:
    """A golden picture as it stands in the card, and its files."""
    files = {f"golden/{number}_{key}{_ending(array)}": _encoded(array) for key, array in inputs.items()}
    record = GoldenRecord(
        name=name,
        product=product,
        inputs=dict(zip(inputs, files, strict=True)),
        map=f"golden/{number}_map.f32",
        score=says.score,
        reject=reject,
    )
    return record, {**files, record.map: floats(says.map)}


def floats(array: NDArray[np.float32]) -> bytes:
    """Raw little-endian float32, last dimension first."""
    return np.ascontiguousarray(array, "<f4").tobytes()


def _ending(array: NDArray[Any]) -> str:
    return ".png" if array.dtype == np.uint8 else ".f32"


def _encoded(array: NDArray[Any]) -> bytes:
    if array.dtype != np.uint8:
        return floats(array)
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG")
    return buffer.getvalue()
