"""BTAD's layout: `train/ok`, `test/ok`, `test/ko`, `ground_truth/ko/<name>.png`, one folder a product (01, 02, 03).

Mishra et al., VT-ADL, ISIE 2021.
"""

from __future__ import annotations

from pathlib import Path

from untaught.data.base import FileDataset
from untaught.data.listing import is_folder
from untaught.data.mvtec import split_folders


def matches(root: Path) -> bool:
    """Whether the folder has `train/ok`."""
    return is_folder(root / "train" / "ok")


def read(root: Path) -> FileDataset:
    """All images of one product, `ok` being good."""
    return split_folders(root, "BTAD layout (ok, ko)")
