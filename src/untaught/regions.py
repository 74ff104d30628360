"""Connected regions: of a mask by joining the runs of its rows, of an anomaly map as boxes and contours.

Regions are 8-connected: pixels that touch by a side or a corner are one region.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from untaught.contours import trace_contours
from untaught.errors import MetricError
from untaught.image import resize_map
from untaught.image.area import box_of
from untaught.records import Region

WORK_PIXELS = 1 << 20  # a finer grid would only add interpolated values, and time


@dataclass(frozen=True, slots=True)
class Runs:
    """The horizontal runs of True pixels of a mask, in reading order; arrays are (r,).

    A run covers columns `left` to `right` (exclusive) of `row` and belongs to region `label`, 1..count.
    """

    row: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    label: NDArray[np.int32]
    count: int

    @property
    def length(self) -> NDArray[np.int64]:
        """Pixels of each run: (r,)."""
        return self.right - self.left

    @property
    def areas(self) -> NDArray[np.int64]:
        """Pixels of each region, the first being region 1: (count,)."""
        areas = np.zeros(self.count, np.int64)
        np.add.at(areas, self.label - 1, self.length)
        return areas

    @property
    def boxes(self) -> NDArray[np.int64]:
        """Left, top, right, bottom of each region, right and bottom exclusive: (count, 4)."""
        boxes = np.empty((self.count, 4), np.int64)
        boxes[:, :2] = np.iinfo(np.int64).max
        boxes[:, 2:] = -1
        region = self.label - 1
        np.minimum.at(boxes[:, 0], region, self.left)
        np.minimum.at(boxes[:, 1], region, self.row)
        np.maximum.at(boxes[:, 2], region, self.right)
        np.maximum.at(boxes[:, 3], region, self.row + 1)
        return boxes


def outlines_of(inside: NDArray[np.bool_], size: tuple[int, int]) -> list[NDArray[np.int32]]:
    """The outlines of a mask (h, w) and of its holes, in pixels of an image of `size` (width, height)."""
    parts, around = (find_regions(mask.astype(np.float32), 0.5, size) for mask in (inside, ~inside))
    width, height = size
    holes = [hole for hole in around if min(hole.box[:2]) > 0 and hole.box[2] < width and hole.box[3] < height]
    return [region.contour for region in (*parts, *holes)]


def label_regions(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Number the 8-connected regions of a mask: pixels that touch by a side or a corner are one region.

    Args:
        mask: (h, w) bool.

    Returns:
        (h, w) labels, 0 outside and 1..count inside, in the order in which reading meets the regions; and count.

    Raises:
        MetricError: the mask is not a bool array of two dimensions.
    """
    runs = find_runs(mask)
    labels = np.zeros(mask.shape, np.int32)
    # The True pixels in reading order are the runs one after the other.
    labels[mask] = np.repeat(runs.label, runs.length)
    return labels, runs.count


def find_runs(mask: NDArray[np.bool_]) -> Runs:
    """The runs of a mask and the region of each.

    Args:
        mask: (h, w) bool.

    Raises:
        MetricError: the mask is not a bool array of two dimensions.
    """
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise MetricError(
            f"the mask is {mask.dtype} of shape {mask.shape}", "bool of shape (h, w)", "binarise it, as in mask > 127"
        )
    height, width = mask.shape
    # A frame of False ends every run within its row; two columns of it also keep runs of neighbouring rows apart.
    framed = np.zeros((height, width + 2), np.bool_)
    framed[:, 1:-1] = mask
    flat = framed.ravel()
    change = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    start, end = change[0::2], change[1::2]
    label, count = _number(len(start), *_contacts(start, end, width + 2))
    row = start // (width + 2)
    offset = row * (width + 2) + 1
    return Runs(row, start - offset, end - offset, label, count)


def find_regions(scores: NDArray[np.float32], threshold: float, size: tuple[int, int]) -> tuple[Region, ...]:
    """The regions of an anomaly map that lie above a threshold, worst first.

    The (h, w) map of raw scores is stretched bilinearly to `size`, (width, height) of the inspected image. Where the
    image has more than `WORK_PIXELS`, a smaller grid of its aspect takes its place, but none coarser than the map;
    where the image is smaller than the map, the map's own grid, so that no peak is averaged away. Coordinates and areas
    are then scaled to the image and rounded: boxes outwards, areas to at least one pixel.

    Contours run clockwise along the borders of pixels, x in 0..width and y in 0..height; the last point joins the
    first, and points in line are left out. Holes are not drawn, but do not count as area. Of equal scores the larger
    region comes first.
    """
    above = scores > threshold
    if not above.any():
        return ()  # stretched it is no higher
    grid = _grid(scores.shape, size)
    values, corner = _stretched(scores, above, grid)
    mask = values > threshold
    runs = find_runs(mask)
    if runs.count == 0:
        return ()
    starts = np.concatenate([[0], np.cumsum(runs.length[:-1])])
    peak = np.full(runs.count, -np.inf, np.float32)
    np.maximum.at(peak, runs.label - 1, np.maximum.reduceat(values[mask], starts))
    first = np.unique(runs.label, return_index=True)[1]
    contours = [found + corner for found in trace_contours(mask, runs.row[first] * mask.shape[1] + runs.left[first])]
    boxes, areas = runs.boxes + np.tile(corner, 2), runs.areas
    scale = np.array(size) / grid
    order = np.lexsort((-areas, -peak))
    return tuple(_region(boxes[i], int(areas[i]), float(peak[i]), contours[i], scale) for i in order)


def _stretched(
    scores: NDArray[np.float32], above: NDArray[np.bool_], grid: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Of the map stretched to the grid the part in which a value may be above the threshold, and where it begins, x, y.

    Stretched values lie between those of neighbours: beyond a pixel around what is above nothing can be.
    """
    top, left, bottom, right = box_of(above)
    (first_x, last_x, from_x, to_x), (first_y, last_y, from_y, to_y) = (
        _around(first, last, length, count)
        for first, last, length, count in zip((left, top), (right, bottom), reversed(scores.shape), grid, strict=True)
    )
    part = resize_map(scores, (last_x - first_x, last_y - first_y), (from_x, from_y, to_x, to_y))
    return part, np.array([first_x, first_y])


def _around(first: int, last: int, length: int, count: int) -> tuple[int, int, float, float]:
    """The places of a grid of `count` that lie within a pixel of those from `first` to `last` (exclusive) of `length`.

    First and last (exclusive) place of the grid, and where they lie in pixels.
    """
    step = length / count
    begin, end = max(0, int((first - 1) / step)), min(count, int((last + 1) / step) + 1)
    return begin, end, begin * step, min(length, end * step)


def _grid(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of the grid on which regions are found."""
    shrink = min(1.0, (WORK_PIXELS / (size[0] * size[1])) ** 0.5)
    return max(shape[1], round(size[0] * shrink)), max(shape[0], round(size[1] * shrink))


def _region(
    box: NDArray[np.int64], area: int, score: float, contour: NDArray[np.int64], scale: NDArray[np.float64]
) -> Region:
    if (scale != 1).any():
        low, high = np.floor(box[:2] * scale), np.ceil(box[2:] * scale)
        box = np.concatenate([low, high]).astype(np.int64)
        area = max(1, round(area * float(scale.prod())))
        contour = np.rint(contour * scale).astype(np.int64)
    left, top, right, bottom = box.tolist()
    return Region((left, top, right, bottom), area, score, contour.astype(np.int32))


def _contacts(
    start: NDArray[np.int64], end: NDArray[np.int64], pitch: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Index pairs (upper, lower) of runs that touch, corners included; positions count along the framed rows."""
    # Runs below reach from one pixel left of the start to one pixel right of the end: a contiguous range of runs.
    first = np.searchsorted(end, start + pitch, side="left")
    last = np.searchsorted(start, end + pitch, side="right")
    n = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(start)), n)
    within = np.arange(len(upper)) - np.repeat(np.cumsum(n) - n, n)
    return upper, np.repeat(first, n) + within


def _number(n: int, upper: NDArray[np.int64], lower: NDArray[np.int64]) -> tuple[NDArray[np.int32], int]:
    """Region number (from 1) of each of n runs, given the pairs that touch.

    Every root is hooked onto the lowest root it touches and chains are shortened by pointer jumping, until nothing
    moves. Runs are numbered in reading order, so one or two rounds settle most masks.
    """
    root = np.arange(n)
    while True:
        a, b = root[upper], root[lower]
        lowest = np.minimum(a, b)
        hooked = root.copy()
        np.minimum.at(hooked, a, lowest)
        np.minimum.at(hooked, b, lowest)
        while not np.array_equal(shorter := hooked[hooked], hooked):
            hooked = shorter
        if np.array_equal(hooked, root):
            break
        root = hooked
    roots, label = np.unique(root, return_inverse=True)
    return (label + 1).astype(np.int32), len(roots)
