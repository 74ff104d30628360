"""Simplex-noise stain: a cloud that darkens, lightens or tints what lies below it, as dirt, oil and rust do.

Simplex noise as the model of anomalies of every frequency is due to AnoDDPM (Wyatt et al., CVPR workshops 2022).
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from PIL import Image

from untaught.anomalies.base import Patch, Scene
from untaught.anomalies.noise import fractal
from untaught.anomalies.shape import faded, radius
from untaught.anomalies.tone import shift, shifted

_FINEST = 96  # the cloud is drawn on no finer grid and stretched: it holds nothing smaller


def draw(scene: Scene, rng: Generator) -> Patch:
    """A cloud with a border between soft and sharp; the ground shows through."""
    box = scene.place(rng)
    scale = min(1.0, _FINEST / max(box.height, box.width))
    noise = fractal(max(2, round(box.height * scale)), max(2, round(box.width * scale)), rng.uniform(1.5, 5), rng)
    if noise.shape != (box.height, box.width):
        noise = np.asarray(Image.fromarray(noise).resize((box.width, box.height), Image.Resampling.BICUBIC))
    steep = np.float32(np.exp(rng.uniform(np.log(1.5), np.log(12))))
    dense = np.float32(rng.uniform(0.4, 0.8)) - radius(box) + np.float32(rng.uniform(0.4, 1.2)) * noise
    dense *= np.clip(4 * (1 - radius(box)), 0, 1)
    cover = (np.clip(dense * steep, 0, 1) * 255).astype(np.uint8)
    pixels = shifted(box.cut(scene.image), shift(scene, box, rng))
    return Patch(box, pixels, faded(cover, scene.opacity(rng)))
