"""Photographs to teach a teacher with: a user's folder, or those that scikit-image brings along; and crops of them."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from untaught.data import listing
from untaught.engine.provenance import file_hash
from untaught.errors import DataError, ImageError
from untaught.image import Recipe, decode, in_order, probe

PACKAGED = "scikit-image"
NATURAL = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "clock_motion.png", "coffee.png", "coins.png",
    "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png",
    "motorcycle_right.png", "page.png", "retina.jpg", "rocket.jpg", "text.png",
)  # fmt: skip
"""The photographs in scikit-image's own package; its others are fetched from the network and are not asked for."""
LARGEST = 1100  # px; sixteen times the largest patch
GREY = 0.1
FEW = 5
KEPT = 256  # decoded photographs in memory, 3 MiB each at most


@dataclass(frozen=True)
class Photographs:
    """Files of photographs, in a fixed order. `source` says in words where they came from."""

    source: str
    paths: tuple[Path, ...]
    digest: str

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> NDArray[np.uint8]:
        """One photograph, (h, w, 3), reduced where it is very large; raises ImageError."""
        return _decoded(self.paths[number])

    def check(self) -> None:
        """Decode each of them once, so that a torn one is not found in the middle of the work.

        Raises:
            DataError: naming those that cannot be decoded.
        """
        if torn := [reason for reason in in_order(_reason, self.paths) if reason]:
            few = "; ".join(torn[:FEW]) + (" ..." if len(torn) > FEW else "")
            came = f"{len(torn)} of {len(self)} photographs cannot be used: {few}"
            raise DataError(came, "photographs that decode completely", "take them away or replace them")


def packaged() -> Photographs:
    """The photographs that come with scikit-image.

    Raises:
        DataError: it is not installed.
    """
    spec = importlib.util.find_spec("skimage")
    folder = Path(spec.submodule_search_locations[0]) / "data" if spec and spec.submodule_search_locations else None
    paths = tuple(folder / name for name in NATURAL if (folder / name).is_file()) if folder else ()
    if not paths:
        raise DataError(
            "there are no photographs to teach a teacher with: scikit-image is not installed",
            "a folder of photographs, or the package scikit-image",
            "untaught pretrain-teacher --images DIR, or pip install 'untaught[train]'",
        )
    return Photographs(PACKAGED, paths, _digest(paths))


def folder_of(path: Path) -> Photographs:
    """All images in a folder and the folders below it.

    Raises:
        DataError: no such folder, or no image in it.
        ImageError: one is no image that can be used, by its first bytes.
    """
    paths = tuple(listing.images(path))
    for image in paths:
        probe(image, Recipe())
    if not paths:
        came = "no image in it" if listing.is_folder(path) else "no such folder"
        raise DataError(f"{path}: {came}", "a folder of photographs (PNG, JPEG, BMP or TIFF)", "check the path")
    return Photographs(str(path), paths, _digest(paths))


def _digest(paths: Sequence[Path]) -> str:
    return hashlib.sha256("".join(sorted(map(file_hash, paths))).encode()).hexdigest()


@lru_cache(maxsize=KEPT)
def _decoded(path: Path) -> NDArray[np.uint8]:
    image = decode(path, Recipe())
    if min(image.size) > LARGEST:
        scale = LARGEST / min(image.size)
        image = image.resize([round(side * scale) for side in image.size], Image.Resampling.BILINEAR, reducing_gap=2)
    return np.array(image)


def _reason(path: Path) -> str:
    """Why a photograph cannot be used, empty where it can."""
    try:
        _decoded(path)
    except ImageError as error:
        return error.came
    return ""


def crop(
    photograph: NDArray[np.uint8], side: int, sides: tuple[int, int], vary: bool, rng: np.random.Generator
) -> Float[Tensor, "3 side side"]:
    """A crop of `side` pixels from the photograph stretched to a square of a random side, grey one time in ten.

    `vary` mirrors and turns it, and draws brightness, contrast and the colours' weights.
    """
    height, width, _ = photograph.shape
    whole = int(rng.integers(max(side, sides[0]), max(side, sides[1]) + 1))
    top, left = (rng.integers(0, whole - side + 1, 2) / whole).tolist()
    rows, columns = max(1, round(height * side / whole)), max(1, round(width * side / whole))
    y, x = min(int(top * height), height - rows), min(int(left * width), width - columns)
    pixels = torch.from_numpy(photograph[y : y + rows, x : x + columns]).permute(2, 0, 1)[None].float() / 255
    image = F.interpolate(pixels, (side, side), mode="bilinear", antialias=True, align_corners=False)[0]
    image = varied(image, rng) if vary else image
    return image.mean(dim=0, keepdim=True).expand(3, -1, -1) if rng.random() < GREY else image


def varied(image: Float[Tensor, "3 h w"], rng: np.random.Generator) -> Float[Tensor, "3 h w"]:
    """The image turned by quarters and mirrored, with other brightness, contrast and colours."""
    image = torch.rot90(image, int(rng.integers(4)), (1, 2))
    image = image.flip(2) if rng.random() < 0.5 else image
    colour = torch.from_numpy(rng.uniform(0.7, 1.3, (3, 1, 1))).float()
    contrast, light = rng.uniform(0.5, 1.5), rng.uniform(-0.2, 0.2)
    mean = image.mean()
    return ((image - mean) * contrast * colour + mean + light).clamp(0, 1)


def crops(
    photographs: Photographs, count: int, side: int, sides: tuple[int, int], vary: bool, rng: np.random.Generator
) -> Float[Tensor, "count 3 side side"]:
    """Crops of `count` photographs in turn: none twice as long as there are enough, never one twice in a row."""
    order = np.resize(rng.permutation(len(photographs)), count)
    return torch.stack([crop(photographs[int(number)], side, sides, vary, rng) for number in order])
