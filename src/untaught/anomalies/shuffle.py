"""Structural shuffle: the tiles of a region change places, as misplaced or swapped parts do."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from untaught.anomalies.base import Box, Patch, Scene
from untaught.anomalies.shape import blob

_LEAST = 2  # pixels a side of a tile


def draw(scene: Scene, rng: Generator) -> Patch:
    """A grid of 2 x 2 to 4 x 4 tiles in another order, each perhaps mirrored; no tile stays where it was."""
    box = scene.place(rng)
    count = [min(int(rng.integers(2, 5)), max(1, side // _LEAST)) for side in (box.height, box.width)]
    rows, columns = box.height // count[0], box.width // count[1]
    box = Box(box.top, box.left, rows * count[0], columns * count[1])
    tiles = box.cut(scene.image).reshape(count[0], rows, count[1], columns, 3).swapaxes(1, 2)
    tiles = tiles.reshape(-1, rows, columns, 3)
    # A turn of a random order moves every tile.
    order = rng.permutation(len(tiles))
    source = np.empty_like(order)
    source[order] = np.roll(order, 1)
    moved = tiles[source]
    mirrored = rng.random(len(moved)) < 0.5
    moved[mirrored] = moved[mirrored, :, ::-1]
    moved = moved.reshape(count[0], count[1], rows, columns, 3).swapaxes(1, 2)
    cover = np.full((box.height, box.width), 255, np.uint8)
    if rng.random() < 0.5:
        cover = blob(box, scene.settings, rng)
    return Patch(box, np.ascontiguousarray(moved.reshape(box.height, box.width, 3)), cover)
