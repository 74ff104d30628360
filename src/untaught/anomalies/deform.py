"""Smooth deformation: the image is pushed, pinched or twisted within an ellipse, with the shading of a dent."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from untaught.anomalies.base import RGB, Box, Patch, Scene
from untaught.anomalies.shape import radius
from untaught.anomalies.tone import shifted


def draw(scene: Scene, rng: Generator) -> Patch:
    """The window (1 - r^2)^2 makes displacement and shading end smoothly at the ellipse."""
    box = scene.place(rng)
    window = np.maximum(1 - radius(box), 0) ** 2
    pixels = _sampled(scene.image, box, _displacement(box, window, rng))
    if rng.random() < 0.7:
        pixels = shifted(pixels, _shading(window, scene, rng)[..., None])
    return Patch(box, pixels, (window > 0).astype(np.uint8) * np.uint8(255))


def _displacement(box: Box, window: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """(2, h, w): where each pixel is taken from, relative to itself, in pixels along y and x."""
    y = (np.arange(box.height, dtype=np.float32) - np.float32((box.height - 1) / 2))[:, None]
    x = (np.arange(box.width, dtype=np.float32) - np.float32((box.width - 1) / 2))[None, :]
    form = rng.random()
    if form < 0.4:
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.08, 0.25) * min(box.height, box.width)
        field = np.stack([window * np.float32(reach * np.sin(angle)), window * np.float32(reach * np.cos(angle))])
    elif form < 0.7:
        strength = np.float32(rng.uniform(0.25, 0.7) * (1 if rng.random() < 0.5 else -1))
        field = np.stack([strength * window * y, strength * window * x])
    else:
        turn = window * np.float32(rng.uniform(0.4, 1.4) * (1 if rng.random() < 0.5 else -1))
        sin, cos = np.sin(turn), np.cos(turn) - 1
        field = np.stack([cos * y + sin * x, cos * x - sin * y])
    return field


def _sampled(image: RGB, box: Box, displacement: NDArray[np.float32]) -> RGB:
    """Bilinear samples of the image at the displaced places."""
    height, width = image.shape[:2]
    y = np.clip(np.arange(box.top, box.top + box.height, dtype=np.float32)[:, None] + displacement[0], 0, height - 1)
    x = np.clip(np.arange(box.left, box.left + box.width, dtype=np.float32)[None, :] + displacement[1], 0, width - 1)
    row, column = y.astype(np.intp), x.astype(np.intp)
    down, along = (y - row)[..., None], (x - column)[..., None]
    flat = image.reshape(-1, 3)
    below, right = np.minimum(row + 1, height - 1) * width, np.minimum(column + 1, width - 1)
    row *= width
    upper = flat[row + column] * (1 - along) + flat[row + right] * along
    lower = flat[below + column] * (1 - along) + flat[below + right] * along
    return np.asarray(upper + down * (lower - upper) + np.float32(0.5), np.float32).astype(np.uint8)


def _shading(window: NDArray[np.float32], scene: Scene, rng: Generator) -> NDArray[np.float32]:
    """Light from one side on a dent of the window's form, (h, w) in grey levels."""
    angle = rng.uniform(0, 2 * np.pi)
    down, along = np.gradient(window)
    slope = np.float32(np.sin(angle)) * down + np.float32(np.cos(angle)) * along
    peak = float(np.abs(slope).max())
    amount = float(rng.uniform(*scene.settings.contrast)) * scene.opacity(rng)
    return np.asarray(slope * np.float32(amount / peak if peak else 0), np.float32)
