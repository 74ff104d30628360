"""The decoder: a path, bytes, an array or a Pillow image -> an upright 8-bit picture at its own size."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from untaught.image.file import (
    Header,
    check_file,
    check_size,
    damaged,
    encoded,
    header_of,
    open_file,
    orientation,
    unreadable,
)
from untaught.image.pixels import TURNS, eight_bit, from_array
from untaught.image.recipe import NO_LIMITS_GIVEN, Limits

Source: TypeAlias = str | Path | bytes | bytearray | memoryview | NDArray[Any] | Image.Image
_LEFT = 4  # times the target; closer, the decoder's scaling is coarser than 0.5 grey levels


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image: upright, 8-bit, mode L or RGB, at its own size.

    `peak` is the largest value before scaling in a 16-bit grey image, None in all others.
    """

    image: Image.Image
    header: Header
    peak: int | None = None


def probe(source: Source, limits: Limits = NO_LIMITS_GIVEN) -> Header:
    """Read only the header of a file; what is in memory already is decoded.

    Raises:
        ImageError: The file is missing, of another format, too large or has several frames.
    """
    if not isinstance(source, str | Path):
        return verify(source, limits)
    check_file(Path(source), limits)
    try:
        with Path(source).open("rb") as file:
            return header_of(open_file(file, str(source), limits))
    except OSError as error:
        raise unreadable(str(source), error) from error


def load(source: Source, limits: Limits = NO_LIMITS_GIVEN) -> Picture:
    """Decode completely: upright, 8-bit, grey stays grey, with what the header said.

    Raises:
        ImageError: The image cannot be used; the message names it and says why.
    """
    name = named(source)
    image, header = upright(source, name, limits)
    peak = None
    if image.mode.startswith("I"):
        peak = int(np.asarray(image).max())
    return Picture(eight_bit(image, name, limits, header.deep), header, peak)


def verify(source: Source, limits: Limits = NO_LIMITS_GIVEN) -> Header:
    """Decode completely and keep only the header; raises as `load` does."""
    return load(source, limits).header


def decode(source: Source, limits: Limits = NO_LIMITS_GIVEN) -> Image.Image:
    """Decode to an upright 8-bit RGB image of its own size; a `Recipe` will do for the limits.

    Arrays are (h, w), (h, w, 1), (h, w, 3) or (h, w, 4), uint8 or uint16, in the order red, green, blue, alpha.

    Raises:
        ImageError: The image cannot be used; the message names it and says why.
    """
    return load(source, limits).image.convert("RGB")


def named(source: Source) -> str:
    """How messages call the source."""
    if isinstance(source, str | Path):
        return str(source)
    return (
        "encoded image in memory"
        if isinstance(source, bytes | bytearray | memoryview)
        else f"{type(source).__name__} in memory"
    )


def upright(
    source: Source, name: str, limits: Limits, target: tuple[int, int] | None = None
) -> tuple[Image.Image, Header]:
    """Decode in the image's own mode and turn it upright; with a target, large JPEGs are decoded at a fraction."""
    if isinstance(source, np.ndarray):
        image = from_array(source, name, limits)
        return image, Header(image.size, image.mode, "memory", deep=source.dtype.itemsize == 2)
    if isinstance(source, Image.Image):
        check_size(source.size, name, limits)
        image = _turned(_loaded(source, name))
        return image, Header(image.size, image.mode, source.format or "memory", deep=image.mode.startswith("I"))
    file = open_file(io.BytesIO(encoded(source, name, limits)), name, limits)
    header = header_of(file)
    if target and isinstance(file, JpegImagePlugin.JpegImageFile):
        _draft(file, target if orientation(file) < 5 else target[::-1])
    return _turned(_loaded(file, name)), header


def _turned(image: Image.Image) -> Image.Image:
    turn = TURNS.get(orientation(image))
    return image if turn is None else image.transpose(turn)


def _loaded(image: Image.Image, name: str) -> Image.Image:
    try:
        image.load()
    except Exception as error:  # as in `open_file`
        raise damaged(name, error) from error
    return image


def _draft(file: JpegImagePlugin.JpegImageFile, target: tuple[int, int]) -> None:
    """Let the JPEG decoder do the first halvings, where they come out even (else the picture would shift)."""
    width, height = file.size
    for scale in (8, 4, 2):
        even = width % scale == 0 and height % scale == 0
        if even and width >= scale * _LEFT * target[0] and height >= scale * _LEFT * target[1]:
            file.draft(file.mode, (width // scale, height // scale))
            return
