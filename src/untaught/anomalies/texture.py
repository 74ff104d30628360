"""Foreign texture for a box: from other training images, from a folder, or drawn."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from untaught.anomalies.augment import augmented
from untaught.anomalies.base import RGB, Box, Scene
from untaught.anomalies.pattern import pattern
from untaught.anomalies.tone import toned
from untaught.errors import ConfigError, ImageError
from untaught.image import Recipe, probe, read


class Images(Protocol):
    """Images (h, w, 3) by number, as a list is, or a window on files."""

    def __len__(self) -> int: ...
    def __getitem__(self, number: int, /) -> NDArray[np.uint8]: ...


Others: TypeAlias = Callable[[int], NDArray[np.uint8]] | Images
Texture: TypeAlias = Callable[[Scene, Box, Generator], RGB]
_ENDINGS = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff"}
_KEPT = 64  # decoded textures
_NAMED = 5


def drawn(scene: Scene, box: Box, rng: Generator) -> RGB:
    """A pattern."""
    return pattern(scene, box, rng)


def from_images(others: Others) -> Texture:
    """Pieces of other images of the scene's size, changed at random; a callable gets any integer from 0 to 2^31 - 1."""

    def texture(scene: Scene, box: Box, rng: Generator) -> RGB:
        number = int(rng.integers(2**31))
        other = others(number) if callable(others) else others[number % len(others)]
        return _piece(other, scene, box, rng)

    return texture


def mixed(first: Texture, second: Texture) -> Texture:
    """One or the other, by chance."""

    def texture(scene: Scene, box: Box, rng: Generator) -> RGB:
        return (first if rng.random() < 0.5 else second)(scene, box, rng)

    return texture


def from_folder(folder: Path) -> Texture:
    """Images of a folder and those below it, stretched to the scene's size, changed at random; hidden files are not.

    Raises:
        ConfigError: there are no images in it, or files that are called so and are none.
    """
    names = sorted(filter(_is_texture, folder.rglob("*"))) if folder.is_dir() else []
    if broken := [told for name in names if (told := _why_not(name))]:
        raise ConfigError(
            f"texture: {len(broken)} of {len(names)} images in {folder} cannot be used: {'; '.join(broken[:_NAMED])}",
            "PNG, JPEG, BMP or TIFF",
            "take them away",
        )
    if not names:
        raise ConfigError(
            f"texture: {folder} holds no images",
            "`images`, `procedural`, `mixed` or a folder of images",
            "check the path",
        )

    @lru_cache(maxsize=_KEPT)
    def decoded(number: int, height: int, width: int) -> RGB:
        return read(names[number], Recipe(height=height, width=width))

    def texture(scene: Scene, box: Box, rng: Generator) -> RGB:
        height, width = scene.image.shape[:2]
        return _piece(decoded(int(rng.integers(len(names))), height, width), scene, box, rng)

    return texture


def _is_texture(path: Path) -> bool:
    return path.suffix.lower() in _ENDINGS and not path.name.startswith(".")


def _why_not(path: Path) -> str:
    """What a file's header says against it; empty where nothing."""
    try:
        probe(path)
    except ImageError as error:
        return error.came
    return ""


def _piece(other: RGB, scene: Scene, box: Box, rng: Generator) -> RGB:
    """A piece of a box's size from anywhere in another image."""
    height, width = other.shape[:2]
    top = int(rng.integers(max(1, height - box.height + 1)))
    left = int(rng.integers(max(1, width - box.width + 1)))
    piece = Box(top, left, box.height, box.width).cut(other)
    return toned(augmented(piece, scene.settings.augment, rng), scene, rng)
