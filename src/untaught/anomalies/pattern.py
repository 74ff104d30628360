"""Drawn textures: what covers a part when no other image is at hand. Tones lie around those of the place covered."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from untaught.anomalies.base import RGB, Box, Scene
from untaught.anomalies.noise import perlin
from untaught.anomalies.tone import shift


def pattern(scene: Scene, box: Box, rng: Generator) -> RGB:
    """Clouds, stripes or a plain tone between two colours, with grain; (h, w, 3)."""
    ground = box.cut(scene.image).reshape(-1, 3)
    first = ground[:: max(1, len(ground) // 1024)].mean(0, dtype=np.float32) + shift(scene, box, rng)
    second = first + shift(scene, box, rng) * np.float32(rng.uniform(0.1, 0.6))
    share = _FORMS[int(rng.integers(len(_FORMS)))](box, rng)[..., None]
    grain = rng.standard_normal((box.height, box.width, 1), np.float32) * np.float32(rng.uniform(0, 10))
    return np.asarray(np.clip(first + share * (second - first) + grain, 0, 255), np.uint8)


def _cloud(box: Box, rng: Generator) -> NDArray[np.float32]:
    cells = (int(rng.integers(1, 9)), int(rng.integers(1, 9)))
    return perlin(box.height, box.width, cells, rng) * np.float32(0.5) + np.float32(0.5)


def _stripes(box: Box, rng: Generator) -> NDArray[np.float32]:
    angle, period = rng.uniform(0, np.pi), rng.uniform(3, max(6, max(box.height, box.width) / 2))
    y = np.arange(box.height, dtype=np.float32)[:, None] * np.float32(np.sin(angle) * 2 * np.pi / period)
    x = np.arange(box.width, dtype=np.float32)[None, :] * np.float32(np.cos(angle) * 2 * np.pi / period)
    return np.sin(y + x) * np.float32(0.5) + np.float32(0.5)


def _plain(box: Box, rng: Generator) -> NDArray[np.float32]:
    return np.zeros((box.height, box.width), np.float32)


_FORMS = (_cloud, _stripes, _plain)
