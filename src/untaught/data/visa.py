"""VisA's layout, one product at a time: `VisA/candle` with `Data/Images/Normal|Anomaly` and `Data/Masks/Anomaly`.

Zou et al., SPot-the-Difference, ECCV 2022. The split is that of `VisA/split_csv/1cls.csv` (columns object, split,
label, image, mask; paths relative to `VisA`) where that file exists, else a fifth of the normal images, drawn with
seed 0, is the test's. Kinds of defect come from `candle/image_anno.csv` (columns image, label, mask) if it is there.
Masks hold class numbers.
"""

from __future__ import annotations

import csv
from pathlib import Path

from untaught.data.base import FileDataset
from untaught.data.listing import images, is_folder, pair
from untaught.data.split import hold_out
from untaught.errors import DataError
from untaught.records import GOOD, Sample

ANOMALY = "anomaly"


def matches(root: Path) -> bool:
    """Whether the folder is one product of VisA."""
    return is_folder(root / "Data" / "Images" / "Normal")


def read(root: Path) -> FileDataset:
    """All images of one product."""
    product = root.resolve()
    base, masks = root / "Data" / "Images" / "Anomaly", root / "Data" / "Masks" / "Anomaly"
    normal, defective, mask_files = images(root / "Data" / "Images" / "Normal"), images(base), images(masks)
    mask_of = pair(defective, base, mask_files, masks)
    kinds = _kinds(product)
    table = product.parent / "split_csv" / "1cls.csv"
    name = {path: path.relative_to(root).as_posix() for path in normal + defective}
    if table.is_file():
        listed = _listed(table, product.name)
        layout = "VisA layout, split by split_csv/1cls.csv"
        split_of = {path: listed.get(name[path]) for path in normal + defective}
    else:
        kept = hold_out([name[path] for path in normal], 0.2, seed=0)
        layout = "VisA layout without split_csv; a fifth of the normal images, drawn with seed 0, is the test's"
        split_of = {path: "test" if name[path] in kept else "train" for path in normal}
        split_of |= dict.fromkeys(defective, "test")
    samples = [Sample(name[p], "train", GOOD, p) for p in normal if split_of[p] == "train"]
    samples += [Sample(name[p], "test", GOOD, p) for p in normal if split_of[p] == "test"]
    samples += [
        Sample(name[p], "test", kinds.get(name[p], ANOMALY), p, mask_of.get(p)) for p in defective if split_of[p]
    ]
    orphans = tuple(sorted(set(mask_files) - set(mask_of.values())))
    return FileDataset(product.name, root, layout, tuple(samples), orphans, labels=True)


def _listed(table: Path, product: str) -> dict[str, str]:
    """Image, relative to the product's folder -> split."""
    rows = [row for row in _rows(table, {"object", "split", "image"}) if row["object"] == product]
    return {row["image"].replace("\\", "/").removeprefix(f"{product}/"): row["split"] for row in rows}


def _kinds(product: Path) -> dict[str, str]:
    """Image, relative to the product's folder -> kind of defect, the first where several are named."""
    table = product / "image_anno.csv"
    if not table.is_file():
        return {}
    rows = _rows(table, {"image", "label"})
    named = {row["image"].replace("\\", "/"): row["label"].split(",")[0].strip() for row in rows}
    return {
        image.removeprefix(f"{product.name}/"): kind
        for image, kind in named.items()
        if kind and kind.lower() != "normal"
    }


def _rows(table: Path, columns: set[str]) -> list[dict[str, str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            missing = columns - set(reader.fieldnames or ())
            rows = [] if missing else list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: cannot be read ({error})", "a CSV file in UTF-8", "download it again") from error
    if missing:
        came, wanted = (", ".join(sorted(names)) for names in (missing, columns))
        raise DataError(f"{table}: no column {came}", f"columns {wanted}", "download it again")
    return rows
