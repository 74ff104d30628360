"""Outlines of anomalies: how much of a patch covers each pixel of its box, 0 to 255."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from untaught.anomalies.base import Box
from untaught.anomalies.noise import perlin
from untaught.anomalies.settings import AnomalySettings

Cover = NDArray[np.uint8]  # (h, w)
_CELLS = (2, 6)


def radius(box: Box) -> NDArray[np.float32]:
    """Squared distance from the box's middle, 1 on the ellipse that touches its sides, (h, w)."""
    y = (np.arange(box.height, dtype=np.float32) + 0.5) * np.float32(2 / box.height) - 1
    x = (np.arange(box.width, dtype=np.float32) + 0.5) * np.float32(2 / box.width) - 1
    return (y * y)[:, None] + (x * x)[None, :]


def blob(box: Box, settings: AnomalySettings, rng: Generator) -> Cover:
    """One irregular spot, sometimes with satellites, that ends inside its box; its border is as soft as is set."""
    cells = rng.integers(*_CELLS, 2)
    ragged = np.float32(rng.uniform(0.1, 1.4))
    noise = perlin(box.height, box.width, (int(cells[0]), int(cells[1])), rng)
    out = radius(box)
    inside = np.minimum(np.float32(rng.uniform(0.5, 0.95)) - out + ragged * noise, 1 - out)
    # The slope at the ellipse is 4 / side: about one pixel of the border is partly covered.
    edge = np.clip(inside * np.float32(max(box.height, box.width) / 4) + np.float32(0.5), 0, 1)
    return soften((edge * 255).astype(np.uint8), settings, rng)


def soften(cover: Cover, settings: AnomalySettings, rng: Generator) -> Cover:
    """The cover with a border as soft as is set, no further out than its box."""
    width = float(rng.uniform(*settings.edge)) * max(cover.shape)
    if width < 0.25:
        return cover
    return np.asarray(Image.fromarray(cover).filter(ImageFilter.GaussianBlur(width / 2)))


def faded(cover: Cover, opacity: float) -> Cover:
    """The cover times an opacity in 0..1; what was covered at all stays so."""
    table = np.rint(np.arange(256) * opacity)
    table[1:] = np.maximum(table[1:], 1)
    return np.asarray(table[cover], np.uint8)
