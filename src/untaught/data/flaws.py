"""Five kinds of defect for the drawn part, each with its exact footprint.

A flaw either changes the outline (`chip`, `hole`) or the surface (`scratch`, `dent`, `stain`). Positions are in part
coordinates, lengths in the same unit (the image is 2 wide).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from untaught.data.part import (
    BEVEL,
    BOSS,
    HALF_HEIGHT,
    HALF_WIDTH,
    HOLES,
    Plane,
    Shape,
    View,
    circle,
    coverage,
    punched,
    slope,
)

KINDS = ("scratch", "dent", "chip", "hole", "stain")


@dataclass(frozen=True)
class Flaw:
    """What a flaw does: the outline it leaves, what it adds to the surface's brightness, its film of colour.

    `footprint` is bool, `add` and `film` are float, all (size, size); where `film` is 1 the surface has `colour`.
    """

    form: Shape
    footprint: NDArray[np.bool_]
    add: Plane | None = None
    film: Plane | None = None
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)


def flaw(kind: str, seen: View, good: Shape, rng: np.random.Generator) -> Flaw:
    """Make a flaw of the kind on a good part; place, size and strength come from `rng`."""
    made = _KINDS[kind](seen, good, rng)
    footprint = made.footprint & ((good.metal < 0) | (made.form.metal < 0))
    return replace(made, footprint=footprint)


def _place(rng: np.random.Generator, margin: float) -> tuple[float, float]:
    """A point of the plain surface, at least `margin` from holes, boss and border."""
    while True:
        x = rng.uniform(-HALF_WIDTH + margin, HALF_WIDTH - margin)
        y = rng.uniform(-HALF_HEIGHT + margin, HALF_HEIGHT - margin)
        free = all(np.hypot(x - hx, y - hy) > radius + margin for hx, hy, radius in HOLES)
        if free and np.hypot(x, y) > BOSS + margin:
            return float(x), float(y)


def _scratch(seen: View, good: Shape, rng: np.random.Generator) -> Flaw:
    """A thin bent line, dark groove with a bright burr on the side to the lamp."""
    x, y = _place(rng, 0.05)
    turn, length, bend = rng.uniform(0, 2 * np.pi), rng.uniform(0.25, 0.65), rng.normal(0, 0.09)
    width, strength = rng.uniform(0.006, 0.011), rng.uniform(0.16, 0.34)
    if np.cos(turn) * x + np.sin(turn) * y > 0:
        turn += np.pi  # inward, so that it stays on the part, and bent inward for the same reason
    bend = np.copysign(bend, np.sin(turn) * x - np.cos(turn) * y)
    cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    u, v = seen.u - np.float32(x), seen.v - np.float32(y)
    along, across = (u * cosine + v * sine) * np.float32(1 / length), v * cosine - u * sine
    inside = np.clip(along, 0, 1)
    side = across - np.float32(4 * bend) * inside * (1 - inside)
    near = np.sqrt(side**2 + ((along - inside) * np.float32(length)) ** 2)
    core = coverage(near - np.float32(width), seen.pixel)
    burr = coverage(np.abs(near - np.float32(2 * width)) - np.float32(width), seen.pixel)
    towards = side * (cosine * np.float32(seen.light[1]) - sine * np.float32(seen.light[0])) > 0
    add = np.float32(-strength) * core + np.float32(0.5 * strength) * burr * towards
    return Flaw(good, near < np.float32(2.2 * width), add=add)


def _dent(seen: View, good: Shape, rng: np.random.Generator) -> Flaw:
    """A hollow: dark on the side to the lamp, bright on the other."""
    radius = rng.uniform(0.05, 0.11)
    x, y = _place(rng, radius)
    inside = np.clip(-circle(seen, x, y, radius) * np.float32(1 / radius), 0, 1)
    depth = inside * inside * (3 - 2 * inside) * np.float32(radius * rng.uniform(0.08, 0.22))
    return Flaw(good, inside > 0.06, add=slope(depth, seen) * np.float32(0.9))


def _chip(seen: View, good: Shape, rng: np.random.Generator) -> Flaw:
    """A jagged piece of the border broken off."""
    size = rng.uniform(0.05, 0.1)
    side = rng.choice([-1.0, 1.0])
    if rng.random() < HALF_WIDTH / (HALF_WIDTH + HALF_HEIGHT):
        x, y = rng.uniform(-0.9, 0.9) * HALF_WIDTH, side * HALF_HEIGHT
    else:
        x, y = side * HALF_WIDTH, rng.uniform(-0.9, 0.9) * HALF_HEIGHT
    notch = _ragged(seen, rng, x, y, size, waves=range(3, 12), rough=0.35)
    form = Shape(np.maximum(good.plate, -notch), np.maximum(good.metal, -notch))
    return Flaw(form, _moved(good, form))


def _ragged(
    seen: View, rng: np.random.Generator, x: float, y: float, radius: float, waves: Iterable[int], rough: float
) -> Plane:
    """Distance, roughly, to a blot: a circle whose radius goes in and out with the angle."""
    angle = np.arctan2(seen.v - np.float32(y), seen.u - np.float32(x))
    distance = circle(seen, x, y, radius)
    for number in waves:
        phase, height = rng.uniform(0, 2 * np.pi), rng.normal(0, rough * radius / number)
        distance += np.float32(height) * np.cos(np.float32(number) * angle + np.float32(phase))
    return distance


def _moved(before: Shape, after: Shape) -> NDArray[np.bool_]:
    """Where the border, with its bevel, is another one."""
    was, now = (np.clip(form.metal, -BEVEL, 0) for form in (before, after))
    moved: NDArray[np.bool_] = np.abs(was - now) > np.float32(0.15 * BEVEL)
    return moved


def _hole(seen: View, good: Shape, rng: np.random.Generator) -> Flaw:
    """A hole not punched, or punched too small or in the wrong place."""
    which, how = int(rng.integers(len(HOLES))), rng.random()
    x, y, radius = HOLES[which]
    holes = HOLES[:which] + HOLES[which + 1 :]
    if how > 0.25:
        turn, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.04, 0.075)
        shrink = rng.uniform(0.5, 0.72) if how < 0.65 else 1.0
        holes = (*holes, (float(x + away * np.cos(turn)), float(y + away * np.sin(turn)), radius * shrink))
    form = punched(seen, good.plate, holes)
    return Flaw(form, _moved(good, form))


def _stain(seen: View, good: Shape, rng: np.random.Generator) -> Flaw:
    """A film of oil or heat tint with a ragged border and a darker rim."""
    x, y = _place(rng, 0.06)
    distance = _ragged(seen, rng, x, y, rng.uniform(0.09, 0.18), waves=range(2, 7), rough=0.22)
    body = coverage(distance, 4 * seen.pixel)
    rim = np.clip(1 - np.abs(distance + np.float32(0.012)) * np.float32(1 / 0.014), 0, 1)
    film = np.float32(rng.uniform(0.35, 0.65)) * body * (np.float32(0.8) + np.float32(0.5) * rim)
    colour = ((0.78, 0.62, 0.42), (0.62, 0.66, 0.82), (0.66, 0.6, 0.56))[int(rng.integers(3))]
    return Flaw(good, distance < 0, film=film, colour=colour)


_KINDS: dict[str, Callable[[View, Shape, np.random.Generator], Flaw]] = {
    "scratch": _scratch,
    "dent": _dent,
    "chip": _chip,
    "hole": _hole,
    "stain": _stain,
}
