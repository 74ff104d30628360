"""What each patch size and each term of the score is worth: docs/ablations/uninformed_students.md.

Trains uninformed students with all three patch sizes and otherwise default settings, then measures from one pass over
the test images what single patch sizes, and the error without the uncertainty, would have given. A run that is there
already is not repeated, so the script can be stopped and started; the page is written from the runs' JSON files.

    python benchmarks/uninformed_students.py --runs DIR --data FOLDER... [--seeds 0 1 2] [--every 1]
                                             [--set KEY=VALUE...] [--only-table]
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from results import FIGURES, call
from torch import Tensor

from untaught.data.folder import open_dataset
from untaught.engine.evaluate import Scored
from untaught.engine.predict import Detector
from untaught.engine.provenance import machine, versions
from untaught.image import read_with_size
from untaught.methods.uninformed_students import UninformedStudents
from untaught.progress import silent
from untaught.records import Prediction

PATCHES = (17, 33, 65)
SCALES = {"17": (17,), "33": (33,), "65": (65,), "17 + 33 + 65": PATCHES}
TERMS = {"e": 0.0, "e + v / 4": 0.25, "e + v": 1.0}
OUT = Path("docs/ablations/uninformed_students.md")
EMPTY = np.zeros((1, 1), np.float32)
HEAD = """# Uninformed students: patch sizes and terms of the score

Written by `benchmarks/uninformed_students.py`. Preset `lite` with patches of 17, 33 and 65 px in one run; the rows of a
product come from the same students. e: squared error of the students' mean; v: their disagreement, both standardised on
held-out good images; e + v is the paper's score, e + v / 4 that of `lite`. In percent: {figures}.
Mean ± standard deviation over the seeds named. CPU seconds are those of the training process, with the making of
teachers where they were not there yet. Products are named after the images measured: MVTec AD bottle at 450 px and
screw at 512 px, Magnetic Tile Defects (80/20 split of the good ones). Pixel figures of screw carry the note that
which mask belongs to which image was reconstructed.
"""


def main() -> None:
    """Run what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--every", type=int, default=1, help="measure on every so many of the test images")
    parser.add_argument("--set", nargs="*", default=[], help="settings other than the defaults, named on the page")
    parser.add_argument("--only-table", action="store_true")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    args.runs.mkdir(parents=True, exist_ok=True)
    if not args.only_table:
        for seed in args.seeds:
            for folder in args.data:
                measure(folder, seed, args.runs, args.every, args.set)
    records = [json.loads(path.read_text()) for path in sorted(args.runs.glob("*.json"))]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(page(records), encoding="utf-8")


def measure(data: Path, seed: int, runs: Path, every: int, settings: Sequence[str]) -> None:
    """Train one product with one seed and take its figures apart, unless that was done."""
    done, out = runs / f"{data.name}-{seed}.json", runs / f"{data.name}-{seed}"
    if done.exists():
        return
    chosen = [word for text in (f"model.scales={list(PATCHES)}", *settings) for word in ("--set", text)]
    trained, cpu = call(
        1, "train", "uninformed_students", "--data", data, "--seed", seed, "--out", out, "--resume", *chosen
    )
    record = {
        "product": data.name, "seed": seed, "cpu_seconds": cpu, "training": trained["training"],
        "figures": dict(apart(out, data, every)), "every": every, "settings": list(settings),
        "teacher": Detector(out).run.card.backbone.source,
        "machine": machine(), "versions": versions(),
    }  # fmt: skip
    done.write_text(json.dumps(record, indent=1))
    print(
        data.name, seed, {key: round(100 * value["aupro"], 1) for key, value in record["figures"].items()}, flush=True
    )


def apart(run: Path, data: Path, every: int) -> Iterator[tuple[str, dict[str, float]]]:
    """The figures of each combination, from one pass over the test images."""
    detector, dataset = Detector(run), open_dataset(str(data))
    method = detector.method
    assert isinstance(method, UninformedStudents)
    samples = [sample for sample in dataset.samples if sample.split == "test"][::every]
    sources = [dataset.source(sample) for sample in samples]
    pixels, sizes = zip(*(read_with_size(source, detector.recipe) for source in sources), strict=True)
    with torch.inference_mode():
        parts = [standardised(method, image) for image in pixels]
        for scale, patches in SCALES.items():
            for term, weight in TERMS.items():
                combined = [combine(method, [part[patch] for patch in patches], weight) for part in parts]
                rows = [
                    Prediction(sample.name, score, 1.0, False, size, EMPTY, (), 0.0)
                    for sample, (_, score), size in zip(samples, combined, sizes, strict=True)
                ]
                maps = [map_ for map_, _ in combined]
                scored = Scored(dataset, samples, rows, maps)
                result = scored.result(0.3, scored.pixels(0.3, silent), 0.0)
                yield f"{scale}: {term}", {key: getattr(result, key) for key in FIGURES}


def standardised(method: UninformedStudents, pixels: NDArray[np.uint8]) -> dict[int, Tensor]:
    """Error and uncertainty of one image on the grid, by patch size."""
    image = (torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255).to(memory_format=torch.channels_last)
    return {patch: method.scale(patch)(method.parts(patch, image)) for patch in PATCHES}


def combine(method: UninformedStudents, parts: Sequence[Tensor], weight: float) -> tuple[NDArray[np.float32], float]:
    """Map and score of one image from the errors and uncertainties of some patch sizes."""
    side = method.config.image_size
    map_, score = method.combine(parts, torch.empty(1, 3, side, side), weight)
    return map_[0].numpy(), float(score)


def page(records: Sequence[Mapping[str, Any]]) -> str:
    """The page, from the records of all runs."""
    grouped: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        grouped[record["product"]].append(record)
    lines = [HEAD.format(figures=" / ".join(FIGURES.values()))]
    for product, found in grouped.items():
        seeds = ", ".join(str(record["seed"]) for record in found)
        cpu = statistics.mean(record["cpu_seconds"] for record in found)
        some = "" if found[0]["every"] == 1 else f"; every {found[0]['every']}th test image"
        other = ", ".join(f"`{text}`" for text in found[0]["settings"])
        how = f"Seeds {seeds}{some}; {cpu:.0f} CPU seconds of training"
        lines += [f"## {product}", "", f"{how}{'; settings ' + other if other else ''}.", ""]
        lines += ["| patches (px) | " + " | ".join(TERMS) + " |", "| --- |" + " --- |" * len(TERMS)]
        for scale in SCALES:
            cells = [cell([record["figures"][f"{scale}: {term}"] for record in found]) for term in TERMS]
            lines.append(f"| {scale} | " + " | ".join(cells) + " |")
        lines.append("")
    lines += ["## Does uncertainty add to error?", "", *verdict(grouped), ""]
    if records:
        lines += [f"Teachers: {records[0]['teacher']}.", ""]
        lines += [f"Machine: {records[0]['machine']}. Versions: {records[0]['versions']}.", ""]
    return "\n".join(lines)


def cell(rows: Sequence[Mapping[str, float]]) -> str:
    """`99.9 ± 0.1 / 98.2 ± 0.1 / 94.5 ± 0.3`; without deviation where there is one seed."""
    shown = []
    for key in FIGURES:
        values = [100 * row[key] for row in rows]
        spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
        shown.append(f"{statistics.mean(values):.1f}{spread}")
    return " / ".join(shown)


def verdict(grouped: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """Two lines a product: by how much each figure of all patch sizes together changes with some and with all of v."""
    scale = "17 + 33 + 65"
    for product, found in grouped.items():
        for term in [name for name in TERMS if name != "e"]:
            words = []
            for key, name in FIGURES.items():
                pairs = [[record["figures"][f"{scale}: {of}"][key] for of in ("e", term)] for record in found]
                rise = [100 * (with_v - without) for without, with_v in pairs]
                better = sum(value > 0 for value in rise)
                words.append(f"{name} {statistics.mean(rise):+.2f} (higher in {better} of {len(rise)} seeds)")
            yield f"- {product}, {scale} px, {term} against e: {'; '.join(words)}"


if __name__ == "__main__":
    main()
