"""Magnetic Tile Defects as published: `MT_<Kind>/Imgs/<name>.jpg` beside `<name>.png`, its mask; `MT_Free` is good.

Huang et al., Surface defect saliency of magnetic tile, The Visual Computer 2020. The authors give no split:
of the good images a fifth, drawn with seed 0, goes to the test.
"""

from __future__ import annotations

from pathlib import Path

from untaught.data.base import FileDataset
from untaught.data.listing import folders, images, is_folder
from untaught.data.places import pair
from untaught.data.split import hold_out
from untaught.records import GOOD, Sample

_PHOTOGRAPH = {".jpg", ".jpeg"}


def matches(root: Path) -> bool:
    """Whether the folder has `MT_Free/Imgs`."""
    return is_folder(root / "MT_Free" / "Imgs")


def read(root: Path) -> FileDataset:
    """All photographs; the black masks of the good ones are left aside."""
    train, test, orphans = [], [], []
    for folder in folders(root):
        if not folder.name.startswith("MT_"):
            continue
        kind = folder.name.removeprefix("MT_").lower()
        files = images(folder)
        pictures = [path for path in files if path.suffix.lower() in _PHOTOGRAPH]
        masks = [path for path in files if path.suffix.lower() not in _PHOTOGRAPH]
        mask_of = pair(pictures, folder, masks, folder)
        orphans += sorted(set(masks) - set(mask_of.values()))
        name = {path: path.relative_to(root).as_posix() for path in pictures}
        if kind == "free":
            kept = hold_out(list(name.values()), 0.2, seed=0)
            train += [Sample(name[path], "train", GOOD, path) for path in pictures if name[path] not in kept]
            test += [Sample(name[path], "test", GOOD, path) for path in pictures if name[path] in kept]
        else:
            test += [Sample(name[path], "test", kind, path, mask_of.get(path)) for path in pictures]
    layout = "Magnetic Tile Defects as published; a fifth of the good images, drawn with seed 0, is the test's"
    return FileDataset(root.resolve().name, root, layout, (*train, *test), tuple(orphans))
