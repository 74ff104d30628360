"""MVTec AD's layout: `train/good`, `test/<kind>`, `ground_truth/<kind>/<name>_mask.png`; any image format.

Bergmann et al., MVTec AD, CVPR 2019. Also that of VisA's and MTD's usual conversions.
"""

from __future__ import annotations

from pathlib import Path

from untaught.data.base import FileDataset
from untaught.data.listing import folders, images, is_folder, pair
from untaught.records import GOOD, Sample


def matches(root: Path) -> bool:
    """Whether the folder has `train/good`."""
    return is_folder(root / "train" / GOOD)


def read(root: Path) -> FileDataset:
    """All images below `train/good` and `test`, with their masks."""
    layout = "MVTec AD layout" + ("" if is_folder(root / "test") else ", no test split")
    return split_folders(root, layout, {GOOD: GOOD})


def split_folders(root: Path, layout: str, rename: dict[str, str]) -> FileDataset:
    """Read `train/<kind>`, `test/<kind>` and `ground_truth/<kind>`; `rename` maps folder names to kinds.

    Of `train` only folders that are good are read.
    """
    samples, orphans = [], []
    for folder in folders(root / "train"):
        if rename.get(folder.name) == GOOD:
            samples += [Sample(path.relative_to(root).as_posix(), "train", GOOD, path) for path in images(folder)]
    for folder in folders(root / "test"):
        kind, truth = rename.get(folder.name, folder.name), root / "ground_truth" / folder.name
        pictures, masks = images(folder), images(truth)
        mask_of = pair(pictures, folder, masks, truth)
        samples += [Sample(p.relative_to(root).as_posix(), "test", kind, p, mask_of.get(p)) for p in pictures]
        orphans += sorted(set(masks) - set(mask_of.values()))
    tested = {folder.name for folder in folders(root / "test")}
    for folder in folders(root / "ground_truth"):
        if folder.name not in tested:
            orphans += images(folder)
    return FileDataset(root.resolve().name, root, layout, tuple(samples), tuple(orphans))
