"""Draws defects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from untaught.anomalies.base import Pair
from untaught.anomalies.settings import AnomalySettings


class Drawer:
    """Draws one defect on an image."""

    def __init__(self, settings: AnomalySettings) -> None:
        self.settings = settings

    def __call__(
        self, image: NDArray[np.uint8], rng: np.random.Generator, others: Callable[[int], NDArray[np.uint8]]
    ) -> Pair:
        """A patch of another image."""
        height, width = image.shape[:2]
        mask = np.zeros((height, width), bool)
        if rng.random() >= self.settings.clean:
            top, left = rng.integers(0, height // 2), rng.integers(0, width // 2)
            mask[top : top + height // 6, left : left + width // 6] = True
        other = others(int(rng.integers(2**31)))
        defect = np.where(mask[..., None], 255 - other, image)
        return Pair(image, defect, mask, "patch" if mask.any() else "good")
