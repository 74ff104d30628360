"""Records of finished runs: kept as JSON beside the page that is made of them, so that a page can grow run by run."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Record = dict[str, Any]
RESULTS = Path("docs/results.json")
ALONE = ("bottle", "screw", "magnetic_tile")
PAPERS = ("pa_bdp01_tl", "pa_brg01_rl", "pa_brg03_tl", "pa_flr01_tl", "pa_fvn01_tl", "pa_gla01_tl")


def renewed(known: Sequence[Record], runs: Path | None, keys: Sequence[str]) -> list[Record]:
    """The records known so far and those of finished runs, which go before, in the order of their keys.

    Args:
        known: records of before.
        runs: a folder with a JSON file for each finished run; files that lack a key are of something else.
        keys: what names a record; one with the same is replaced.
    """
    files = sorted(runs.glob("*.json")) if runs else []
    found = [record for path in files if set(keys) <= set(record := json.loads(path.read_text(encoding="utf-8")))]
    latest = {tuple(record[key] for key in keys): record for record in [*known, *found]}
    return [latest[key] for key in sorted(latest)]


def kept(path: Path, runs: Path | None, keys: Sequence[str]) -> list[Record]:
    """The records of a file, renewed by those of finished runs and written back."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    every = renewed(known, runs, keys)
    path.write_text(json.dumps(every, indent=1) + "\n", encoding="utf-8")
    return every


def of_methods(runs: Path | None, methods: Sequence[str]) -> list[Record]:
    """What benchmarks/results.py measured of these methods: in its records and among the finished runs."""
    known = json.loads(RESULTS.read_text(encoding="utf-8"))["ours"] if RESULTS.exists() else []
    every = renewed(known, runs, ("method", "product", "seed"))
    return [record for record in every if record["method"] in methods]


def of_sets(records: Sequence[Record], figure: str, products: Sequence[str] = (*PAPERS, *ALONE)) -> list[float]:
    """A figure's mean over products, in which all papers together count as one: one a seed that has them all.

    Args:
        records: of one method, any products and seeds.
        figure: its name among the figures; where it is unknown the product is left out.
        products: that are averaged.
    """
    values = {(record["product"], record["seed"]): record["figures"][figure] for record in records}
    means = []
    for seed in sorted({seed for _, seed in values}):
        if all((product, seed) in values for product in products):
            known = {name: value for name in products if (value := values[name, seed]) is not None}
            papers = [value for name, value in known.items() if name in PAPERS]
            alone = [value for name, value in known.items() if name not in PAPERS]
            means.append(statistics.mean([*([statistics.mean(papers)] if papers else []), *alone]))
    return means


def common(groups: Iterable[Sequence[Record]]) -> list[int]:
    """The seeds that all groups have that have any."""
    seeds = [{record["seed"] for record in records} for records in groups if records]
    return sorted(set.intersection(*seeds)) if seeds else []


def comparison(runs: Path | None, methods: Sequence[str], figures: Mapping[str, str]) -> list[str]:
    """A table of methods on all shared products, with the seeds that all of them have."""
    every = of_methods(runs, methods)
    own = {name: [record for record in every if record["method"] == name] for name in methods}
    products = {name: {(r["product"], r["seed"]) for r in records} for name, records in own.items()}
    both = set.intersection(*products.values())
    lines = [f"| method | seeds | {' | '.join(figures.values())} |", "| --- | --- |" + " ---: |" * len(figures)]
    for name, records in own.items():
        chosen = [record for record in records if (record["product"], record["seed"]) in both]
        found = {key: of_sets(chosen, key) for key in figures}
        count = len(next(iter(found.values())))
        cells = [
            f"{100 * statistics.mean(values):.2f}"
            + (f" ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else "")
            for values in found.values()
            if values
        ]
        lines.append(f"| {name} | {count} | " + " | ".join(cells or ["not measured"] * len(figures)) + " |")
    return [*lines, "", *processors(own)]


def computer(record: Mapping[str, Any]) -> str:
    """What computed a record, and in which precision where it is recorded; empty where nothing is told."""
    device = record.get("machine", {}).get("device", "")
    return ", ".join([device, *sorted(set(record.get("training", {}).get("precision", {}).values()))])


def processors(records: Mapping[str, Sequence[Record]]) -> list[str]:
    """What computed the records of each name, where it was not the same for all."""
    found = {name: sorted({computer(record) for record in its}) for name, its in records.items() if its}
    if len({tuple(devices) for devices in found.values()}) < 2:
        return []
    told = "; ".join(f"{name} on {' and '.join(devices)}" for name, devices in found.items())
    trained = "With AVX2 alone, or where it says fp32, training is in float32, else mostly in bfloat16"
    return [f"Processors: {told}. {trained}: figures differ a little."]


def seconds(record: Record) -> float | None:
    """CPU seconds of a training; None where it was resumed, of which only the end was timed."""
    return None if record.get("resumed") else record["cpu_seconds"]


def notes(script: str) -> list[str]:
    """What stands in `benchmarks/<script>_notes.md`: what was tried by hand, for the end of a page."""
    return [Path(__file__).with_name(f"{script}_notes.md").read_text(encoding="utf-8").strip(), ""]
