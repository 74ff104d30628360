"""Perlin-masked texture: a foreign texture shows through an outline of noise (DRAEM, Zavrtanik et al., ICCV 2021)."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from PIL import Image

from untaught.anomalies.base import Box, Patch, Scene
from untaught.anomalies.noise import perlin
from untaught.anomalies.settings import PerlinSettings
from untaught.anomalies.shape import Cover, blob, faded


def draw(scene: Scene, rng: Generator) -> Patch:
    """One spot of foreign texture, or the published noise over the whole image."""
    settings = scene.settings
    if settings.perlin.whole:
        box = scene.whole
        cover = published(box, settings.perlin, rng)
        if not cover.any():
            return Patch(box, scene.image, cover)
        box, cover = trimmed(cover)
    else:
        box = scene.place(rng)
        cover = blob(box, settings, rng)
    return Patch(box, scene.texture(scene, box, rng), faded(cover, scene.opacity(rng)))


def published(box: Box, settings: PerlinSettings, rng: Generator) -> Cover:
    """Noise of 2^i by 2^j cells, turned about its middle (0 comes in at the corners) and cut at the threshold."""
    low, high = settings.octaves
    cells = 2 ** rng.integers(low, high + 1, 2)
    noise = perlin(box.height, box.width, (int(cells[0]), int(cells[1])), rng)
    angle = float(rng.uniform(-settings.rotation, settings.rotation))
    turned = Image.fromarray(noise).rotate(angle, Image.Resampling.BILINEAR)
    return (np.asarray(turned) > settings.threshold).astype(np.uint8) * np.uint8(255)


def trimmed(cover: Cover) -> tuple[Box, Cover]:
    """The smallest box around what is covered, so that nothing is computed outside it."""
    rows, columns = np.flatnonzero(cover.any(1)), np.flatnonzero(cover.any(0))
    box = Box(int(rows[0]), int(columns[0]), int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1))
    return box, box.cut(cover)
