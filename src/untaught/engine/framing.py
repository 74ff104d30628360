"""How big the picture is that an image is resized to, into which tiles it is cut, and where it is looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray

from untaught.config import Settings
from untaught.data.area import inspected, region_file
from untaught.data.base import Dataset
from untaught.engine.features import Layout
from untaught.errors import ConfigError, DataError, ImageError
from untaught.image import Area, DepthRecipe, Limits, Recipe, Tiling, probe, verify
from untaught.image.area import box_of
from untaught.method import Method, Stage
from untaught.records import Sample

ENOUGH = 1.25  # up to this many times the model's input, `auto` does not cut
LONGEST = 8192  # pixels of the longer side of a picture
WHOLE = 0.9  # a region that fills this share of the picture in both directions is not enlarged
LARGEST = 1536  # pixels that a picture is enlarged to, for the sake of its map's memory
COLOURED = 16  # images whose mean colour fills what is not looked at

Size = tuple[int, int]
Mask = NDArray[np.bool_]


def frame(settings: Settings, method: Method, dataset: Dataset, samples: Sequence[Sample]) -> Recipe:
    """The recipe of a training on `samples`.

    Tiles are cut where there is something to look at only; without tiles, a region is shown to the method as large as
    its input is, so that what lies outside takes neither pixels nor a share of the loss.

    Raises:
        ConfigError: the images are too small for the tiles, or nothing is left to look at.
        DataError: a product has no image among `samples` by which its region could be placed.
        MaskError: a mask picture cannot be decoded.
    """
    side = method.config.image_size
    if settings.tile is None and settings.overlap != Settings.model_fields["overlap"].default:
        came = f"--overlap {settings.overlap} without tiles"
        raise ConfigError(came, "tiles that can overlap", "add --tile auto, or leave --overlap out")
    if settings.tile is None and settings.roi is None and settings.ignore is None:
        return recipe_of(settings, method, (side, side))
    shown = {name: list(its) for name, its in groupby(sorted(samples, key=_product), _product)}
    if lost := sorted({sample.product for sample in dataset.samples} - {*shown}):
        raise DataError(
            f"all good images of {', '.join(lost)} are copies of another product's",
            "pictures of its own of each product that has a region",
            "take its folder out, or look at the data with `untaught doctor`",
        )
    native = {name: native_sizes(dataset, its, limits_of(settings)) for name, its in shown.items()}
    size, tiling = (side, side), None
    if settings.tile is not None:
        size, tiling = plan(settings, side, usual(sum(native.values(), Counter())))
    if settings.roi is None and settings.ignore is None:
        return recipe_of(settings, method, size, tiling)
    masks = regions(settings, dataset.name, native, size)
    if tiling is None and (larger := enlarged(together(masks), side)) != size:
        size, tiling = larger, Tiling(side=side, overlap=0)
        masks = regions(settings, dataset.name, native, size)
    if tiling is not None:
        tiling = tiling.model_copy(update={"box": window(together(masks), side)})
    recipe = recipe_of(settings, method, size, tiling)
    if len(masks) == 1:
        (inside,) = masks.values()
        return recipe.model_copy(update={"area": area(dataset, samples, recipe, inside)})
    areas = {name: area(dataset, shown[name], recipe, inside) for name, inside in masks.items()}
    return recipe.model_copy(update={"areas": areas})


def regions(settings: Settings, data: str, native: Mapping[str, Counter[Size]], size: Size) -> dict[str, Mask]:
    """Where each product is looked at, as masks of `size`; one mask alone where all are looked at alike.

    Args:
        settings: with `roi`, `ignore` or both.
        data: name of the data set, which is that of its only product.
        native: sizes of the images by product, under an empty name where there is one.
        size: width and height of the masks.

    Raises:
        ConfigError: a region is not understood, or leaves nothing to look at.
        MaskError: a mask picture cannot be decoded.
    """
    roi, ignore = settings.roi, settings.ignore
    if len(native) > 1 and not any(path is not None and path.is_dir() for path in (roi, ignore)):
        native = {"": sum(native.values(), Counter())}
    names = [name or data for name in native]
    return {
        name: inspected(region_file(roi, name, names), region_file(ignore, name, names), size, _only(its))
        for name, its in zip(names, native.values(), strict=True)
    }


def together(masks: Mapping[str, Mask]) -> Mask:
    """Where anything is looked at."""
    return np.asarray(np.logical_or.reduce(list(masks.values())))


def area(dataset: Dataset, samples: Sequence[Sample], recipe: Recipe, inside: Mask) -> Area:
    """The area of one product, outside of the mean colour of its images."""
    return Area.of(inside, mean_colour(dataset, samples, recipe, inside))


def _product(sample: Sample) -> str:
    return sample.product


def _only(sizes: Counter[Size]) -> Size | None:
    return next(iter(sizes)) if len(sizes) == 1 else None


def limits_of(settings: Settings) -> Limits:
    """What may be decoded."""
    return Limits(white=settings.white, max_pixels=settings.max_pixels, max_bytes=settings.max_bytes)


def recipe_of(settings: Settings, method: Method, size: Size, tiling: Tiling | None = None) -> Recipe:
    """The recipe of pictures of `size` (width, height), with depth where the method takes it."""
    depth = DepthRecipe(unit=settings.depth_unit, relief=settings.relief) if "depth" in method.inputs else None
    limits = limits_of(settings).model_dump()
    return Recipe(**limits, height=size[1], width=size[0], tiling=tiling, depth=depth)


def enlarged(inside: Mask, side: int) -> Size:
    """Width and height of the picture in which what is looked at, on a mask of `side` by `side`, fills about a tile."""
    top, left, bottom, right = box_of(inside)
    if min(bottom - top, right - left) > WHOLE * side:
        return side, side
    # A pixel counts by its centre: the region may be larger than its mask by up to one pixel.
    width, height = (min(LARGEST, side * side // (length + 1)) for length in (right - left, bottom - top))
    return max(side, width), max(side, height)


def window(inside: Mask, side: int) -> tuple[int, int, int, int]:
    """The box (top, left, bottom, right) around what is looked at, at least a tile in each direction."""
    box, ends = box_of(inside), inside.shape
    starts, stops = [], []
    for first, last, end in zip(box[:2], box[2:], ends, strict=True):
        start = max(0, min(first - (side - (last - first)) // 2, end - side)) if last - first < side else first
        starts.append(start)
        stops.append(max(last, start + side))
    return starts[0], starts[1], stops[0], stops[1]


def plan(settings: Settings, side: int, size: Size) -> tuple[Size, Tiling | None]:
    """Width and height of the picture that images of `size` become, and its tiling.

    `auto` shows images whole that are hardly larger than the method's input, and enlarges a strip that is narrower.

    Raises:
        ConfigError: the images are smaller than a tile that was asked for, or tiles would share more than half.
    """
    if settings.overlap > side // 2:
        raise ConfigError(
            f"tiles of {side} px that share {settings.overlap} px", "at most half of a tile", f"--overlap {side // 8}"
        )
    tiling = Tiling(side=side, overlap=settings.overlap)
    if min(size) >= side and (settings.tile != "auto" or max(size) > ENOUGH * side):
        return size, tiling
    if settings.tile != "auto":
        raise ConfigError(
            f"tiles of {side} px, while the images have {size[0]} x {size[1]} px",
            "images at least as large as a tile",
            f"--tile {min(size) // 32 * 32 or 32} or less, or train without --tile",
        )
    width, height = (round(length * max(1.0, side / min(size))) for length in size)
    if max(size) <= ENOUGH * side or max(width, height) > LONGEST:
        return (side, side), None
    return (width, height), tiling


def native_sizes(dataset: Dataset, samples: Sequence[Sample], limits: Limits) -> Counter[Size]:
    """Upright width and height of the images that can be read, and how many have them."""
    sizes = Counter[Size]()
    for sample in samples:
        source = dataset.source(sample)
        try:
            header = verify(source, limits) if not isinstance(source, str | bytes) else probe(str(source), limits)
        except ImageError:
            continue  # the intake names it
        sizes[header.size] += 1
    return sizes


def usual(sizes: Counter[Size]) -> Size:
    """The median width and the median height."""
    if not sizes:
        raise ConfigError(
            "none of the images can be read", "images that decode", "look at the data with `untaught doctor`"
        )
    every = np.array(list(sizes.elements()))
    width, height = (int(value) for value in np.median(every, axis=0))
    return width, height


def mean_colour(
    dataset: Dataset, samples: Sequence[Sample], recipe: Recipe, inside: np.ndarray
) -> tuple[int, int, int]:
    """The mean colour of what is looked at, so that no hard edge is painted beside it."""
    seen = []
    for sample in samples[:COLOURED]:
        try:
            seen.append(dataset.image(sample, recipe)[inside].mean(axis=0))
        except ImageError:
            continue  # the intake names it
    red, green, blue = (int(value) for value in np.rint(np.mean(seen or [[128.0] * 3], axis=0)))
    return red, green, blue


def cost_of_tiles(recipe: Recipe, method: Method, images: int) -> str:
    """What the tiles cost, in words."""
    size = f"{recipe.width} x {recipe.height} px"
    if recipe.tiling is None:
        return f"images are shown whole, at {size}"
    rows = images * recipe.tiles
    kept = rows * row_bytes(method, next(iter(method.stages()))) / 2**30
    scored = 4 * 3 * recipe.tiles * recipe.tiling.side**2 / 2**20
    return (
        f"images of {size} in {recipe.tiles} tiles of {recipe.tiling.side} px: {rows} tiles to learn from, "
        f"{kept:.2f} GiB of features; {scored:.0f} MiB an image to inspect, without the network's own"
    )


@torch.no_grad()
def row_bytes(method: Method, stage: Stage) -> int:
    """Bytes of one cached row of a stage, from its shapes."""
    side = method.config.image_size
    given = {"image": torch.zeros(1, 3, side, side), "depth": torch.zeros(1, 2, side, side)}
    device = next(method.parameters()).device
    method.eval()
    kept = {} if stage.frozen is None else stage.frozen(*(given[name].to(device) for name in method.inputs))
    pixels = 3 * side**2 if stage.frozen is None or stage.image or stage.pairs is not None else 0
    return stage.views * (pixels + sum(Layout.of(tensor, stage.half).bytes for tensor in kept.values()))
