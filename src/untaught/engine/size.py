"""The input size that suits the images: a rule of the data in place of a constant.

A small image blown up shows the teacher blur where it expects detail, and costs with the square; a large one made
small loses its small defects. So where a method offers several sizes and the user asks for none, the smallest is
taken that keeps most of what the images show. Only their sizes are looked at, before any training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from untaught.config import Settings, load_toml, validate
from untaught.data.base import Dataset
from untaught.engine.framing import limits_of, native_sizes
from untaught.engine.predict import configuration
from untaught.records import Sample

LOOKS = 32
KEPT = 0.75


def fitting_size(side: float, sizes: Sequence[int]) -> int:
    """The smallest of `sizes` that is at least three quarters of `side`, or the largest, all in pixels."""
    return min((size for size in sizes if size >= KEPT * side), default=max(sizes))


def sized(settings: Settings, dataset: Dataset, samples: Sequence[Sample]) -> Settings:
    """The settings with an input size fit for the good images, unless one was asked for or the method has just one.

    What counts is the root of width times height, its median over some 32 images; those that cannot be read do not.
    """
    sizes = configuration(settings).sizes
    if not sizes or settings.image_size or isinstance(settings.tile, int) or "image_size" in settings.model:
        return settings
    native = native_sizes(dataset, samples[:: max(1, len(samples) // LOOKS)], limits_of(settings))
    if not native:
        return settings
    side = median(math.sqrt(width * height) for width, height in native.elements())
    return settings.model_copy(update={"image_size": fitting_size(side, sizes)})


def taken_up(settings: Settings, out: Path) -> Settings:
    """The settings with the input size that an interrupted training in `out` chose, where none is asked for."""
    begun = out / "settings.toml"
    if settings.image_size is not None or not begun.exists():
        return settings
    then = validate(Settings, load_toml(begun), str(begun))
    return settings.model_copy(update={"image_size": then.image_size})
