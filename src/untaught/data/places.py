"""What a file is by its name and place - a picture, a mask, whose mask - by one rule for every layout of folders.

A mask lies in a folder called as such (masks/, ground_truth/ ...), wherever that is, or is called as its picture with
`_mask` behind. A file's place is its path without folders that only say what is in them (masks/, images/), without
suffix and `_mask`; picture and mask of one place belong together. Where names leave it open what is a mask, there is
an error: a mask that is measured as a defective part spoils every figure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from pathlib import Path

from untaught.data.listing import entries, folders, images, is_folder, is_image
from untaught.errors import DataError
from untaught.records import GOOD

MASKS = {"masks", "mask", "ground_truth", "ground-truth", "ground truth", "groundtruth", "gt"}
IMAGES = {"images", "image", "imgs", "img"}
GOOD_NAMES = {GOOD, "ok", "normal", "pass", "passed", "free"}
ENDINGS = ("_mask", "-mask", "")
FEW = 5


def is_called(folder: Path, names: set[str]) -> bool:
    """Whether a folder has one of the names, in any case."""
    return folder.name.lower() in names


def place(path: Path, base: Path) -> str:
    """Where a file belongs: its path below `base` without suffix and the folders that only say what is in them."""
    bare, ending = _parted(path.stem)
    parts = [part for part in path.relative_to(base).parts[:-1] if part.lower() not in MASKS | IMAGES]
    return Path(*parts, bare + ending).as_posix()


def place_of_image(mask: Path, base: Path) -> str:
    """The place of the picture a mask belongs to."""
    return _parted(place(mask, base))[0]


def apart(paths: Sequence[Path], base: Path) -> tuple[list[Path], list[Path]]:
    """The pictures and the masks among files below `base`, each in order.

    Raises:
        DataError: files are called as masks of pictures that are not there.
    """
    masks = {path for path in paths if _home_of_masks(path, base)}
    called = {path for path in paths if path not in masks and _parted(path.stem)[1]}
    pictures = [path for path in paths if path not in masks | called]
    there = {place(path, base) for path in pictures}
    if astray := [path for path in paths if path in called and place_of_image(path, base) not in there]:
        raise DataError(
            f"{base}: called as masks of images that are not there: {_few(astray, base)}",
            "001_mask.png beside its image 001.png, or masks in a folder `masks`, and no image called so",
            "add the images, move the masks into a folder `masks`, or rename what is an image",
        )
    return pictures, [path for path in paths if path in masks | called]


def pair(pictures: Iterable[Path], base: Path, masks: Iterable[Path], mask_base: Path) -> dict[Path, Path]:
    """Picture -> mask, by the same place below the two folders; of several masks that with `_mask` first."""
    by_place = {place(mask, mask_base): mask for mask in masks}
    found = {}
    for picture in pictures:
        here = place(picture, base)
        mask = next((by_place[here + ending] for ending in ENDINGS if here + ending in by_place), None)
        if mask is not None:
            found[picture] = mask
    return found


def refuse_doubles(defective: Iterable[Path], base: Path) -> None:
    """Raise where defective pictures below `base` differ by their suffix alone: one may be the other's mask.

    Raises:
        DataError: naming them.
    """
    found: dict[str, list[Path]] = defaultdict(list)
    for path in defective:
        found[place(path, base)].append(path)
    if doubles := [path for paths in found.values() if len(paths) > 1 for path in paths]:
        raise DataError(
            f"{base}: defective images of one name, of which one may be the other's mask: {_few(doubles, base)}",
            "one image of a name in a folder of defects",
            "call the masks 001_mask.png or move them into a folder `masks`; of an image saved twice keep one",
        )


def refuse_idle(masks: Iterable[Path], pictures: Iterable[Path], used: Container[Path | None], base: Path) -> None:
    """Raise where a folder among the images is called as one of masks, and no image belongs to any file in it.

    Args:
        masks: those found among the images.
        pictures: the images.
        used: masks that belong to an image, wherever that is; what has an image's place belongs to it anyway.
        base: the folder that holds all.

    Raises:
        DataError: naming the folders.
    """
    there, homes = {place(path, base) for path in pictures}, defaultdict[Path, list[bool]](list)
    for path in masks:
        if home := _home_of_masks(path, base):
            homes[home].append(path in used or place_of_image(path, base) in there)
    if idle := [home for home, belong in homes.items() if not any(belong)]:
        named = ", ".join(sorted(home.relative_to(base).as_posix() for home in idle))
        raise DataError(
            f"{base}: {named}, called as a folder of masks, holds none that belongs to an image",
            "masks called as their images: 001.png or 001_mask.png is the mask of 001.png",
            "rename the masks, or the folder where it holds images of a kind of defect",
        )


def unlabelled(test: Path) -> tuple[Path, ...]:
    """Images of a test folder that lie in no folder which would say whether they are good."""
    if not is_folder(test):
        return ()
    direct = [path for path in entries(test) if is_image(path)]
    below = [path for folder in folders(test) if is_called(folder, IMAGES) for path in images(folder)]
    return (*direct, *below)


def _parted(stem: str) -> tuple[str, str]:
    """A name without `_mask`, and that ending in small letters, empty where there is none."""
    ending = next(ending for ending in ENDINGS if stem.lower().endswith(ending))
    return stem[: len(stem) - len(ending)], ending


def _home_of_masks(path: Path, base: Path) -> Path | None:
    """The uppermost folder of masks that a file lies in."""
    parts = path.relative_to(base).parts[:-1]
    at = next((n for n, part in enumerate(parts) if part.lower() in MASKS), None)
    return None if at is None else base.joinpath(*parts[: at + 1])


def _few(paths: Sequence[Path], base: Path) -> str:
    """How many files there are, where, and the first of them."""
    homes = sorted({path.parent.relative_to(base).as_posix() for path in paths})
    names = ", ".join(path.relative_to(base).as_posix() for path in paths[:FEW])
    return f"{len(paths)} in {', '.join(homes)} ({names}{', ...' if len(paths) > FEW else ''})"
