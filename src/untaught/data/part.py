"""A drawn product: a brushed steel plate with four holes, a turned boss and a laser-marked code, on a dark mat.

Everything is a function of signed distances (negative inside) in the part's own coordinates, in which the image
reaches from -1 to 1; pose, light and grain change from image to image. Nothing is read from a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

HALF_WIDTH, HALF_HEIGHT, CORNER = 0.84, 0.66, 0.15
HOLES = ((-0.65, -0.46, 0.095), (0.65, -0.46, 0.095), (-0.65, 0.46, 0.095), (0.65, 0.46, 0.095))
BORE, BOSS = 0.24, 0.39
CODE_LEFT, CODE_TOP, CODE_CELL, CODE_CELLS = 0.48, -0.15, 0.025, 12
BEVEL = 0.03


@dataclass(frozen=True)
class View:
    """How one image is taken: part coordinates of every pixel, light, and what the generator drew for the grain.

    `u`, `v` are (size, size); `light` points to the lamp in image axes; `angle` is the part's, in radians.
    """

    size: int
    u: Plane
    v: Plane
    angle: float
    light: tuple[float, float]
    brightness: float
    tint: tuple[float, float, float]
    rng: np.random.Generator = field(repr=False)

    @property
    def pixel(self) -> float:
        """Side of a pixel in part coordinates."""
        return 2 / self.size


@dataclass(frozen=True)
class Shape:
    """Signed distances, (size, size): `plate` to the outer border alone, `metal` to all borders, holes included."""

    plate: Plane
    metal: Plane


def view(rng: np.random.Generator, size: int) -> View:
    """Natural variation: a few degrees and pixels of pose, light from anywhere above left, brightness by 10 %."""
    angle, grow = rng.normal(0, 0.025), rng.normal(1, 0.006)
    shift_x, shift_y = rng.normal(0, 0.014, 2)
    line = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / size) - np.float32(1)
    x, y = line[None, :] - np.float32(shift_x), line[:, None] - np.float32(shift_y)
    cosine, sine = np.float32(np.cos(angle) / grow), np.float32(np.sin(angle) / grow)
    lamp = rng.normal(-2.3, 0.3)
    return View(
        size,
        x * cosine + y * sine,
        y * cosine - x * sine,
        float(angle),
        (float(np.cos(lamp)), float(np.sin(lamp))),
        float(rng.normal(1, 0.035)),
        (float(rng.normal(1, 0.008)), 1.0, float(rng.normal(1.01, 0.01))),
        rng,
    )


def rounded_box(u: Plane, v: Plane) -> Plane:
    """Distance to the plate's outline without holes."""
    a, b = np.abs(u) - np.float32(HALF_WIDTH - CORNER), np.abs(v) - np.float32(HALF_HEIGHT - CORNER)
    outside = np.sqrt(np.maximum(a, 0) ** 2 + np.maximum(b, 0) ** 2)
    distance: Plane = outside + np.minimum(np.maximum(a, b), 0) - np.float32(CORNER)
    return distance


def circle(seen: View, x: float, y: float, radius: float) -> Plane:
    """Distance to a circle in part coordinates."""
    return np.sqrt((seen.u - np.float32(x)) ** 2 + (seen.v - np.float32(y)) ** 2) - np.float32(radius)


def whole(seen: View) -> Shape:
    """The plate as it should be."""
    plate = rounded_box(seen.u, seen.v)
    x, y, radius = (np.float32(abs(number)) for number in HOLES[0])
    # The four holes are mirror images, so the distance to the nearest of them is that of one in one quarter.
    nearest = np.sqrt((np.abs(seen.u) - x) ** 2 + (np.abs(seen.v) - y) ** 2) - radius
    return Shape(plate, np.maximum(np.maximum(plate, -nearest), -circle(seen, 0, 0, BORE)))


def punched(seen: View, plate: Plane, holes: tuple[tuple[float, float, float], ...]) -> Shape:
    """The plate with other holes than it should have; each is x, y, radius."""
    metal = np.maximum(plate, -circle(seen, 0, 0, BORE))
    for x, y, radius in holes:
        metal = np.maximum(metal, -circle(seen, x, y, radius))
    return Shape(plate, metal)


def coverage(distance: Plane, pixel: float) -> Plane:
    """Share of each pixel inside, from the distance: an antialiased edge."""
    inside: Plane = np.clip(np.float32(0.5) - distance * np.float32(1 / pixel), 0, 1)
    return inside


def mat(seen: View) -> Plane:
    """The dark rubber mat below, with the plate's soft shadow, (size, size) in 0..1."""
    height = 0.05
    shifted = rounded_box(seen.u + np.float32(height * seen.light[0]), seen.v + np.float32(height * seen.light[1]))
    shadow = np.clip(np.float32(0.5) - shifted * np.float32(1 / 0.09), 0, 1)
    rough = _grain(seen, _rough())
    bright = np.float32(0.22) + np.float32(0.03) * (
        seen.u * np.float32(seen.light[0]) + seen.v * np.float32(seen.light[1])
    )
    grey: Plane = bright * (1 - np.float32(0.62) * shadow) + np.float32(0.026) * rough
    return grey


def steel(seen: View, form: Shape) -> Plane:
    """Brightness of the metal: brushing, a soft reflection, bevelled edges, turned boss and code, in 0..1."""
    along = seen.u * np.float32(seen.light[0]) + seen.v * np.float32(seen.light[1])
    glow = np.float32(0.60) + np.float32(0.09) * along + np.float32(0.07) / (1 + (seen.v * 3 - along) ** 2)
    bright = glow + np.float32(0.035) * _grain(seen, _brushed())
    bright = bright + _boss(seen, bright)
    bright = bright - np.float32(0.3) * _code(seen)
    lit = slope(form.metal, seen)
    edge = np.clip(1 + form.metal * np.float32(1 / BEVEL), 0, 1)
    grey: Plane = bright + np.float32(0.34) * edge * lit - np.float32(0.06) * edge
    return grey


def slope(distance: Plane, seen: View) -> Plane:
    """How far the surface, falling where `distance` grows, turns to the lamp: -1 to 1."""
    down, across = np.gradient(distance, seen.pixel)
    turned = across * np.float32(seen.light[0]) + down * np.float32(seen.light[1])
    return np.asarray(np.clip(turned, -1, 1), np.float32)


def _boss(seen: View, below: Plane) -> Plane:
    """What the turned ring around the bore adds: grooves, and the two bright sectors that all turned parts show."""
    radius = np.sqrt(seen.u**2 + seen.v**2)
    ring = coverage(radius - np.float32(BOSS), seen.pixel)
    rim = np.clip(1 - np.abs(radius - np.float32(BOSS)) * np.float32(1 / 0.012), 0, 1)
    lamp = np.arctan2(seen.light[1], seen.light[0]) - seen.angle
    cosine = (seen.u * np.float32(np.cos(lamp)) + seen.v * np.float32(np.sin(lamp))) / np.maximum(radius, 1e-3)
    sectors = cosine**2
    grooves = _brushed()[7][np.minimum((radius * 700).astype(np.int32), 1023)]
    turned = np.float32(0.46) + np.float32(0.3) * sectors**2 + np.float32(0.03) * grooves
    added: Plane = ring * (turned - below) + np.float32(0.2) * rim * cosine
    return added


def _code(seen: View) -> Plane:
    """1 where the laser has marked."""
    column = np.floor((seen.u - np.float32(CODE_LEFT)) * np.float32(1 / CODE_CELL)).astype(np.int32)
    row = np.floor((seen.v - np.float32(CODE_TOP)) * np.float32(1 / CODE_CELL)).astype(np.int32)
    inside = (column >= 0) & (column < CODE_CELLS) & (row >= 0) & (row < CODE_CELLS)
    marked = _modules()[np.where(inside, row, 0), np.where(inside, column, 0)]
    return np.asarray(marked & inside, np.float32)


@lru_cache(maxsize=1)
def _modules() -> NDArray[np.bool_]:
    """Twelve by twelve cells like a data matrix: a solid L, a dotted L, and the rest by chance, once for all parts."""
    cells = np.random.default_rng(12).random((CODE_CELLS, CODE_CELLS)) < 0.5
    cells[:, 0], cells[-1, :] = True, True
    cells[0, :] = np.arange(CODE_CELLS) % 2 == 0
    cells[:-1, -1] = np.arange(CODE_CELLS - 1) % 2 == 1
    return cells


def _grain(seen: View, noise: Plane) -> Plane:
    """Unit noise in part coordinates, another piece of it in each image."""
    top, left = (int(n) for n in seen.rng.integers(0, 1024, 2))
    per_unit = np.float32(seen.size * 0.55)
    row = (seen.v * per_unit).astype(np.int32) + top
    column = (seen.u * per_unit).astype(np.int32) + left
    piece: Plane = noise[row & 1023, column & 1023]
    return piece


def noise(rng: np.random.Generator, size: int) -> Plane:
    """Unit white noise, (size, size): a random piece of a stored plane; fresh noise would cost more than the part."""
    row, column = (np.arange(size) + start & 1023 for start in rng.integers(0, 1024, 2))
    piece: Plane = _rough()[row[:, None], column]
    return piece


@lru_cache(maxsize=1)
def _rough() -> Plane:
    """White noise, (1024, 1024)."""
    return np.random.default_rng(5).standard_normal((1024, 1024), dtype=np.float32)


@lru_cache(maxsize=1)
def _brushed() -> Plane:
    """Noise drawn out along the rows, (1024, 1024), mean 0, deviation 1, seamless."""
    run = np.exp(-np.abs(np.fft.fftfreq(1024, 1 / 1024)) / 25)
    lines = np.fft.irfft(np.fft.rfft(_rough(), axis=1) * np.fft.rfft(run), n=1024, axis=1)
    return np.asarray(lines / lines.std(), np.float32)
