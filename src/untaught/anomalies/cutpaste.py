"""Cut-paste: a piece of the image laid down elsewhere, turned and in another light (CutPaste, Li et al., CVPR 2021)."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from PIL import Image

from untaught.anomalies.base import Box, Patch, Scene
from untaught.anomalies.shape import Cover, blob, faded, soften
from untaught.anomalies.tone import shift, shifted

_QUARTERS = (None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_180)


def draw(scene: Scene, rng: Generator) -> Patch:
    """A rectangle or an irregular piece; half of them in another light."""
    box = scene.place(rng)
    piece = _piece(scene, box, rng)
    if rng.random() < 0.5:
        piece = shifted(piece, shift(scene, box, rng) * np.float32(rng.uniform(0.2, 0.8)))
    cover = _rectangle(box, scene, rng) if rng.random() < 0.4 else blob(box, scene.settings, rng)
    return Patch(box, piece, faded(cover, max(scene.opacity(rng), 0.6)))


def _piece(scene: Scene, box: Box, rng: Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    height, width = scene.image.shape[:2]
    top, left = int(rng.integers(height - box.height + 1)), int(rng.integers(width - box.width + 1))
    source = Image.fromarray(np.ascontiguousarray(Box(top, left, box.height, box.width).cut(scene.image)))
    turn = _QUARTERS[int(rng.integers(len(_QUARTERS)))]
    return np.asarray(source if turn is None else source.transpose(turn))


def _rectangle(box: Box, scene: Scene, rng: Generator) -> Cover:
    """A rectangle turned by any angle that just fits into the box."""
    angle = float(rng.uniform(-45, 45))
    turn = np.deg2rad(abs(angle))
    shrink = 1 / (np.cos(turn) + np.sin(turn))
    rows, columns = max(2, round(box.height * shrink)), max(2, round(box.width * shrink))
    cover = np.zeros((box.height, box.width), np.uint8)
    top, left = (box.height - rows) // 2, (box.width - columns) // 2
    cover[top : top + rows, left : left + columns] = 255
    turned = Image.fromarray(cover).rotate(angle, Image.Resampling.BILINEAR)
    return soften(np.asarray(turned), scene.settings, rng)
