"""The vectorised noise against the same noise pixel by pixel."""

import math

import numpy as np
import pytest

from untaught.anomalies.noise import fractal, perlin, simplex


def by_pixel(height, width, cells, seed):
    """Perlin noise as its inventor tells it: ramps of the four corners, blended by the fade."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, (cells[0] + 1, cells[1] + 1))
    result = np.empty((height, width))
    for row, column in np.ndindex(height, width):
        y, x = row * cells[0] / height, column * cells[1] / width
        top, left = int(y), int(x)
        down, along = (t**3 * (t * (6 * t - 15) + 10) for t in (y - top, x - left))
        ramp = [
            math.sin(angle[i, j]) * (y - i) + math.cos(angle[i, j]) * (x - j)
            for i in (top, top + 1)
            for j in (left, left + 1)
        ]
        above, below = (ramp[k] + along * (ramp[k + 1] - ramp[k]) for k in (0, 2))
        result[row, column] = math.sqrt(2) * (above + down * (below - above))
    return result


@pytest.mark.parametrize(
    ("shape", "cells"), [((12, 20), (3, 4)), ((15, 9), (1, 2)), ((8, 8), (8, 8)), ((5, 7), (9, 1))]
)
def test_perlin_noise_is_that_of_the_definition(shape, cells):
    noise = perlin(*shape, cells, np.random.default_rng(3))
    assert noise.dtype == np.float32
    assert np.allclose(noise, by_pixel(*shape, cells, 3), atol=1e-5)


def test_perlin_noise_is_0_on_its_grid_and_stays_within_1():
    noise = perlin(64, 64, (4, 8), np.random.default_rng(0))
    assert np.abs(noise[::16, ::8]).max() < 1e-6
    wide = np.stack([perlin(32, 32, (5, 3), np.random.default_rng(seed)) for seed in range(200)])
    assert 0.6 < np.abs(wide).max() <= 1
    assert abs(wide.mean()) < 0.02


def test_simplex_noise_is_smooth_stays_within_1_and_shows_no_direction():
    fields = [simplex(48, 48, 0.15, np.random.default_rng(seed)) for seed in range(60)]
    stack = np.stack(fields)
    assert 0.6 < np.abs(stack).max() <= 1
    assert abs(stack.mean()) < 0.02
    steps = [np.abs(np.diff(stack, axis=axis)) for axis in (1, 2)]
    assert max(step.max() for step in steps) < 0.15 * 8, "a slope of less than eight a cell"
    assert abs(steps[0].mean() / steps[1].mean() - 1) < 0.05


def test_octaves_are_finer_and_weaker():
    def rough(octaves):
        field = fractal(64, 64, 3, np.random.default_rng(1), octaves)
        return np.abs(np.diff(field, axis=1)).mean() / field.std()

    assert rough(1) < rough(2) < rough(4) < 3 * rough(1)
    assert np.abs(fractal(64, 64, 3, np.random.default_rng(1))).max() <= 1
