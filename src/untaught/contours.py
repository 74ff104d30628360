"""Outer contours of the regions of a mask: polygons along the borders of pixels.

Every side of a pixel that has a mask pixel on its right and none on its left is one directed step between two pixel
corners; the steps join end to start into closed walks, clockwise around regions. All steps and their successors are
found at once in numpy; only the walk itself, one list look-up a step, runs in Python.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_DIRECTIONS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])  # x, y of right, down, left, up
_START = (
    (0, 0),
    (1, 0),
    (1, 1),
    (0, 1),
)  # x, y of the corner of a pixel where its top, right, bottom, left side starts


def trace_contours(mask: NDArray[np.bool_], first: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The outer contour of each 8-connected region of a mask.

    Args:
        mask: (h, w).
        first: (count,) flat index of each region's first pixel in reading order.

    Returns:
        For each region the (n, 2) corners x, y where the contour turns, clockwise, x in 0..w and y in 0..h; the last
        joins the first. Without holes, the polygon's surface is the region's pixel count exactly.
    """
    stride = mask.shape[1] + 1
    start, direction = _steps(mask)
    after = _successors(start, direction, stride)
    y, x = np.divmod(first, mask.shape[1])
    # Above a region's first pixel there is nothing of it: its top side belongs to the outer contour.
    tops = np.searchsorted(_key(start, direction), _key(y * stride + x, 0)).tolist()
    follow, turns = after.tolist(), (direction[after] != direction).tolist()
    corners = [start[_walk(top, follow, turns)] for top in tops]
    return [np.stack([corner % stride, corner // stride], axis=1) for corner in corners]


def _walk(top: int, follow: list[int], turns: list[bool]) -> list[int]:
    """The steps that begin with a turn, on the closed walk from the step `top`."""
    turning, step = [], top
    while True:
        turn, step = turns[step], follow[step]
        if turn:
            turning.append(step)
        if step == top:
            return turning


def _steps(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All steps in the order of their keys: flat index of the corner where each starts, and its direction."""
    width = mask.shape[1]
    framed = np.pad(mask, 1)
    beside = (framed[:-2, 1:-1], framed[1:-1, 2:], framed[2:, 1:-1], framed[1:-1, :-2])
    starts: list[NDArray[np.int64]] = []
    directions: list[NDArray[np.int64]] = []
    for direction, ((right, down), neighbour) in enumerate(zip(_START, beside, strict=True)):
        y, x = np.divmod(np.flatnonzero(mask & ~neighbour), width)
        starts.append((y + down) * (width + 1) + x + right)
        directions.append(np.full(len(x), direction, np.int64))
    start, along = np.concatenate(starts), np.concatenate(directions)
    order = np.argsort(_key(start, along))
    return start[order], along[order]


def _successors(start: NDArray[np.int64], direction: NDArray[np.int64], stride: int) -> NDArray[np.int64]:
    """Index of the step that follows each one.

    Where pixels touch only at a corner two steps leave it; the left turn holds the two pixels in one contour.
    """
    key = _key(start, direction)
    end = start + (_DIRECTIONS @ np.array((1, stride)))[direction]
    after = np.zeros(len(key), np.int64)
    for turn in (1, 0, -1):  # right, straight, left: the last that exists stays
        wanted = _key(end, (direction + turn) % 4)
        found = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        after = np.where(key[found] == wanted, found, after)
    return after


def _key(start: NDArray[np.int64], direction: NDArray[np.int64] | int) -> NDArray[np.int64]:
    return start * 4 + direction
