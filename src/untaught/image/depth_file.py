"""Depth files: xyz or depth TIFF, 16-bit PNG, .npy -> distances in metres, and which file belongs to which image."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from untaught.errors import ImageError
from untaught.image.decoder import Source, named, upright
from untaught.image.depth import Plane, prepare
from untaught.image.file import check_size, encoded
from untaught.image.reader import read_with_size
from untaught.image.recipe import Limits, Recipe
from untaught.image.stretch import lies_over

DepthSource: TypeAlias = str | Path | bytes | bytearray | memoryview | NDArray[Any]
SUFFIXES = (".tiff", ".tif", ".png", ".npy")
FOLDERS = ("xyz", "depth")
_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_FORMS = "a depth picture (h, w) or xyz coordinates (h, w, 3)"
_FILES = "a 16-bit grey PNG, a TIFF or a .npy file of distances"
_FARTHEST = 1e6  # metres; what is said to be farther is a sensor's word for "not measured"


class WithDepth(NamedTuple):
    """An image and its depth as one source; `depth` None means: look for the file that belongs to the image's."""

    image: Source
    depth: DepthSource | None = None


def read_inputs(source: Source | WithDepth, recipe: Recipe) -> tuple[dict[str, NDArray[Any]], tuple[int, int]]:
    """What a method takes of one image, by name, and the original's (width, height).

    `image` is (height, width, 3) uint8 of the recipe; where the recipe asks for depth, `depth` is (height, width, 2)
    float32, see `untaught.image.depth.prepare`.

    Raises:
        ImageError: the image or its depth cannot be used, or they do not belong together.
    """
    image, depth = source if isinstance(source, WithDepth) else (source, None)
    pixels, size = read_with_size(image, recipe)
    inputs: dict[str, NDArray[Any]] = {"image": pixels}
    if recipe.depth is None:
        return inputs, size
    distance = load_depth(depth_of(image) if depth is None else depth, recipe.depth.unit, recipe)
    check_pair(named(image), distance, size)
    area = recipe.area
    inside = None if area is None else area.at((distance.shape[1], distance.shape[0]))
    cells = prepare(distance, recipe.depth, recipe.height, recipe.width, inside)
    if area is not None:
        cells = cells * area.inside[..., None]
    return inputs | {"depth": cells}, size


def check_pair(name: str, distance: Plane, size: tuple[int, int]) -> None:
    """Raise ImageError where depth cannot lie over its image (width, height): scaled it can, of another shape not."""
    height, width = distance.shape
    if not lies_over((width, height), size):
        raise ImageError(
            f"{name}: depth of {width} x {height} px with an image of {size[0]} x {size[1]} px",
            "depth that lies over its image, at any scale",
            "pair each image with its own depth file",
        )


def load_depth(source: DepthSource, unit: float, limits: Limits) -> Plane:
    """Distances in metres, (h, w); 0 where nothing was measured. Of xyz coordinates z is taken.

    Args:
        source: a path, the bytes of a file, or an array (h, w) or (h, w, 3).
        unit: metres per unit of integer values; floating-point ones are metres.
        limits: of the file's size and of the picture's.

    Raises:
        ImageError: it cannot be read, or is not a depth picture.
    """
    if isinstance(source, np.ndarray):
        name, values = "depth in memory", source
    else:
        name = str(source) if isinstance(source, str | Path) else "encoded depth in memory"
        values = _decoded(encoded(source, name, limits), name, limits)
    if values.ndim == 3 and values.shape[2] in (1, 3):
        values = values[..., -1]
    if values.ndim != 2 or values.dtype.kind not in "uif" or values.dtype.itemsize == 1:
        came = f"{name}: an array {values.shape} of {values.dtype}"
        wanted = f"{_FORMS} of integers of 16 bits or more, or of floating-point metres"
        raise ImageError(came, wanted, "export z alone, not as 8-bit grey or colours")
    check_size((values.shape[1], values.shape[0]), name, limits)
    metres = values * unit if values.dtype.kind in "ui" else values
    metres = np.where(np.isfinite(metres), metres, 0)
    if (farthest := float(np.abs(metres).max())) > _FARTHEST:
        came = f"{name}: a distance of {farthest:.3g} m"
        raise ImageError(came, "metres, and 0 or NaN where nothing was measured", "export what was not measured as 0")
    distance: Plane = metres.astype(np.float32)
    if not distance.any():
        raise ImageError(f"{name}: no pixel holds a measured value", "distances other than 0", "measure it again")
    return distance


def _decoded(data: bytes, name: str, limits: Limits) -> NDArray[Any]:
    if data.startswith(b"\x93NUMPY"):
        try:
            values: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise _damaged(name, error) from error
        return values
    if data.startswith(_TIFF):
        return _tiff(data, name)
    if not data.startswith(_PNG):
        what = f"a file that begins with {data[:16]!r}" if data else "an empty file"
        raise ImageError(f"{name}: {what}", _FILES, "export depth in one of these forms")
    image, header = upright(data, name, limits)
    if not header.deep or len(image.getbands()) != 1:
        raise ImageError(f"{name}: a picture of mode {image.mode}", _FILES, "export depth, not colours")
    return np.asarray(image)


def _tiff(data: bytes, name: str) -> NDArray[Any]:
    try:
        import tifffile
    except ImportError as error:
        fix = "pip install tifffile (or 'untaught[train]')"
        raise ImageError(f"{name}: depth in a TIFF file", "the package tifffile to read it", fix) from error
    try:
        values: NDArray[Any] = tifffile.imread(io.BytesIO(data))
    except Exception as error:  # a decoder fails in many ways on hostile bytes; all of them mean the same
        raise _damaged(name, error) from error
    return np.moveaxis(values, 0, 2) if values.ndim == 3 and values.shape[0] == 3 != values.shape[2] else values


def _damaged(name: str, error: Exception) -> ImageError:
    return ImageError(f"{name}: damaged or truncated ({error})", "a complete depth file", "copy or export it again")


def find_depth(image: Path) -> Path | None:
    """The depth file that belongs to an image file, None where there is none.

    For `part/rgb/7.png` it is `part/xyz/7.*` or `part/depth/7.*`; beside `7.png` it is `7_depth.*`, `7_xyz.*` or
    `7.npy`. The endings are .tiff, .tif, .png and .npy, in this order.
    """
    part = image.absolute().parent.parent
    places = [part / folder / image.stem for folder in FOLDERS]
    places += [image.with_name(f"{image.stem}_{folder}") for folder in reversed(FOLDERS)]
    beside = image.with_suffix(".npy")
    return next(filter(None, map(in_any_form, places)), beside if beside.is_file() else None)


def in_any_form(place: Path) -> Path | None:
    """The depth file called `place` but for its ending, which may be in capitals; None where there is none."""
    endings = (ending for suffix in SUFFIXES for ending in (suffix, suffix.upper()))
    return next((path for ending in endings if (path := place.with_name(place.name + ending)).is_file()), None)


def depth_of(image: Source) -> Path:
    """The depth file of an image.

    Raises:
        ImageError: there is none.
    """
    path = find_depth(Path(image)) if isinstance(image, str | Path) else None
    if path is None:
        raise ImageError(
            f"{named(image)}: its depth is missing",
            f"beside it {Path(str(image)).stem}_depth{' or '.join(SUFFIXES[::3])}, or xyz/ beside its folder rgb/"
            if isinstance(image, str | Path)
            else "depth beside the image: the run was trained with it",
            "give the file: --depth FILE, in Python inspect(image, depth=...)",
        )
    return path


def is_depth_file(path: Path) -> bool:
    """Whether the name is that of a depth file beside images, or of what else lies in the folders of 3D data sets."""
    return path.parent.name in (*FOLDERS, "gt") or path.stem.endswith(tuple(f"_{word}" for word in FOLDERS))
