"""From measured distances to the model's depth input: holes filled, the plate taken away, the part centred.

After section 3.4 and the code of AST (Rudolph et al., WACV 2023), vectorised, and robust where that code gives no
number: a corner without any measured value, a picture without a part, measured values at the very border.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

CELL = 4  # pixels of the model's image per value of depth: depth sensors are coarser than cameras
GROW = 8  # cells of the quarter-size mask by which the part is grown
PASSES = 3
CENTIMETRES = 100.0
Plane = NDArray[np.float32]


class DepthRecipe(BaseModel):
    """How depth becomes the model's input.

    Attributes:
        unit: Metres per unit of integer depth images; floating-point ones are in metres.
        relief: Metres by which the part differs from the plate it lies on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: float = Field(default=0.001, gt=0)
    relief: float = Field(default=0.007, gt=0)


def prepare(
    distance: Plane, recipe: DepthRecipe, height: int, width: int, inside: NDArray[np.bool_] | None = None
) -> Plane:
    """The model's depth input, (height, width, 2).

    Channel 0 is the distance in centimetres from the part's mean, exactly 0 on the plate; channel 1 is 1 where the
    part is, grown by a few pixels, and 0 elsewhere. Both are the same within cells of 4 x 4 pixels. Where there is no
    part, everything counts: a plate that lies empty shall be judged, and not pass because nothing is on it.

    Args:
        distance: metres, (h, w); 0 and what is not finite count as not measured.
        recipe: the settings.
        height: of the model's image.
        width: of the model's image.
        inside: (h, w), where the picture is looked at; None: everywhere. Only the plate is told by what lies outside,
            as the corners mostly do.
    """
    filled = fill_holes(np.where(np.isfinite(distance), distance, 0).astype(np.float32))
    part = foreground(filled, recipe.relief)
    if inside is not None:
        filled, part = filled * inside, part & inside
    deep = centred(filled, part)
    if not part.any():
        part = np.ones_like(part) if inside is None else inside
    size = (-(-height // CELL), -(-width // CELL))
    grown = grow(bilinear(part.astype(np.float32), size) > 0)
    cells = np.stack([bilinear(deep, size), grown.astype(np.float32)], axis=2)
    return cells.repeat(CELL, axis=0).repeat(CELL, axis=1)[:height, :width]


def fill_holes(distance: Plane, passes: int = PASSES) -> Plane:
    """Give each missing (0) pixel the mean of those of its 3x3 neighbours that are there, `passes` times over."""
    filled = distance.copy()
    for _ in range(passes):
        missing = filled == 0
        if not missing.any():
            break
        total, count = around(filled.astype(np.float64)), around((~missing).astype(np.float64))
        filled = np.where(missing & (count > 0), total / np.maximum(count, 1), filled).astype(np.float32)
    return filled


def around(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over the 3x3 window of each pixel; there is nothing beyond the border."""
    wide = np.pad(values, 1)
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    return rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]


def foreground(distance: Plane, relief: float) -> NDArray[np.bool_]:
    """Where the part is: measured, and more than `relief` metres away from the plate."""
    part: NDArray[np.bool_] = (np.abs(distance - plate(distance)) > relief) & (distance != 0)
    return part


def centred(distance: Plane, part: NDArray[np.bool_]) -> Plane:
    """Centimetres from the part's mean, 0 outside; where no part was found, from the median of all that is measured."""
    if part.any():
        middle = float(distance[part].mean(dtype=np.float64))
    else:
        part = distance != 0
        middle = float(np.median(distance[part])) if part.any() else 0.0
    return np.where(part, CENTIMETRES * (distance - np.float32(middle)), 0).astype(np.float32)


def plate(distance: Plane) -> Plane:
    """The plate's distance everywhere, bilinear between the means of the four 2x2 corners.

    A corner without a measured value grows up to an eighth of the picture; is there still none, a plane is fitted to
    the border of the picture instead, without what lies far from it.
    """
    corners = [_corner(distance, bottom, right) for bottom in (False, True) for right in (False, True)]
    found = [corner for corner in corners if corner is not None]
    if len(found) < 4:
        return _border_plane(distance)
    terms = np.array([(1, y, x, x * y) for y, x, _ in found])
    factors = np.linalg.solve(terms, np.array([mean for _, _, mean in found]))
    return _surface(factors, distance.shape)


def _corner(distance: Plane, bottom: bool, right: bool) -> tuple[float, float, float] | None:
    """Where a corner's measured pixels lie in the mean (y, x in 0..1) and their mean distance."""
    height, width = distance.shape
    side = 2
    while True:
        top, left = (height - side if bottom else 0), (width - side if right else 0)
        window = distance[max(0, top) : top + side, max(0, left) : left + side]
        y, x = np.nonzero(window)
        if len(y):
            place = (top + y.mean()) / max(1, height - 1), (left + x.mean()) / max(1, width - 1)
            return float(place[0]), float(place[1]), float(window[y, x].mean(dtype=np.float64))
        side *= 2
        if side > min(height, width) // 8:
            return None


def _border_plane(distance: Plane) -> Plane:
    """A plane through the measured pixels near the border, fitted anew without the half that lies farthest from it."""
    height, width = distance.shape
    rim = np.ones(distance.shape, bool)
    rim[height // 8 : height - height // 8, width // 8 : width - width // 8] = False
    y, x = np.nonzero(rim & (distance != 0))
    if len(y) < 8:
        y, x = np.nonzero(distance)
    if len(y) < 3:
        return np.full(distance.shape, distance.max(initial=0), np.float32)
    value = distance[y, x].astype(np.float64)
    terms = np.stack([np.ones(len(y)), y / max(1, height - 1), x / max(1, width - 1)], axis=1)
    chosen = np.ones(len(y), bool)
    for _ in range(10):
        factors = np.linalg.lstsq(terms[chosen], value[chosen], rcond=None)[0]
        off = np.abs(value - terms @ factors)
        chosen = off <= np.median(off)
    return _surface(np.append(factors, 0.0), distance.shape)


def _surface(factors: NDArray[np.float64], shape: tuple[int, ...]) -> Plane:
    y, x = np.linspace(0, 1, shape[0])[:, None], np.linspace(0, 1, shape[1])[None, :]
    surface: Plane = (factors[0] + factors[1] * y + factors[2] * x + factors[3] * x * y).astype(np.float32)
    return surface


def bilinear(values: Plane, size: tuple[int, int]) -> Plane:
    """Resize to `size` (height, width), pixel centres at halves, without antialiasing: no value is mixed from afar."""
    for axis, wanted in enumerate(size):
        there = values.shape[axis]
        place = np.clip((np.arange(wanted) + 0.5) * there / wanted - 0.5, 0, there - 1)
        low = np.floor(place).astype(int)
        share = (place - low).astype(np.float32).reshape(-1, 1) if axis == 0 else (place - low).astype(np.float32)
        high = np.minimum(low + 1, there - 1)
        values = values.take(low, axis) * (1 - share) + values.take(high, axis) * share
    return values


def grow(mask: NDArray[np.bool_], side: int = GROW) -> NDArray[np.bool_]:
    """Dilate by a square of `side` ones; of an even side the larger half lies above and left, as in scipy."""
    for axis in (0, 1):
        grown = mask.copy()
        for step in range(-(side // 2), side - side // 2):
            moved = np.roll(mask, step, axis)
            edge = [slice(None), slice(None)]
            edge[axis] = slice(0, step) if step > 0 else slice(mask.shape[axis] + step, None)
            if step:
                moved[tuple(edge)] = False
            grown |= moved
        mask = grown
    return mask
