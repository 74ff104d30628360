"""VisA's layout, one product at a time: `VisA/candle` with `Data/Images/Normal|Anomaly` and `Data/Masks/Anomaly`.

Zou et al., SPot-the-Difference, ECCV 2022. The split is that of `VisA/split_csv/1cls.csv` (columns object, split,
label, image, mask; paths relative to `VisA`) where that file exists, else a fifth of the normal images, drawn with
seed 0, is the test's. What the table says counts: an image it lists and that is not there is a broken one, and how many
are there and not listed is told in `layout`. The authors' `2cls_*.csv` put anomalies into training, from which nothing
here learns: they are not read, which is told too. Kinds of defect come from `candle/image_anno.csv` (columns image,
label, mask) if it is there. Masks hold class numbers.
"""

from __future__ import annotations

import csv
from pathlib import Path

from untaught.data.base import FileDataset
from untaught.data.listing import images, is_folder
from untaught.data.places import pair
from untaught.data.split import hold_out
from untaught.errors import DataError
from untaught.records import GOOD, Sample

NORMAL, ANOMALY = "normal", "anomaly"
ALLOWED = {("train", NORMAL), ("test", NORMAL), ("test", ANOMALY)}


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
    mask_at = {name[picture]: mask for picture, mask in mask_of.items()}
    if table.is_file():
        listed = _listed(table, product.name)
        layout = "VisA layout, split by split_csv/1cls.csv"
        if left := sorted(set(name.values()) - {row["image"] for row in listed}):
            layout += f"; {len(left)} images are not in it and left out, {left[0]} the first"
        mask_at |= {row["image"]: root / row["mask"] for row in listed if row.get("mask")}
        rows = [(row["split"], row["label"] == NORMAL, row["image"]) for row in listed]
    else:
        kept = hold_out([name[path] for path in normal], 0.2, seed=0)
        layout = (
            "VisA layout without split_csv/1cls.csv; a fifth of the normal images, drawn with seed 0, is the test's"
        )
        rows = [("test" if name[path] in kept else "train", True, name[path]) for path in normal]
        rows += [("test", False, name[path]) for path in defective]
    if others := sorted(path.name for path in table.parent.glob("2cls_*.csv")):
        layout += f"; {', '.join(others)} not read: nothing here learns from anomalies"
    samples = []
    for split, good, image in sorted(rows, key=lambda row: (row[0] == "test", not row[1])):
        kind = GOOD if good else kinds.get(image, ANOMALY)
        samples.append(Sample(image, "train" if split == "train" else "test", kind, root / image, mask_at.get(image)))
    orphans = tuple(sorted(set(mask_files) - {sample.mask_path for sample in samples}))
    return FileDataset(product.name, root, layout, tuple(samples), orphans, labels=True)


def _listed(table: Path, product: str) -> list[dict[str, str]]:
    """The rows of one product, with paths relative to its folder."""
    every = _rows(table, {"object", "split", "label", "image"})
    rows = [row for row in every if row["object"] == product]
    if not rows:
        known = ", ".join(sorted({row["object"] for row in every})) or "none"
        fix = "give the folder the name it has in the table, or take the table away"
        raise DataError(f"{table}: no row of the product {product}", f"one of its products: {known}", fix)
    for row in rows:
        if (row["split"], row["label"]) not in ALLOWED:
            came = f"{table}: {row['image']} has split {row['split']!r} and label {row['label']!r}"
            raise DataError(came, "train with normal, or test with normal or anomaly", "download the table again")
        for column in ("image", "mask"):
            row[column] = (row.get(column) or "").replace("\\", "/").removeprefix(f"{product}/")
    return rows


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
