"""Do AST's claims show on drawn parts with depth? Writes docs/ablations/asymmetric.md from what it found.

Colour, depth and both are trained on the same drawn parts (`untaught.data.toy3d`), three seeds of parts and weights;
each test part is scored by the student's distance and by the flow's own likelihood, as the highest place of the map
and as its mean. A run that is there already is not repeated, so the script can be stopped and started.

    python benchmarks/asymmetric.py --runs DIR [--seeds 0 1 2] [--only-table]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from untaught import load, train
from untaught.config import Settings
from untaught.data.base import source_of
from untaught.data.folder import open_dataset
from untaught.data.toy3d import Toy3D
from untaught.engine.tensors import to_tensors
from untaught.image import read_inputs
from untaught.maps.score import maximum, mean
from untaught.metrics.auroc import auroc

INPUTS = {"rgb": "colour", "depth": "depth", "both": "colour and depth"}
SCORES = {"student": "student's distance (AST)", "flow": "flow's likelihood alone"}
REDUCTIONS = {"max": maximum, "mean": mean}
OWN = {"rgb": "mean", "depth": "max", "both": "max"}  # the paper's: the mean where there is no mask of the part
MODEL = {  # at the parts' own size, and shortened: the parts are alike
    "image_size": 256, "energy": 0.0,
    "flow": {"training": {"steps": 150}}, "student": {"training": {"steps": 150}},
}  # fmt: skip
GROUPS = {"all": (), "in depth": ("dent", "bump", "hole"), "in colour": ("stain",)}
HEAD = """# AST on drawn parts with depth

Written by `benchmarks/asymmetric.py`; preset `lite-3d` at the parts' own 256 px, 150 steps for each stage, the plain
distance; {n} seed(s) of parts and weights, {train} good parts to train with, {good} good and {bad} defective ones to
test. Image AUROC in percent, mean ± standard deviation. Dents, bumps and holes show in depth only, stains in colour
only: that is how the parts are drawn.

**No real 3D data was at hand.** These figures say that the code does what the paper describes on data made to have
this property; they say nothing of how well it does on parts of yours, or on MVTec 3D-AD.

Student and flow are compared in the same run, seed by seed: its student was taught by this flow. The drawn parts were
made easier while this was built: with plates tilted by degrees, shallower dents and fainter stains depth alone came to
50 and colour alone to 60, whatever the score. Whitening was not taken apart.
"""


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--train", type=int, default=80)
    parser.add_argument("--good", type=int, default=30)
    parser.add_argument("--bad", type=int, default=60)
    parser.add_argument("--only-table", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("docs/ablations/asymmetric.md"))
    args = parser.parse_args()
    for seed in [] if args.only_table else args.seeds:
        data, parts = args.runs / f"parts-{seed}", Toy3D(seed, args.train, args.good, args.bad)
        if not (data / parts.samples[-1].name).exists():
            parts.write(data)
        for name in INPUTS:
            measure(name, seed, data, args.runs)
    found = [json.loads(path.read_text()) for path in sorted(args.runs.glob("*.json"))]
    counts = {"n": len(args.seeds), "train": args.train, "good": args.good, "bad": args.bad}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text("\n".join([HEAD.format(**counts), *tables(found)]) + "\n")


def measure(name: str, seed: int, data: Path, runs: Path) -> None:
    """Train one input with one seed, and keep its AUROCs, unless that was done."""
    done, out = runs / f"{name}-{seed}.json", runs / f"{name}-{seed}"
    if done.exists():
        return
    began = cpu()
    settings = Settings(
        method="asymmetric", preset="lite-3d", data=str(data), seed=seed, model={"input": name, **MODEL}
    )
    train(settings, out, resume=True)
    trained = cpu() - began
    record = {"input": name, "seed": seed, "cpu_seconds": trained, "figures": figures(out, data)}
    done.write_text(json.dumps(record, indent=1))
    print(name, seed, {key: round(value, 3) for key, value in record["figures"].items()}, f"{trained:.0f} CPU s")


@torch.inference_mode()
def figures(run: Path, data: Path) -> dict[str, float]:
    """AUROC by score, reduction and group of defects."""
    detector, dataset = load(run), open_dataset(data)
    samples = [sample for sample in dataset.samples if sample.split == "test"]
    values: dict[str, list[float]] = {f"{score} {how}": [] for score in SCORES for how in REDUCTIONS}
    for sample in samples:
        given = read_inputs(source_of(dataset, sample, detector.recipe), detector.recipe)[0]
        tensors = to_tensors({key: given[key][None] for key in detector.method.inputs})
        maps = {"student": detector.method.distance, "flow": detector.method.unlikely}
        for score, of in maps.items():
            grid = of(*tensors.values())
            for how, reduce in REDUCTIONS.items():
                values[f"{score} {how}"].append(float(reduce(grid)))
    found = {}
    for group, kinds in GROUPS.items():
        chosen = [n for n, sample in enumerate(samples) if not sample.defective or not kinds or sample.kind in kinds]
        labels = np.array([samples[n].defective for n in chosen])
        for key, scores in values.items():
            found[f"{key} {group}"] = auroc(np.array(scores)[chosen], labels)
    return found


def tables(found: list[dict[str, Any]]) -> Iterator[str]:
    """The table of all figures, and what of the paper's claims shows."""
    yield "| input | score | of the map | " + " | ".join(GROUPS) + " |\n| --- | --- | --- |" + " ---: |" * len(GROUPS)
    for name, words in INPUTS.items():
        for score, meaning in SCORES.items():
            for how in REDUCTIONS:
                cells = [spread(found, name, f"{score} {how} {group}") for group in GROUPS]
                yield f"| {words} | {meaning} | {how} | " + " | ".join(cells) + " |"
    yield "\nWhat of the paper's claims shows (mean over the seeds, in brackets seed by seed; the paper's reduction):\n"
    of = {(name, score): picked(found, name, f"{score} {OWN[name]} all") for name in INPUTS for score in SCORES}
    for other in ("rgb", "depth"):
        yield verdict(f"colour and depth against {INPUTS[other]} alone", of["both", "student"], of[other, "student"])
    for name, words in INPUTS.items():
        yield paired(f"AST against its teacher's likelihood, {words}", of[name, "student"], of[name, "flow"])
    seconds = {name: statistics.mean(row["cpu_seconds"] for row in found if row["input"] == name) for name in INPUTS}
    told = ", ".join(f"{words} {seconds[name]:.0f}" for name, words in INPUTS.items())
    yield f"\nCPU seconds of a training: {told}."


def verdict(what: str, one: list[float], two: list[float]) -> str:
    """One claim in words; a lead that is no larger than the seeds' spread on both sides is not taken for one."""
    first, second = statistics.mean(one), statistics.mean(two)
    room = sum(statistics.stdev(values) if len(values) > 1 else 0.0 for values in (one, two))
    word = "**does not show**" if first <= second else "shows" if first - second > room else "within the seeds' spread"
    return f"- {what}: {100 * first:.1f} against {100 * second:.1f}: {word}"


def paired(what: str, one: list[float], two: list[float]) -> str:
    """One claim about two scores of the same runs, seed by seed; it shows where every seed has it."""
    leads = [100 * (first - second) for first, second in zip(one, two, strict=True)]
    word = "shows in every seed" if min(leads) > 0 else "**does not show** in every seed"
    told = ", ".join(f"{lead:+.1f}" for lead in leads)
    return f"- {what}: {100 * statistics.mean(one):.1f} against {100 * statistics.mean(two):.1f} ({told}): {word}"


def picked(found: list[dict[str, Any]], name: str, key: str) -> list[float]:
    return [row["figures"][key] for row in found if row["input"] == name]


def spread(found: list[dict[str, Any]], name: str, key: str) -> str:
    values = [100 * value for value in picked(found, name, key)]
    return f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


def cpu() -> float:
    """CPU seconds of this process."""
    times = os.times()
    return times.user + times.system if times.user else time.process_time()


if __name__ == "__main__":
    main()
