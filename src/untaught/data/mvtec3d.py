"""MVTec 3D-AD's layout: `train/good`, `validation/good` and `test/<kind>`, each with `rgb`, `xyz` and, for masks, `gt`.

Bergmann et al., The MVTec 3D-AD Dataset, VISAPP 2022. The validation images are good ones: they set the thresholds.
Files of one name belong together; `xyz` may be called `depth`, and hold TIFF, 16-bit PNG or .npy files.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from untaught.data.base import FileDataset
from untaught.data.listing import entries, folders, images, is_folder
from untaught.errors import DataError
from untaught.image.depth_file import FOLDERS, SUFFIXES
from untaught.records import GOOD, Sample, Split

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def matches(root: Path) -> bool:
    """Whether the folder has `train/good/rgb`, or the depth that belongs to it."""
    return any(is_folder(root / "train" / GOOD / name) for name in ("rgb", "xyz"))


def read(root: Path) -> FileDataset:
    """All images, with their masks and depth files; of `train` and `validation` only the good ones.

    Raises:
        DataError: there is depth and no picture that it belongs to.
    """
    if not is_folder(root / "train" / GOOD / "rgb"):
        raise DataError(
            f"{root}: depth in train/good/xyz, and no pictures in train/good/rgb",
            "for each depth file a picture of the same name in `rgb`, PNG, JPEG, BMP or TIFF",
            "add them: what looks at depth alone needs them too, to name the parts and to show them",
        )
    samples: list[Sample] = []
    orphans: list[Path] = []
    for split in SPLITS:
        for folder in folders(root / split):
            if split == "test" or folder.name == GOOD:
                found, left = _kind(root, folder, split)
                samples += found
                orphans += left
    without = sum(sample.depth_path is None for sample in samples)
    words = ["no validation split"] if not is_folder(root / "validation") else []
    words += ["no test split"] if not is_folder(root / "test") else []
    words += [f"{without} of {len(samples)} images without depth"] if without else []
    layout = ", ".join(["MVTec 3D-AD layout", *words])
    return FileDataset(root.resolve().name, root, layout, tuple(samples), tuple(orphans))


def _kind(root: Path, folder: Path, split: Split) -> tuple[list[Sample], list[Path]]:
    """The samples of a folder with `rgb`, and its masks that belong to none."""
    pictures, masks, depth = images(folder / "rgb"), _by_stem(images(folder / "gt")), _depth(folder)
    kind = GOOD if folder.name == GOOD else folder.name
    samples = [
        Sample(
            path.relative_to(root).as_posix(),
            split,
            kind,
            path,
            None if kind == GOOD else masks.get(path.stem),
            depth_path=depth.get(path.stem),
        )
        for path in pictures
    ]
    stems = {path.stem for path in pictures}
    return samples, [mask for stem, mask in masks.items() if stem not in stems]


def _by_stem(paths: list[Path]) -> dict[str, Path]:
    return {path.stem: path for path in paths}


def _depth(folder: Path) -> dict[str, Path]:
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    for home in (folder / name for name in FOLDERS):
        for path in entries(home) if is_folder(home) else ():
            found[path.stem].setdefault(path.suffix.lower(), path)
    return {
        stem: next(paths[suffix] for suffix in SUFFIXES if suffix in paths)
        for stem, paths in found.items()
        if not paths.keys().isdisjoint(SUFFIXES)
    }
