"""Smooth random fields: Perlin noise as two matrix products, and simplex noise.

Perlin noise (Perlin, An Image Synthesizer, SIGGRAPH 1985; fade of Improving Noise, 2002) at (y, x) is the blend of four
ramps, one for each corner of the cell:

    noise(y, x) = sum_ij f_i(y) f_j(x) [u_ij (y - i) + v_ij (x - j)]

f_i is the fade of row i: 0 outside the neighbouring cells. Each of the two terms is a product of matrices, rows by grid
by columns, so no array of corners is ever gathered for each pixel.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Field = NDArray[np.float32]  # (h, w)
_SKEW, _UNSKEW = (math.sqrt(3) - 1) / 2, (3 - math.sqrt(3)) / 6


def perlin(height: int, width: int, cells: tuple[int, int], rng: Generator) -> Field:
    """Perlin noise of unit gradients times sqrt 2: values in -1..1, mean 0, smooth over one cell.

    Args:
        height: rows.
        width: columns.
        cells: cells of the gradient grid along y and x.
        rng: gives the gradients.
    """
    angle = rng.uniform(0, 2 * np.pi, (cells[0] + 1, cells[1] + 1)).astype(np.float32)
    rows, row_ramps = _corner_weights(height, cells[0])
    columns, column_ramps = _corner_weights(width, cells[1])
    along_y = (row_ramps @ np.sin(angle)) @ columns.T
    along_x = (rows @ np.cos(angle)) @ column_ramps.T
    return np.float32(math.sqrt(2)) * (along_y + along_x)


def _corner_weights(length: int, cells: int) -> tuple[Field, Field]:
    """(length, cells + 1): weight of each grid line at each pixel, and the same times the distance to the line."""
    at = np.arange(length, dtype=np.float32) * np.float32(cells / length)
    low = np.minimum(at.astype(np.intp), cells - 1)
    far = at - low
    fade = far * far * far * (far * (far * 6 - 15) + 10)
    weights = np.zeros((length, cells + 1), np.float32)
    ramps = np.zeros_like(weights)
    index = np.arange(length)
    weights[index, low], weights[index, low + 1] = 1 - fade, fade
    ramps[index, low], ramps[index, low + 1] = (1 - fade) * far, fade * (far - 1)
    return weights, ramps


def fractal(height: int, width: int, cells: float, rng: Generator, octaves: int = 3) -> Field:
    """Simplex noise in octaves of doubling frequency and halving weight, roughly in -1..1.

    Args:
        height: rows.
        width: columns.
        cells: cells of the first octave along the longer side.
        rng: gives offset and gradients.
        octaves: number of octaves.
    """
    step = np.float32(cells / max(height, width))
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        total += simplex(height, width, float(step) * 2**octave, rng) / np.float32(2**octave)
    return total / np.float32(2 - 2.0 ** (1 - octaves))


def simplex(height: int, width: int, step: float, rng: Generator) -> Field:
    """Simplex noise (Perlin, Noise Hardware, 2001) on triangles, `step` cells a pixel; values in -1..1.

    Unlike Perlin noise it shows no direction of a square grid.
    """
    start = rng.uniform(0, 1, 2).astype(np.float32)
    y = (np.arange(height, dtype=np.float32) * np.float32(step) + start[0])[:, None]
    x = (np.arange(width, dtype=np.float32) * np.float32(step) + start[1])[None, :]
    skew = (x + y) * np.float32(_SKEW)
    row, column = np.floor(y + skew), np.floor(x + skew)
    back = (row + column) * np.float32(_UNSKEW)
    y0, x0 = y - row + back, x - column + back
    row_index, column_index = row.astype(np.intp), column.astype(np.intp)
    rows, columns = int(row_index.max()) + 2, int(column_index.max()) + 2
    angle = rng.uniform(0, 2 * np.pi, (rows, columns)).astype(np.float32)
    down, along = np.sin(angle).ravel(), np.cos(angle).ravel()
    flat = row_index * columns + column_index
    lower = x0 > y0  # which of the cell's two triangles
    middle = flat + np.where(lower, 1, columns)
    total = _corner(y0, x0, flat, down, along)
    one, two = np.float32(_UNSKEW), np.float32(2 * _UNSKEW - 1)
    total += _corner(y0 - ~lower + one, x0 - lower + one, middle, down, along)
    total += _corner(y0 + two, x0 + two, flat + columns + 1, down, along)
    return np.float32(99.2) * total


def _corner(y: Field, x: Field, index: NDArray[np.intp], down: Field, along: Field) -> Field:
    near = np.maximum(np.float32(0.5) - y * y - x * x, 0)
    near *= near
    return np.asarray(near * near * (down[index] * y + along[index] * x), np.float32)
