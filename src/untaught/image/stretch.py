"""Maps of scores at another size, and what can lie over what."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resize_map(
    scores: NDArray[np.float32], size: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> NDArray[np.float32]:
    """An (h, w) map bilinearly resized to `size` (width, height), antialiased where it shrinks; values stay raw.

    With a `box` (left, top, right, bottom), in pixels of the map, what lies within becomes `size`.
    """
    if scores.shape == size[::-1] and box is None:
        return scores
    raw = Image.fromarray(np.ascontiguousarray(scores, np.float32))
    return np.asarray(raw.resize(size, Image.Resampling.BILINEAR, box))


def lies_over(size: tuple[int, int], image: tuple[int, int]) -> bool:
    """Whether a mask or depth of `size` can lie over an image, both (width, height): at any scale, of the same shape.

    Off by a pixel or so of rounding is the same shape.
    """
    return abs(size[0] * image[1] - size[1] * image[0]) <= max(*size, *image)
