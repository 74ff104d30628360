"""Scar: a long thin stroke, straight or bent, as a scratch, a crack or a fibre leaves it.

The thin rectangle of CutPaste-Scar (Li et al., CVPR 2021) with the bends and the varying width of real scratches.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from untaught.anomalies.base import Box, Patch, Scene
from untaught.anomalies.shape import Cover, faded
from untaught.anomalies.tone import shift, shifted

_FINE = 4  # strokes are drawn so many times larger and averaged: no staircase, and widths below a pixel
_WIDTH = (0.008, 0.06)  # of the stroke's length
_POINTS = 24


def draw(scene: Scene, rng: Generator) -> Patch:
    """One to three strokes: darker or lighter than the ground, a groove with a bright and a dark flank, or a fibre."""
    box = scene.place(rng, aspect=8)
    strokes, offset = _strokes(box, rng)
    change = shift(scene, box, rng)
    ground = box.cut(scene.image)
    look = rng.random()
    if look < 0.25:
        pixels = scene.texture(scene, box, rng)
    elif look < 0.5:
        flank = np.roll(strokes, offset, (0, 1)).astype(np.float32)[..., None] / np.float32(255)
        pixels = shifted(ground, change * (1 - 2 * flank))
        strokes = np.maximum(strokes, np.roll(strokes, offset, (0, 1)))
        strokes[[0, -1]], strokes[:, [0, -1]] = 0, 0
    else:
        pixels = shifted(ground, change)
    return Patch(box, pixels, faded(strokes, scene.opacity(rng)))


def _strokes(box: Box, rng: Generator) -> tuple[Cover, tuple[int, int]]:
    """Cover of parallel strokes in the box, and the step of one pixel across them."""
    height, width = box.height * _FINE, box.width * _FINE
    canvas = Image.new("L", (width, height))
    pen = ImageDraw.Draw(canvas)
    longest = max(height, width)
    thick = max(float(np.exp(rng.uniform(*np.log(_WIDTH)))) * longest, 0.8 * _FINE)
    margin = thick / 2 + 1
    ends = np.array([[margin, margin], [max(width - margin, margin), max(height - margin, margin)]])
    if rng.random() < 0.5:
        ends[:, 1] = ends[::-1, 1]
    bend = rng.normal(0, 0.15) * longest
    for number in range(int(rng.choice([1, 1, 1, 2, 3]))):
        _stroke(pen, ends, thick * rng.uniform(0.5, 1), bend, number * rng.normal(0, 3) * thick, rng)
    along = ends[1] - ends[0]
    across = (1, 0) if abs(along[0]) > abs(along[1]) else (0, 1)
    return np.array(canvas.reduce(_FINE)), across


def _stroke(
    pen: ImageDraw.ImageDraw, ends: np.ndarray, thick: float, bend: float, aside: float, rng: Generator
) -> None:
    """A bent line of discs, thin at its ends."""
    first, last = sorted(rng.uniform(0, 1, 2)) if aside else (0.0, 1.0)
    at = np.linspace(first, last, _POINTS)[:, None]
    along = ends[1] - ends[0]
    normal = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1.0)
    wobble = np.cumsum(rng.normal(0, 0.02 * float(np.hypot(*along)) / _POINTS**0.5, _POINTS))[:, None]
    path = ends[0] + at * along + normal * (4 * bend * at * (1 - at) + aside + wobble)
    taper = rng.uniform(0.3, 1, 2)
    width = thick * np.interp(np.linspace(0, 1, _POINTS), [0, 0.3, 0.7, 1], [taper[0], 1, 1, taper[1]])
    points = [(float(x), float(y)) for x, y in path]
    for start, end, wide in zip(points, points[1:], width, strict=False):
        pen.line([start, end], fill=255, width=max(1, round(float(wide))), joint="curve")
