"""What each part of DMDD adds, with a defect's edge and its inside measured apart; writes docs/ablations/dmdd.md.

    python benchmarks/dmdd.py --runs DIR --data FOLDER... [--seeds 0 1 2] [--arms NAME...] [--only-table]

Five detectors are compared, built on `lite`, each with one setting for all products. The others lack parts of the
last; a detector that was not measured yet has no row:

- trunk only: `reverse_distillation`, whose student is DMDD's trunk.
- + normality: the trunk learns from pairs what belongs where a defect is; the map comes from normality alone.
- + abnormality: the second branch too; the map is that of normality alone. It is the last one's run without its head.
- + abnormality, summed: the same run again, the map is the raw sum of both branches' distances.
- + segmentation head: `dmdd` as it is, the same run again: the map of normality alone times 1 plus the head's
  probability.

The rows differ in more than the part: the first two see all training images; those with a head keep one image in five
for it, and their student sees the rest. All end by themselves by one rule, the first after about 1,070 steps at the
latest, the others after about 500: whole epochs.

The edge of a defect are the pixels of its mask that lie within 3 px of its border, at the mask's own resolution; its
inside is the rest. Each is measured against the good pixels of all images: the probability that a pixel of it scores
higher than a good one. AUROC of all defect pixels and AUPRO@0.3 stand beside. A product whose defects have less than
500 pixels inside has no figure for the inside and is left out of that mean. Methods as they are are trained by
`benchmarks/results.py` into the same folder of runs. A finished run is kept as JSON and not repeated, so the script can
be stopped and started; records are kept in dmdd.json beside the page.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ledger import Record, common, comparison, kept, notes, of_sets
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from results import ONE_THREAD, call
from results import measure as measure_method

from untaught.config import Settings, load_toml, merge, validate
from untaught.data.base import Dataset
from untaught.data.folder import open_dataset
from untaught.engine.checkpoint import load_tensors
from untaught.engine.predict import Detector, make_method, scorer
from untaught.engine.provenance import machine, versions
from untaught.files import write_text
from untaught.image import resize_map
from untaught.metrics.accumulate import MaskedMap, pixel_metrics
from untaught.metrics.auroc import auroc
from untaught.records import Sample

BAND = 3
LIMIT = 0.3
LEAST = 500  # pixels
MOST_GOOD = 4_000_000
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "trunk only": ("reverse_distillation", {}),
    "+ normality": ("dmdd", {"use_msn": False, "sets": "normal", "decouple": {"abnormality": 0.0}}),
    "+ abnormality": ("dmdd", {"use_msn": False}),
    "+ abnormality, summed": ("dmdd", {"use_msn": False, "sets": "both"}),
    "+ segmentation head": ("dmdd", {}),
}
SAME_RUN = dict.fromkeys(("+ abnormality", "+ abnormality, summed"), "+ segmentation head")
METHODS = ("reverse_distillation", "dmdd")
SHORT = {"image_auroc": "image AUROC", "pixel_auroc": "pixel AUROC", "aupro": "AUPRO@0.3"}
FIGURES = {
    "image_auroc": "image",
    "pixel_auroc": "pixel",
    "aupro": "AUPRO",
    "edge": "edge, pixel",
    "inside": "inside, pixel",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--only-table", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("docs/ablations/dmdd.md"))
    args = parser.parse_args()
    if not args.only_table:
        if args.runs is None:
            parser.error("--runs is missing")
        args.runs.mkdir(parents=True, exist_ok=True)
        for seed in args.seeds:
            for data in args.data:
                for arm in args.arms:
                    measure(arm, data, seed, args.runs)
    known = kept(args.out.with_suffix(".json"), args.runs, ("arm", "product", "seed"))
    write_text(args.out, page(known, comparison(args.runs, METHODS, SHORT)))


def measure(arm: str, data: Path, seed: int, runs: Path) -> None:
    """Train and measure one detector on one product with one seed, unless that was done."""
    done = runs / f"{slug(arm)}-{data.name}-{seed}.json"
    if done.exists():
        return
    model, run = ARMS[arm][1], SAME_RUN.get(arm, arm)
    method, changes = ARMS[run]
    if changes:
        out = runs / f"{slug(run)}-{data.name}-{seed}"
        words = ["train", method, "--data", data, "--seed", seed, "--out", out, "--resume"]
        words += [word for pair in flat(changes) for word in ("--set", pair)]
        call(ONE_THREAD, *words)
    else:
        out = runs / f"{method}-{data.name}-{seed}"
        measure_method(method, data, seed, runs, ONE_THREAD)
    detector = Detector(out)
    if arm in SAME_RUN:
        settings = validate(Settings, merge(load_toml(out / "settings.toml"), {"model": model}))
        smaller = make_method(settings, untrained=True)
        state = load_tensors(out / "weights.safetensors")[0]
        smaller.load_state_dict({name: state[name] for name in smaller.state_dict()})
        detector.score = scorer(smaller.eval(), detector.device)
    record: Record = {"arm": arm, "product": data.name, "seed": seed, "machine": machine(), "versions": versions()}
    record |= {"figures": figures(detector, open_dataset(str(data)))}
    write_text(done, json.dumps(record, indent=1))
    print(
        arm,
        data.name,
        seed,
        {key: round(100 * (value or 0), 1) for key, value in record["figures"].items()},
        flush=True,
    )


def figures(detector: Detector, dataset: Dataset) -> dict[str, float | None]:
    """Image and pixel figures of the test split."""
    tests = [sample for sample in dataset.samples if sample.split == "test"]
    answers = list(detector.stream(dataset.source(sample) for sample in tests))
    labels = [sample.defective for sample in tests]
    maps = [masked(dataset, sample, answer.map, answer.size) for sample, answer in zip(tests, answers, strict=True)]
    pixels = pixel_metrics(maps, (LIMIT,))
    return {
        "image_auroc": auroc([answer.score for answer in answers], labels),
        "pixel_auroc": pixels.auroc,
        "aupro": pixels.aupro[LIMIT],
        **sides(maps),
    }


def masked(dataset: Dataset, sample: Sample, map_: NDArray[np.float32], size: tuple[int, int]) -> MaskedMap:
    """A test image's map at its mask's resolution."""
    mask = dataset.mask(sample) if sample.defective else None
    size = size if mask is None else mask.shape[::-1]
    return MaskedMap(sample.name, resize_map(map_, size), mask, sample.kind if sample.defective else None)


def sides(maps: list[MaskedMap]) -> dict[str, float | None]:
    """AUROC of the defects' edge and of their inside, each against the good pixels."""
    good = [item.scores.ravel() if item.mask is None else item.scores[~item.mask] for item in maps]
    thin = max(1, sum(map(len, good)) // MOST_GOOD)
    rest = np.concatenate([values[::thin] for values in good])
    found: dict[str, float | None] = {}
    for name, part in (("edge", False), ("inside", True)):
        values = np.concatenate(
            [item.scores[item.mask & (inside(item.mask) == part)] for item in maps if item.mask is not None]
        )
        labels = np.arange(len(values) + len(rest)) < len(values)
        found[name] = auroc(np.concatenate([values, rest]), labels) if len(values) >= LEAST else None
    return found


def inside(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a mask that are more than the band away from its border."""
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(picture.filter(ImageFilter.MinFilter(2 * BAND + 1))) > 0


def flat(settings: dict[str, Any], path: str = "model") -> Iterator[str]:
    """Nested settings as words of `--set`."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from flat(value, f"{path}.{key}")
        else:
            yield f"{path}.{key}={json.dumps(value)}"


def slug(arm: str) -> str:
    """A file name."""
    return arm.strip("+ ").replace(",", "").replace(" ", "_")


def page(records: list[Record], compared: list[str]) -> str:
    """Both methods on all products, then means over the seeds, a row for each detector and product."""
    products = sorted({record["product"] for record in records})
    lines = ["# What each part of DMDD adds", "", *(__doc__ or "").split("\n\n", 2)[2].strip().splitlines(), ""]
    lines += ["## Beside reverse distillation", ""]
    lines += [
        "Mean of four: bottle, screw, magnetic_tile, and the mean of the papers; ± over the seeds that both have."
    ]
    lines += ["", *compared, "", "## What each part adds", ""]
    lines += ["All figures in percent, means over the seeds named, which all rows of a table have.", ""]
    own = {arm: [record for record in records if record["arm"] == arm] for arm in ARMS}
    own = {arm: its for arm, its in own.items() if its}
    every = [name for name in products if all(any(r["product"] == name for r in its) for its in own.values())]
    if len(every) > 1:
        lines += [f"### Mean of {', '.join(every)}", "", "All papers together count as one.", "", *table(own, every)]
    for product in products:
        lines += [f"### {product}", "", *table(own, [product])]
    machines = dict.fromkeys(f"Machine: {r['machine']}. Versions: {r['versions']}." for r in records)
    return "\n".join([*lines, *notes("dmdd"), *machines, ""])


def table(arms: dict[str, list[Record]], products: list[str]) -> list[str]:
    """A row for each detector that was measured on all of the products."""
    groups = {arm: [[r for r in its if r["product"] == name] for name in products] for arm, its in arms.items()}
    groups = {arm: its for arm, its in groups.items() if all(its)}
    seeds = common(records for its in groups.values() for records in its)
    lines = [f"| detector | {' | '.join(FIGURES.values())} | seeds |", "|---" * (len(FIGURES) + 2) + "|"]
    for arm in groups if seeds else ():
        chosen = [record for record in arms[arm] if record["seed"] in seeds]
        cells = [shown(chosen, key, products) for key in FIGURES]
        lines.append(f"| {arm} | {' | '.join(cells)} | {', '.join(map(str, seeds))} |")
    return [*lines, ""]


def shown(records: list[Record], key: str, products: list[str]) -> str:
    """A figure's mean over products and seeds."""
    known = any(r["figures"][key] is not None for r in records if r["product"] in products)
    return f"{100 * statistics.mean(of_sets(records, key, products)):.1f}" if known else "-"


if __name__ == "__main__":
    main()
