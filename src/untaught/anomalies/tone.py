"""Tones: the colours a stain, a scratch or a shadow takes from its surroundings."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from untaught.anomalies.base import RGB, Box, Scene

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def shift(scene: Scene, box: Box, rng: Generator) -> NDArray[np.float32]:
    """A change of colour (3,) in grey levels: darker or lighter by the set contrast, slightly tinted.

    The direction is free where there is room, so that black gets lighter and white darker.
    """
    level = float(box.cut(scene.image).mean())
    amount = float(rng.uniform(*scene.settings.contrast))
    darker = rng.random() < 0.6
    if level < amount:
        darker = False
    elif level > 255 - amount:
        darker = True
    tint = rng.normal(0, 0.25, 3) * rng.uniform(*scene.settings.colour)
    change = (-amount if darker else amount) * (1 + (0 if scene.grey and scene.settings.match_grey else tint))
    return np.asarray(np.broadcast_to(change, 3), np.float32)


def shifted(pixels: RGB, change: NDArray[np.float32]) -> RGB:
    """Pixels (h, w, 3) plus a change (3,) or (h, w, 3), kept in 0..255."""
    return np.asarray(np.clip(pixels + change, 0, 255), np.uint8)


def toned(pixels: RGB, scene: Scene, rng: Generator) -> RGB:
    """Pixels with the set share of their own colour; grey where the scene is grey."""
    share = np.float32(rng.uniform(*scene.settings.colour))
    if scene.grey and scene.settings.match_grey:
        share = np.float32(0)
    if share >= 1:
        return pixels
    grey = (pixels @ _LUMA)[..., None]
    return np.asarray(grey + share * (pixels - grey) + np.float32(0.5), np.float32).astype(np.uint8)
