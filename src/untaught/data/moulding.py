"""A drawn product with relief: a moulded plastic cover on a tilted plate, seen in colour and in depth.

Its light is diffuse: colour tells nothing of shape and depth nothing of colour, so that a dent is found in depth alone
and a stain in colour alone. The depth sensor has noise, loses values at steep places and here and there, and sometimes
a corner of its picture. Lengths in part coordinates, in which the image reaches from -1 to 1; heights in metres.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from untaught.records import GOOD

Plane = NDArray[np.float32]

SHAPES = ("dent", "bump", "hole")
KINDS = (*SHAPES, "stain")
HALF_WIDTH, HALF_HEIGHT, CORNER = 0.72, 0.56, 0.16
HEIGHT, EDGE = 0.018, 0.1
AWAY = 0.6
NOISE = 0.00015
RIB = 0.0012


class Moulding(NamedTuple):
    """One part: colour (size, size, 3) uint8, distance (size, size) in metres, 0 where the sensor saw nothing, and
    the defect's exact footprint (size, size), empty for a good part.
    """

    image: NDArray[np.uint8]
    distance: Plane
    footprint: NDArray[np.bool_]


def draw(entropy: list[int], size: int, kind: str = GOOD) -> Moulding:
    """One part, from `entropy` alone; with a flaw or without, everything else about it is the same."""
    rng = np.random.default_rng([*entropy, 0])
    u, v = _pose(rng, size)
    border = _border(u, v)
    height = _relief(u, v, border)
    tilt = rng.normal(0, 0.002, 2)
    y, x = _axes(size)
    ground = np.float32(AWAY) + np.float32(tilt[0]) * x + np.float32(tilt[1]) * y
    colour = _colour(rng, u, v, border)
    footprint = np.zeros((size, size), bool)
    if kind != GOOD:
        height, colour, footprint = _flawed(kind, np.random.default_rng([*entropy, 1]), u, v, height, colour)
    light = rng.normal(1, 0.03)
    noise = rng.normal(0, 2, (size, size, 3))
    image = np.clip(colour * light * 255 + noise, 0, 255).astype(np.uint8)
    return Moulding(image, _sensed(rng, ground - height, height), footprint)


def _axes(size: int) -> tuple[Plane, Plane]:
    line = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / size) - np.float32(1)
    return line[:, None], line[None, :]


def _pose(rng: np.random.Generator, size: int) -> tuple[Plane, Plane]:
    """Part coordinates of every pixel: a few degrees and pixels from part to part."""
    angle, (left, up) = rng.normal(0, 0.02), rng.normal(0, 0.012, 2)
    y, x = _axes(size)
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    x, y = x - np.float32(left), y - np.float32(up)
    return x * cosine + y * sine, y * cosine - x * sine


def _border(u: Plane, v: Plane) -> Plane:
    """Distance to the part's outline, negative inside."""
    a, b = np.abs(u) - np.float32(HALF_WIDTH - CORNER), np.abs(v) - np.float32(HALF_HEIGHT - CORNER)
    outside = np.hypot(np.maximum(a, 0), np.maximum(b, 0))
    border: Plane = outside + np.minimum(np.maximum(a, b), 0) - np.float32(CORNER)
    return border


def _smooth(share: Plane) -> Plane:
    inside = np.clip(share, 0, 1)
    step: Plane = inside * inside * (3 - 2 * inside)
    return step


def _relief(u: Plane, v: Plane, border: Plane) -> Plane:
    """Height above the plate: round edges, a slight dome and three ribs."""
    body = np.float32(HEIGHT) * _smooth(-border / np.float32(EDGE))
    dome = np.float32(0.003) * np.clip(1 - (u / np.float32(HALF_WIDTH)) ** 2, 0, 1)
    ribs = sum(_smooth(1 - np.abs(u - np.float32(place)) / np.float32(0.04)) for place in (-0.3, 0.0, 0.3))
    plain = _smooth(-(border + np.float32(EDGE)) / np.float32(0.08))
    height: Plane = body + (dome + np.float32(RIB) * ribs) * plain
    return height


def _colour(rng: np.random.Generator, u: Plane, v: Plane, border: Plane) -> Plane:
    """Ochre plastic with coarse speckles on a grey plate; 0..1."""
    speckles = _blotches(rng, len(u), 48)[..., None] * np.float32(0.03)
    cover = np.clip(np.float32(0.5) - border * np.float32(len(u) / 2), 0, 1)[..., None]
    plastic = np.array((0.72, 0.55, 0.28), np.float32) + speckles
    metal = np.array((0.38, 0.4, 0.43), np.float32) + _blotches(rng, len(u), 8)[..., None] * np.float32(0.02)
    colour: Plane = metal + cover * (plastic - metal)
    return colour


def _blotches(rng: np.random.Generator, size: int, cells: int) -> Plane:
    """Smooth noise with `cells` knots a side, deviation about 1."""
    knots = rng.normal(0, 1, (cells + 1, cells + 1)).astype(np.float32)
    place = np.linspace(0, cells, size, endpoint=False)
    low = place.astype(int)
    share = _smooth((place - low).astype(np.float32))
    rows = knots[low] * (1 - share[:, None]) + knots[low + 1] * share[:, None]
    blotches: Plane = rows[:, low] * (1 - share) + rows[:, low + 1] * share
    return blotches


def _flawed(
    kind: str, rng: np.random.Generator, u: Plane, v: Plane, height: Plane, colour: Plane
) -> tuple[Plane, Plane, NDArray[np.bool_]]:
    """Height, colour and footprint with a flaw of the kind at a place on the part's upper side."""
    radius, stretch, turn = rng.uniform(0.06, 0.12), rng.uniform(0.7, 1.4), rng.uniform(0, np.pi)
    room = EDGE + radius
    x, y = rng.uniform(room - HALF_WIDTH, HALF_WIDTH - room), rng.uniform(room - HALF_HEIGHT, HALF_HEIGHT - room)
    cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    a, b = u - np.float32(x), v - np.float32(y)
    along, across = (a * cosine + b * sine) * np.float32(stretch), (b * cosine - a * sine) / np.float32(stretch)
    inside = (1 - np.hypot(along, across) / radius).astype(np.float32)
    footprint: NDArray[np.bool_] = inside > 0.05
    if kind == "stain":
        film = np.float32(rng.uniform(0.25, 0.55)) * np.clip(4 * inside, 0, 1)[..., None]
        tint = np.array(((0.45, 0.35, 0.25), (0.3, 0.45, 0.55))[int(rng.integers(2))], np.float32)
        return height, (colour * (1 - film * (1 - tint))).astype(np.float32), footprint
    depth = rng.uniform(0.0015, 0.004)
    if kind == "hole":
        return np.where(footprint, height - np.float32(0.006), height), colour, footprint
    sign = np.float32(depth if kind == "bump" else -depth)
    return height + sign * _smooth(inside * np.float32(1.5)), colour, footprint


def _sensed(rng: np.random.Generator, distance: Plane, height: Plane) -> Plane:
    """What the sensor makes of true distances: noise, and no value at steep places, here and there, in a corner."""
    size = len(distance)
    down, across = np.gradient(height * np.float32(size / 2))
    steep = np.hypot(down, across) > 0.25
    lost = rng.random((size, size)) < np.where(steep, 0.3, 0.01)
    for y, x in rng.integers(0, size, (3, 2)):
        lost[y : y + size // 50 + 1, x : x + size // 50 + 1] = True
    if rng.random() < 0.15:
        side = size // 16
        rows = slice(0, side) if rng.random() < 0.5 else slice(size - side, size)
        lost[rows, :side] = True
    noisy = distance + rng.normal(0, NOISE, distance.shape).astype(np.float32)
    return np.where(lost, np.float32(0), noisy).astype(np.float32)
