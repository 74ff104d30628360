"""One-class novelty detection on scikit-learn's digits: docs/novelty.md.

Each digit in turn is the normal class: its images, 8 x 8 pixels, are drawn to PNG files in a folder, two thirds of them
to learn from, the rest and some of every other digit to test with. The folder reader, `train` and `evaluate` do the
rest, with default settings but for the size of the input. A run that is there already is not repeated; the page is
written from the JSON files of all methods found.

    python benchmarks/novelty.py METHOD --runs DIR [--digits 0 1 ...] [--size 64] [--others 10] [--only-table]
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from results import call
from sklearn.datasets import load_digits

from untaught.engine.provenance import machine, versions
from untaught.registry import method_names

HEAD = """# One-class novelty: scikit-learn's digits

Written by `benchmarks/novelty.py`. One digit is normal, all others are novel; image AUROC in percent, seed 0, last
epoch, preset `lite`, default settings but for an input of {size} x {size} px. Learned from are two thirds of a digit's
images (about 120, each 8 x 8 px, read as any folder of PNG files), tested with the other third and with {others} of
each other digit. Methods are made for defects in parts that otherwise look alike, not for telling classes apart: this
shows that they work on tiny images and on a question without masks.
"""


def main() -> None:
    """Run what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=method_names())
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--digits", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--others", type=int, default=10, help="test images of each digit that is not the normal one")
    parser.add_argument("--only-table", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("docs/novelty.md"))
    args = parser.parse_args()
    args.runs.mkdir(parents=True, exist_ok=True)
    if not args.only_table:
        for digit in args.digits:
            measure(args.method, digit, args.runs, args.size, args.others)
    records = [json.loads(path.read_text()) for path in sorted(args.runs.glob("*.json"))]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(page(records), encoding="utf-8")


def measure(method: str, digit: int, runs: Path, size: int, others: int) -> None:
    """Train and evaluate one method with one digit as the normal class, unless that was done."""
    done, out, data = (runs / f"{method}-{digit}{end}" for end in (".json", "", "-images"))
    if done.exists():
        return
    write(data, digit, others)
    trained, cpu = call(1, "train", method, "--data", data, "--image-size", size, "--out", out, "--resume")
    figures, _ = call(1, "evaluate", out, "--data", data)
    record = {
        "method": method, "digit": digit, "size": size, "others": others, "auroc": figures["image_auroc"],
        "cpu_seconds": cpu, "training": trained["training"], "machine": machine(), "versions": versions(),
    }  # fmt: skip
    done.write_text(json.dumps(record, indent=1))
    print(method, digit, f"{100 * record['auroc']:.1f}", f"{cpu:.0f} CPU s", flush=True)


def write(folder: Path, normal: int, others: int) -> None:
    """The images of all digits as PNG files: train/good, test/good and test/DIGIT."""
    images, labels = load_digits(return_X_y=True)
    for digit in range(10):
        chosen = np.flatnonzero(labels == digit)
        learned = 2 * len(chosen) // 3
        places = [*["train/good"] * learned, *["test/good"] * (len(chosen) - learned)]
        if digit != normal:
            chosen, places = chosen[:others], [f"test/{digit}"] * others
        for number, place in zip(chosen, places, strict=True):
            (folder / place).mkdir(parents=True, exist_ok=True)
            pixels = np.round(images[number].reshape(8, 8) * 255 / 16).astype(np.uint8)
            Image.fromarray(pixels).save(folder / place / f"{number:04}.png")


def page(records: list[dict[str, Any]]) -> str:
    """The page, from the records of all runs."""
    methods: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for record in records:
        methods[record["method"]][record["digit"]] = record
    digits = sorted({record["digit"] for record in records})
    lines = [HEAD.format(**records[0])]
    lines += ["| normal digit | " + " | ".join(methods) + " |", "| --- |" + " ---: |" * len(methods)]
    for digit in digits:
        cells = [
            f"{100 * found[digit]['auroc']:.1f}" if digit in found else "not measured" for found in methods.values()
        ]
        lines.append(f"| {digit} | " + " | ".join(cells) + " |")
    means = [statistics.mean(record["auroc"] for record in found.values()) for found in methods.values()]
    lines.append("| mean | " + " | ".join(f"{100 * mean:.1f}" for mean in means) + " |")
    cpu = [statistics.mean(record["cpu_seconds"] for record in found.values()) for found in methods.values()]
    lines.append("| CPU seconds of training | " + " | ".join(f"{seconds:.0f}" for seconds in cpu) + " |")
    return "\n".join([*lines, "", f"Machine: {records[0]['machine']}. Versions: {records[0]['versions']}.", ""])


if __name__ == "__main__":
    main()
