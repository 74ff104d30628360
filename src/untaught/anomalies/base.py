"""The nouns of drawing: the pair that comes out, the scene that is drawn on, and the patch a kind adds to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from untaught.anomalies.settings import AnomalySettings

D = TypeVar("D", bound=np.generic)
RGB: TypeAlias = NDArray[np.uint8]  # (h, w, 3)
LEAST_SIDE = 3  # pixels of a box that is placed


class Pair(NamedTuple):
    """A good image and the same image with a defect: equal in every pixel outside the mask.

    `image` and `defect` are (h, w, 3); `mask` is (h, w), True where they differ; `kind` is the kind of anomaly, or
    `good` where nothing was drawn.
    """

    image: NDArray[np.uint8]
    defect: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    kind: str


class Box(NamedTuple):
    """A rectangle of pixels that lies inside its image."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, array: NDArray[D]) -> NDArray[D]:
        """The part of an (h, w, ...) array that lies in the box, not copied."""
        return array[self.top : self.top + self.height, self.left : self.left + self.width]


class Patch(NamedTuple):
    """What a kind draws: `pixels` (h, w, 3) laid over the box with weight `cover` (h, w), 0 to 255."""

    box: Box
    pixels: NDArray[np.uint8]
    cover: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Scene:
    """An image to draw on.

    Attributes:
        image: (h, w, 3).
        foreground: (h, w), True where anomalies may lie; None means anywhere.
        texture: Makes a foreign texture of a box's size.
        settings: How to draw.
        grey: Whether all three channels are equal.
    """

    image: NDArray[np.uint8]
    foreground: NDArray[np.bool_] | None
    texture: Callable[[Scene, Box, Generator], NDArray[np.uint8]]
    settings: AnomalySettings
    grey: bool

    @property
    def whole(self) -> Box:
        """The box of all pixels."""
        return Box(0, 0, *self.image.shape[:2])

    def opacity(self, rng: Generator) -> float:
        """A weight in the set range."""
        return float(rng.uniform(*self.settings.opacity))

    def place(self, rng: Generator, *, aspect: float | None = None) -> Box:
        """A box of a random size in the set range, its middle on the foreground, moved to lie inside the image."""
        height, width = self.image.shape[:2]
        low, high = np.log(self.settings.size)
        longest = float(np.exp(rng.uniform(low, high))) * min(height, width)
        ratio = float(np.exp(rng.uniform(0, np.log(aspect or self.settings.aspect))))
        sides = [longest, longest / ratio]
        if rng.random() < 0.5:
            sides.reverse()
        rows, columns = (max(LEAST_SIDE, round(side)) for side in sides)
        return self._around(rng, min(rows, height), min(columns, width))

    def _around(self, rng: Generator, rows: int, columns: int) -> Box:
        height, width = self.image.shape[:2]
        at = rng.random()
        if self.foreground is None:
            y, x = divmod(int(at * height * width), width)
        else:
            inside = np.flatnonzero(self.foreground)
            y, x = divmod(int(inside[int(at * len(inside))]), width)
        top = min(max(y - rows // 2, 0), height - rows)
        left = min(max(x - columns // 2, 0), width - columns)
        return Box(top, left, rows, columns)
