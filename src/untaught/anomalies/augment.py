"""Random changes to a texture, so that one image gives many: the ten of DRAEM and AAND."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageEnhance, ImageOps

from untaught.anomalies.base import RGB

Change = Callable[[Image.Image, Generator], Image.Image]


def augmented(pixels: RGB, count: int, rng: Generator) -> RGB:
    """`count` different changes of the ten, in random order, to (h, w, 3)."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    for number in rng.choice(len(CHANGES), count, replace=False):
        image = CHANGES[int(number)](image, rng)
    return np.asarray(image)


def _by_table(image: Image.Image, tables: np.ndarray) -> Image.Image:
    return image.point(np.clip(np.rint(tables), 0, 255).astype(int).ravel().tolist())


def _gamma(image: Image.Image, rng: Generator) -> Image.Image:
    powers = np.exp(rng.uniform(np.log(0.5), np.log(2), (3, 1)))
    return _by_table(image, 255 * (np.arange(256) / 255) ** powers)


def _brightness(image: Image.Image, rng: Generator) -> Image.Image:
    return _by_table(image, np.tile(np.arange(256) * rng.uniform(0.8, 1.2) + rng.uniform(-30, 30), (3, 1)))


def _sharpness(image: Image.Image, rng: Generator) -> Image.Image:
    return ImageEnhance.Sharpness(image).enhance(float(rng.uniform(0, 4)))


def _hue(image: Image.Image, rng: Generator) -> Image.Image:
    levels = np.arange(256)
    hue, saturation = rng.integers(-50, 51, 2)
    tables = np.stack([(levels + hue) % 256, levels + saturation, levels])
    return _by_table(image.convert("HSV"), tables).convert("RGB")


def _solarise(image: Image.Image, rng: Generator) -> Image.Image:
    return ImageOps.solarize(image, int(rng.integers(32, 129))) if rng.random() < 0.5 else image


def _posterise(image: Image.Image, rng: Generator) -> Image.Image:
    return ImageOps.posterize(image, int(rng.integers(2, 6)))


def _invert(image: Image.Image, rng: Generator) -> Image.Image:
    return ImageOps.invert(image)


def _autocontrast(image: Image.Image, rng: Generator) -> Image.Image:
    return ImageOps.autocontrast(image)


def _equalise(image: Image.Image, rng: Generator) -> Image.Image:
    return ImageOps.equalize(image)


def _rotate(image: Image.Image, rng: Generator) -> Image.Image:
    return image.rotate(float(rng.uniform(-45, 45)), Image.Resampling.BILINEAR)


CHANGES: tuple[Change, ...] = (
    _gamma,
    _brightness,
    _sharpness,
    _hue,
    _solarise,
    _posterise,
    _invert,
    _autocontrast,
    _equalise,
    _rotate,
)
