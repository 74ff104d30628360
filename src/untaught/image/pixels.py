"""From pixels of any mode and depth to upright 8-bit grey or colour."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from untaught.errors import ImageError
from untaught.image.file import check_size
from untaught.image.recipe import Limits

_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I"}
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def eight_bit(image: Image.Image, name: str, limits: Limits, deep: bool) -> Image.Image:
    """Mode L or RGB, 8 bits, transparency on black."""
    if image.mode not in _MODES and not image.mode.startswith("I;16"):
        raise ImageError(
            f"{name}: pixels of mode {image.mode}", "8 or 16-bit grey or colour", "export it as 8 or 16-bit PNG"
        )
    if image.mode.startswith("I"):
        return _from_deep_grey(image, name, limits)
    if deep and limits.white != 65535:
        raise ImageError(
            f"{name}: 16-bit colour with white = {limits.white}",
            "white = 65535 for colour",
            "save it as 8-bit colour or as 16-bit grey",
        )
    if image.has_transparency_data:
        above = image.convert("RGBA")
        below = Image.new("RGB", image.size)
        below.paste(above, mask=above.getchannel("A"))
        return below
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _from_deep_grey(image: Image.Image, name: str, limits: Limits) -> Image.Image:
    value = np.asarray(image)
    low, high = int(value.min()), int(value.max())
    if low < 0 or high > 65535:
        raise ImageError(f"{name}: grey values from {low} to {high}", "0 to 65535", "export it as 16-bit PNG")
    grey = _scale(limits.white)[value]
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[value == clear] = 0
    return Image.fromarray(grey)


def from_array(array: NDArray[Any], name: str, limits: Limits) -> Image.Image:
    """A Pillow image of the array's pixels; 16-bit grey stays 16-bit (mode I;16)."""
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
    if not fits or array.dtype.kind != "u" or array.dtype.itemsize > 2:
        raise ImageError(
            f"{name}: shape {array.shape}, type {array.dtype}",
            "(h, w), (h, w, 1), (h, w, 3) or (h, w, 4) of uint8 or uint16",
            "scale the values to 0..255 and convert to uint8, channels last",
        )
    check_size((array.shape[1], array.shape[0]), name, limits)
    array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if array.dtype.itemsize == 1:
        return Image.fromarray(np.ascontiguousarray(array))
    if array.ndim == 2:
        return Image.fromarray(np.ascontiguousarray(array, dtype="<u2"))
    return Image.fromarray(_scale(65535)[array])  # as Pillow reads 16-bit colour files


@lru_cache(maxsize=8)
def _scale(white: int) -> NDArray[np.uint8]:
    """Table of 65536: what becomes of each 16-bit value."""
    table = (np.minimum(np.arange(65536), white) * 256 // (white + 1)).astype(np.uint8)
    table.setflags(write=False)
    return table
