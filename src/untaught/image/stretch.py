"""Maps of scores at another size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resize_map(scores: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """An (h, w) map bilinearly resized to `size` (width, height), antialiased where it shrinks; values stay raw."""
    if scores.shape == size[::-1]:
        return scores
    raw = Image.fromarray(np.ascontiguousarray(scores, np.float32))
    return np.asarray(raw.resize(size, Image.Resampling.BILINEAR))
