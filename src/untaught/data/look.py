"""One good look at one image and its mask: read once, decoded completely; what is kept is a few kilobytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from untaught.data import motion
from untaught.data.base import Dataset, source_of
from untaught.data.likeness import thumbnail
from untaught.errors import ImageError, MaskError
from untaught.image import DepthRecipe, Header, Limits, Picture, Recipe, load, load_depth, probe, read_inputs
from untaught.image.depth_file import check_pair
from untaught.records import Sample

PLAIN_RANGE, PLAIN_DEVIATION = 3.0, 2.0  # grey levels of 255; a lens cap's noise stays below


@dataclass(frozen=True, slots=True)
class Look:
    """What is remembered of one image and its mask.

    `digest` is of the decoded pixels, so that it is the same for a picture saved in another lossless format; a glance's
    is of the picture that a training reads (`picture_hash`);
    `plain` means one-coloured but for noise; `peak` is the largest value of a 16-bit image before scaling.
    `pose` is what `untaught.data.motion` compares, kept of good training images. `reason`, `mask_reason` and
    `depth_reason` say why the file cannot be used, and are empty where it can; `depth` tells whether there is one.
    """

    sample: Sample
    header: Header | None = None
    digest: str = ""
    thumbnail: NDArray[np.float16] | None = None
    pose: NDArray[np.float16] | None = None
    plain: bool = False
    peak: int | None = None
    reason: str = ""
    mask_size: tuple[int, int] | None = None
    mask_empty: bool = False
    mask_reason: str = ""
    depth: bool = False
    depth_reason: str = ""


def look_at(dataset: Dataset, sample: Sample, limits: Limits) -> Look:
    """Decode the image and its mask; never raises for what is wrong with them."""
    try:
        found = _seen(sample, load(dataset.source(sample), limits))
    except ImageError as error:
        found = Look(sample, reason=why(error, dataset, sample))
    return _masked(dataset, _depth(dataset, found, limits))


def glance(dataset: Dataset, sample: Sample, recipe: Recipe, pixels: NDArray[np.uint8] | None = None) -> Look:
    """What the picture a training reads anyway tells of an image; never raises for what is wrong with it.

    Without a pose.

    Args:
        dataset: the data set.
        sample: which image of it.
        recipe: how the training reads it.
        pixels: the picture where it has been read, (height, width, 3) of the recipe.
    """
    try:
        if pixels is None:
            pixels = read_inputs(source_of(dataset, sample, recipe), recipe)[0]["image"]
        header = None if sample.path is None else probe(sample.path, recipe)
    except ImageError as error:
        return Look(sample, reason=why(error, dataset, sample))
    image = Image.fromarray(pixels)
    small = thumbnail(image)
    # One 8-bit level stands for many 16-bit ones: the brightest they can be.
    peak = (int(pixels.max()) + 1) * (recipe.white + 1) // 256 - 1 if header and header.deep else None
    return _masked(dataset, Look(sample, header, picture_hash(pixels), small, None, _plain(image, small), peak))


def picture_hash(pixels: NDArray[np.uint8]) -> str:
    """Of what a model is given of an image, (h, w, 3), in hex: the same however the picture was saved without loss.

    Empty where it is of one colour: such frames are all the same and say nothing of each other.
    """
    if (pixels == pixels[0, 0]).all():
        return ""
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=20).hexdigest()


def why(error: ImageError, dataset: Dataset, sample: Sample) -> str:
    """What is wrong with an image, without its path: who tells of it says the name."""
    source = dataset.source(sample)
    return error.came.removeprefix(f"{source}: ") if isinstance(source, Path) else error.came


def _masked(dataset: Dataset, found: Look) -> Look:
    """With what is to be said of the mask, if there is one; that of a good image shall mark nothing."""
    try:
        mask = dataset.mask(found.sample)
    except MaskError as error:
        return replace(found, mask_reason=error.came)
    if mask is None:
        return found
    return replace(found, mask_size=(mask.shape[1], mask.shape[0]), mask_empty=not mask.any())


def _depth(dataset: Dataset, found: Look, limits: Limits) -> Look:
    source = dataset.depth(found.sample)
    if source is None:
        return found
    try:
        distance = load_depth(source, DepthRecipe().unit, limits)
        if found.header:
            check_pair(found.sample.name, distance, found.header.size)
    except ImageError as error:
        return replace(found, depth=True, depth_reason=error.came.removeprefix(f"{found.sample.name}: "))
    return replace(found, depth=True)


def _seen(sample: Sample, picture: Picture) -> Look:
    image, small = picture.image, thumbnail(picture.image)
    digest = hashlib.blake2b(f"{image.mode}{image.size}".encode() + image.tobytes(), digest_size=20).hexdigest()
    learned = sample.split == "train" and not sample.defective
    pose = motion.picture(image) if learned else None
    return Look(sample, picture.header, digest, small, pose, _plain(image, small), _peak(picture))


def _plain(image: Image.Image, small: NDArray[np.float16]) -> bool:
    if float(small.max() - small.min()) > PLAIN_RANGE:
        return False
    count = np.asarray(image.convert("L").histogram(), np.float64)
    level = np.arange(256)
    mean = count @ level / count.sum()
    return float(np.sqrt(count @ (level - mean) ** 2 / count.sum())) <= PLAIN_DEVIATION


def _peak(picture: Picture) -> int | None:
    if picture.header.deep and picture.peak is None:  # colour: only the high byte is known
        brightest = max(int(high) for _, high in _extrema(picture.image))
        return brightest * 256 + 255
    return picture.peak


def _extrema(image: Image.Image) -> list[tuple[float, float]]:
    return [band.getextrema() for band in image.split()]  # type: ignore[misc]
