"""MVTec AD's layout: `train/good`, `test/<kind>`, `ground_truth/<kind>/<name>_mask.png`; any image format.

Bergmann et al., MVTec AD, CVPR 2019. Also that of VisA's and MTD's usual conversions. Masks are found as well in
another folder of masks (`masks/<kind>`), beside their images (`test/<kind>/<name>_mask.png`) and in a folder of masks
there (`test/<kind>/masks/<name>.png`).
"""

from __future__ import annotations

from pathlib import Path

from untaught.data.base import FileDataset
from untaught.data.listing import folders, images, is_folder
from untaught.data.places import (
    GOOD_NAMES,
    IMAGES,
    MASKS,
    apart,
    is_called,
    pair,
    refuse_doubles,
    refuse_idle,
    unlabelled,
)
from untaught.records import GOOD, Sample


def matches(root: Path) -> bool:
    """Whether the folder has `train/good`."""
    return is_folder(root / "train" / GOOD)


def read(root: Path) -> FileDataset:
    """All images below `train/good` and `test`, with their masks."""
    layout = "MVTec AD layout" + ("" if is_folder(root / "test") else ", no test split")
    return split_folders(root, layout)


def split_folders(root: Path, layout: str) -> FileDataset:
    """Read `train/<kind>`, `test/<kind>` and `ground_truth/<kind>`; good parts may be called ok, normal ... too.

    Of `train` only folders that are good are read. Masks may also lie among the images (`untaught.data.places`).

    Raises:
        DataError: it cannot be told which files are masks.
    """
    homes = [folder for folder in folders(root / "train") if is_called(folder, GOOD_NAMES)]
    homes += [folder for folder in folders(root / "test") if not is_called(folder, IMAGES)]
    pictures, masks = apart([path for folder in homes for path in images(folder)], root)
    mask_of = pair(pictures, root, masks, root)
    refuse_idle(masks, pictures, mask_of.values(), root)
    for truth in folders(root):
        if is_called(truth, MASKS):
            more = images(truth)
            tested = [path for path in pictures if path.is_relative_to(root / "test")]
            mask_of |= pair(pictures, root, more, truth) | pair(tested, root / "test", more, truth)
            masks += more
    samples = []
    for path in pictures:
        split, folder, *_ = path.relative_to(root).parts
        kind = GOOD if folder.lower() in GOOD_NAMES else folder
        name = path.relative_to(root).as_posix()
        samples.append(Sample(name, "train" if split == "train" else "test", kind, path, mask_of.get(path)))
    refuse_doubles((sample.path for sample in samples if sample.path and sample.defective), root)
    orphans = sorted(set(masks) - set(mask_of.values()))
    return FileDataset(
        root.resolve().name, root, layout, tuple(samples), tuple(orphans), unlabelled=unlabelled(root / "test")
    )
