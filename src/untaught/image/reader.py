"""What training and inspection call: decode and resize by one recipe."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from untaught.image.decoder import Source, named, upright
from untaught.image.pixels import eight_bit
from untaught.image.recipe import Recipe

_LEFT = 3  # times the target; closer, the box average is coarser than 0.5 grey levels


def read(source: Source, recipe: Recipe) -> NDArray[np.uint8]:
    """Decode and resize: (height, width, 3) of the recipe, a fresh writable array; raises as `decode` does."""
    return read_with_size(source, recipe)[0]


def read_with_size(source: Source, recipe: Recipe) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """As `read`, with the upright original's (width, height), from one decode."""
    name, target = named(source), (recipe.width, recipe.height)
    image, header = upright(source, name, recipe, target)
    image = eight_bit(image, name, recipe, header.deep)
    if image.size != target:
        steps = _steps(image.size, target)
        image = (image.reduce(steps) if max(steps) > 1 else image).resize(target, Image.Resampling.BILINEAR)
    picture = np.array(image.convert("RGB"))
    return picture if recipe.area is None else recipe.area.paint(picture), header.size


def _steps(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """Largest whole divisors of width and height that leave `_LEFT` times the target."""

    def largest(side: int, wanted: int) -> int:
        return next((s for s in range(side // (_LEFT * wanted), 1, -1) if side % s == 0), 1)

    return largest(size[0], target[0]), largest(size[1], target[1])
