"""A user's region of interest or region to ignore, as a polygon or a picture, at the size of the model's picture."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from untaught.errors import ConfigError
from untaught.image import read_mask

Mask = NDArray[np.bool_]
Size = tuple[int, int]


def inspected(roi: Path | None, ignore: Path | None, size: Size, native: Size | None) -> Mask:
    """Where a picture is looked at: inside `roi` and outside `ignore`, everywhere where neither is given.

    Args:
        roi: file of the region of interest.
        ignore: file of the region to ignore.
        size: width and height of the mask wanted.
        native: width and height of the product's images, in whose pixels polygons are; None where they differ.

    Raises:
        ConfigError: a file is missing or not understood, or nothing is left to look at.
        MaskError: a picture cannot be decoded.
    """
    inside = np.ones(size[::-1], np.bool_) if roi is None else read_region(roi, size, native)
    if ignore is not None:
        inside &= ~read_region(ignore, size, native)
    if not inside.any():
        names = " and ".join(str(path) for path in (roi, ignore) if path is not None)
        raise ConfigError(f"{names} leave nothing to look at", "at least a part of the picture", "draw them again")
    return inside


def region_file(path: Path | None, product: str, products: Collection[str]) -> Path | None:
    """The file with one product's region: `path` itself, or of a folder the file that is named after the product.

    None where nothing is given, or the folder has no file for this product. An only product must have one: the folder
    may be that of a line, of which other products are trained apart.

    Args:
        path: a file, or a folder.
        product: whose region it is.
        products: all there are.

    Raises:
        ConfigError: a file in the folder is named after none of the products, or after one that has another already.
    """
    if path is None or not path.is_dir():
        return path
    files = sorted(file for file in path.iterdir() if not file.name.startswith("."))
    mine = [file for file in files if file.stem == product]
    stray = [file.name for file in files if file.stem not in products]
    if mine and len(products) == 1:
        stray = []
    if stray or not files:
        raise ConfigError(
            f"{path} holds {f'{stray[0]}, which is named after no product' if stray else 'no file'}",
            f"files named after products, such as {next(iter(products))}.json; these are {', '.join(products)}",
            "rename the file, or take it out",
        )
    if len(mine) > 1:
        raise ConfigError(
            f"{path} holds {' and '.join(file.name for file in mine)}", "one file a product", "take one of them out"
        )
    return mine[0] if mine else None


def read_region(path: Path, size: Size, native: Size | None) -> Mask:
    """The region a file shows, at `size` (width, height).

    A JSON file holds a polygon, `[[x, y], ...]`, or a list of polygons, in pixels of the images or, where no value is
    above 1, in shares of their width and height. Any other file is a mask picture, bright in the
    region; it is stretched.

    Raises:
        ConfigError: the file is missing or is not such a polygon; pixels are meant, but images differ in size or end
            before the polygon does.
        MaskError: the picture cannot be decoded.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file", "a mask picture or a JSON file with a polygon", "check the path")
    if path.suffix.lower() != ".json":
        picture = Image.fromarray(read_mask(path)).resize(size, Image.Resampling.NEAREST)
        return np.array(picture, np.bool_)
    polygons = _polygons(path)
    scale = np.array(size, np.float64)
    farthest = np.max([points.max(axis=0) for points in polygons], axis=0)
    if farthest.max() > 1:
        if native is None:
            raise ConfigError(
                f"{path} is in pixels, but the images differ in size",
                "points in shares of width and height, 0 to 1",
                "divide x by the width and y by the height, or give a mask picture, which is stretched",
            )
        if (farthest > np.array(native) + 1).any():
            raise ConfigError(
                f"{path} reaches to {farthest[0]:g}, {farthest[1]:g}, but the images have {native[0]} x {native[1]} px",
                "points within the images",
                "draw it on one of them, or give points in shares of width and height",
            )
        scale = scale / native
    return np.asarray(np.logical_or.reduce([_filled(points * scale, size) for points in polygons]))


def _filled(points: NDArray[np.float64], size: Size) -> Mask:
    """The pixels whose centre is inside a polygon: an odd number of its edges lies to their left."""
    width, height = size
    centre = np.arange(height) + 0.5
    crossings = np.zeros((height, width + 1), np.int64)
    for (xa, ya), (xb, yb) in zip(points, np.roll(points, -1, axis=0), strict=True):
        rows = np.flatnonzero((ya <= centre) != (yb <= centre))
        at = xa + (centre[rows] - ya) * (xb - xa) / (yb - ya or 1)
        np.add.at(crossings, (rows, np.clip(np.ceil(at - 0.5), 0, width).astype(np.int64)), 1)
    return np.asarray(np.cumsum(crossings, axis=1)[:, :width] % 2 == 1)


def _polygons(path: Path) -> list[NDArray[np.float64]]:
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        nested = found if isinstance(found[0][0], list) else [found]
        polygons = [np.array(points, np.float64) for points in nested]
        if not all(points.ndim == 2 and points.shape[1] == 2 and len(points) > 2 for points in polygons):
            raise ValueError("a polygon has at least three points of two numbers")
        if not all(np.isfinite(points).all() and points.min() >= 0 for points in polygons):
            raise ValueError("a point is negative or no number")
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise ConfigError(
            f"{path} is no polygon ({error})", "[[x, y], [x, y], [x, y], ...], or a list of such", "correct the file"
        ) from None
    return polygons
