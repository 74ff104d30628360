"""An image as overlapping tiles of the model's size, and their maps put together again without a seam.

Tiles lie on an even grid, with at least the wanted overlap. Where tiles overlap, each counts the more the farther the
place is from the tile's edge, so that its weight is next to nothing where it ends; at every place the weights sum to 1.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

Corner = tuple[int, int]


class Tiling(BaseModel):
    """How a picture is cut: tiles of `side` by `side` pixels that overlap by `overlap` or more.

    Attributes:
        side: Height and width of a tile.
        overlap: Pixels that neighbours share at least.
        box: Top, left, bottom and right (exclusive) of the part that is cut; None: all of the picture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    side: int = Field(ge=32, le=4096)
    overlap: int = Field(ge=0)
    box: tuple[int, int, int, int] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Tiling:
        if self.overlap > self.side // 2:
            raise ValueError(f"tiles of {self.side} px cannot overlap by {self.overlap}: at most by half of their side")
        if self.box is not None:
            top, left, bottom, right = self.box
            if min(top, left) < 0 or min(bottom - top, right - left) < self.side:
                raise ValueError(f"tiles of {self.side} px do not fit into the box {self.box}")
        return self

    def within(self, height: int, width: int) -> tuple[int, int, int, int]:
        """The box that is cut of a picture."""
        return self.box or (0, 0, height, width)


def starts(length: int, side: int, overlap: int) -> list[int]:
    """Where tiles begin along a length of at least one tile: the fewest that reach its end, evenly spread."""
    count = 1 if length == side else -(-(length - overlap) // (side - overlap))
    return [number * (length - side) // max(1, count - 1) for number in range(count)]


def corners(height: int, width: int, tiling: Tiling) -> list[Corner]:
    """Top and left of each tile, row by row."""
    top, left, bottom, right = tiling.within(height, width)
    tops, lefts = (starts(length, tiling.side, tiling.overlap) for length in (bottom - top, right - left))
    return [(top + down, left + across) for down, across in product(tops, lefts)]


def cut(picture: NDArray[Any], tiling: Tiling) -> NDArray[Any]:
    """The tiles of a picture (h, w, ...), (n, side, side, ...), in the order of `corners`."""
    side = tiling.side
    found = corners(picture.shape[0], picture.shape[1], tiling)
    return np.stack([picture[top : top + side, left : left + side] for top, left in found])


def join(maps: NDArray[np.float32], height: int, width: int, tiling: Tiling) -> NDArray[np.float32]:
    """The map (height, width) of a picture from those of its tiles, (n, side, side); 0 outside the box."""
    joined = np.zeros((height, width), np.float32)
    side = tiling.side
    places = zip(maps, corners(height, width, tiling), weights(height, width, tiling), strict=True)
    for part, (top, left), (down, across) in places:
        joined[top : top + side, left : left + side] += part * (down[:, None] * across)
    return joined


@lru_cache(maxsize=8)
def weights(height: int, width: int, tiling: Tiling) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Of each tile the weights of its rows and of its columns, (side,) each: a place counts with their product."""
    top, left, bottom, right = tiling.within(height, width)
    return list(product(_line(bottom - top, tiling), _line(right - left, tiling)))


def _line(length: int, tiling: Tiling) -> list[NDArray[np.float32]]:
    """The weights along one direction, for each tile; they sum to 1 at each of the `length` places."""
    side, found = tiling.side, starts(length, tiling.side, tiling.overlap)
    place = np.arange(side) + 0.5
    raised = []
    for number, start in enumerate(found):
        before = found[number - 1] + side - start if number else 0
        after = start + side - found[number + 1] if number + 1 < len(found) else 0
        up = np.minimum(1.0, place / before) if before > 0 else np.ones(side)
        down = np.minimum(1.0, (side - place) / after) if after > 0 else np.ones(side)
        raised.append(np.sin(np.pi / 2 * up) ** 2 * np.sin(np.pi / 2 * down) ** 2)
    total = np.zeros(length)
    for start, line in zip(found, raised, strict=True):
        total[start : start + side] += line
    pairs = zip(found, raised, strict=True)
    return [(line / total[start : start + side]).astype(np.float32) for start, line in pairs]
