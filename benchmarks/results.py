"""Trains and evaluates products and seeds with default settings, and writes docs/results.md from what it found.

Each run is its own process; a run that is there already is not repeated, so the script can be stopped and started.
Figures are of the last epoch; nothing of the test split is seen in training. Peers' figures come from the JSON files
that benchmarks/peers.py writes.

    python benchmarks/results.py --runs DIR [--peers DIR] --data FOLDER... [--seeds 0 1 2] [--workers 2] [--only-table]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from untaught.engine.provenance import machine, versions

FIGURES = ("image_auroc", "pixel_auroc", "aupro")
PEERS = {"padim": "PaDiM", "patchcore": "PatchCore 1 %", "stfpm": "STFPM, 10 epochs"}
HEAD = """# Results

Written by `benchmarks/results.py`. Image AUROC / pixel AUROC / AUPRO@0.3 in percent, mean ± standard deviation over
the seeds named; raw scores, every mask at its own resolution, last epoch, default settings, one setting for all
products. A product is named after the images measured: MVTec AD bottle at 450 px and screw at 512 px, Magnetic Tile
Defects (80/20 split of the good ones), PIPED papers at 128 px. Pixel figures of screw carry the note that which mask
belongs to which image was reconstructed. Five of the six papers hold exact copies within one split, none across.

What was chosen by looking at these products' test figures: levels, input size, student width, score form and map
weights of the preset (one setting for all). On products never looked at, expect somewhat less.

Peers: anomalib 2.7.0 with the same backbone weights at 256 px (`benchmarks/peers.py` says how), measured by the same
metrics. Seconds are CPU seconds of the training process (user + system), from its start for untaught, without imports
for the peers; runs shared the machine, so wall times would not compare.
"""


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, default=1, help="runs at a time, each on its share of the cores")
    parser.add_argument("--only-table", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("docs/results.md"))
    args = parser.parse_args()
    if not args.only_table:
        jobs = [(folder, seed) for seed in args.seeds for folder in args.data]
        with ThreadPoolExecutor(args.workers) as pool:
            list(pool.map(lambda job: measure(*job, args.runs, args.workers), jobs))
    write(args.out, args.runs, args.peers)


def measure(data: Path, seed: int, runs: Path, workers: int) -> None:
    """Train and evaluate one product with one seed, unless that was done."""
    done, out = runs / f"{data.name}-{seed}.json", runs / f"{data.name}-{seed}"
    if done.exists():
        return
    began, resumed = time.perf_counter(), out.exists()
    trained, cpu = call(
        workers, "train", "reverse_distillation", "--data", data, "--seed", seed, "--out", out, "--resume"
    )
    wall = time.perf_counter() - began
    figures, _ = call(workers, "evaluate", out, "--data", data)
    record = {"product": data.name, "seed": seed, "figures": figures, "cpu_seconds": cpu, "wall_seconds": wall}
    record |= {
        "resumed": resumed,
        "workers": workers,
        "training": trained["training"],
        "machine": machine(),
        "versions": versions(),
    }
    done.write_text(json.dumps(record, indent=1))
    print(data.name, seed, [round(100 * (figures[key] or 0), 2) for key in FIGURES], f"{cpu:.0f} CPU s", flush=True)


def call(workers: int, *arguments: object) -> tuple[dict[str, Any], float]:
    """The JSON answer of an `untaught` command, and the CPU seconds it took."""
    environment = os.environ | {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // workers))}
    command = [sys.executable, "-m", "untaught", *map(str, arguments), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        answer = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return json.loads(answer), usage_seconds(usage)


def usage_seconds(usage: resource.struct_rusage) -> float:
    """CPU seconds of a finished process."""
    return usage.ru_utime + usage.ru_stime


def write(out: Path, runs: Path, peers: Path | None) -> None:
    """Write the page from the JSON files."""
    ours = defaultdict(list)
    for path in sorted(runs.glob("*.json")):
        record = json.loads(path.read_text())
        ours[record["product"]].append(record)
    theirs: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(peers.glob("*.json")) if peers else []:
        record = json.loads(path.read_text())
        theirs[Path(record["data"]).name][record["model"]].append(record)
    lines = [
        HEAD,
        "## Accuracy\n",
        *accuracy(ours, theirs),
        "",
        "## Cost\n",
        *cost(ours, theirs),
        "",
        "## Where a peer is ahead\n",
        *behind(ours, theirs),
        "",
    ]
    first = next(iter(ours.values()))[0]
    lines += [f"Machine: {first['machine']}. Versions: {first['versions']}.", ""]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join(lines))


def accuracy(ours: dict, theirs: dict) -> list[str]:
    """One row a product, and the mean of the papers."""
    models = [model for model in PEERS if any(model in found for found in theirs.values())]
    lines = ["| product | seeds | untaught RD lite | " + " | ".join(PEERS[model] for model in models) + " |"]
    lines.append("| --- | --- | --- |" + " --- |" * len(models))
    for product, records in ours.items():
        cells = [triple([peer["figures"] for peer in theirs[product][model]]) for model in models]
        seeds = ", ".join(str(record["seed"]) for record in records)
        lines.append(f"| {product} | {seeds} | {triple([r['figures'] for r in records])} | " + " | ".join(cells) + " |")
    papers = [product for product in ours if product.startswith("pa_")]
    if papers:
        own = triple(mean_figures([[r["figures"] for r in ours[product]] for product in papers]))
        cells = [
            triple(mean_figures([[p["figures"] for p in theirs[product][model]] for product in papers]))
            if all(theirs[product][model] for product in papers) else "not measured"
            for model in models
        ]  # fmt: skip
        lines.append(f"| mean of {len(papers)} papers | | {own} | " + " | ".join(cells) + " |")
    return lines


def mean_figures(groups: list[list[dict[str, float]]]) -> list[dict[str, float]]:
    """The mean over products, seed by seed as far as all have it."""
    count = min(len(group) for group in groups)
    return [{key: statistics.mean(group[n][key] for group in groups) for key in FIGURES} for n in range(count)]


def triple(figures: Iterable[dict[str, float]]) -> str:
    """`99.9 ± 0.1 / 98.2 ± 0.1 / 94.5 ± 0.3`; without deviation where there is one seed."""
    rows = list(figures)
    if not rows:
        return "not measured"
    shown = []
    for key in FIGURES:
        values = [100 * row[key] for row in rows]
        spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
        shown.append(f"{statistics.mean(values):.1f}{spread}")
    return " / ".join(shown)


def cost(ours: dict, theirs: dict) -> list[str]:
    """CPU seconds of training and seconds an image."""
    models = [model for model in PEERS if any(model in found for found in theirs.values())]
    lines = [
        "| product | images | epochs | untaught: training CPU s, s an image | "
        + " | ".join(PEERS[model] for model in models)
        + " |"
    ]
    lines.append("| --- | ---: | ---: | --- |" + " --- |" * len(models))
    for product, records in ours.items():
        seconds = statistics.mean(r["figures"]["seconds_per_image"] for r in records)
        whole = [r["cpu_seconds"] for r in records if not r.get("resumed")]  # of a resumed run only the end was timed
        own = f"{statistics.mean(whole):.0f}, {seconds:.3f}" if whole else f"not timed, {seconds:.3f}"
        cells = [", ".join(map(peer_cost, theirs[product][model])) or "not measured" for model in models]
        epochs = ", ".join(str(sum(r["training"]["epochs"].values())) for r in records)
        lines.append(
            f"| {product} | {records[0]['training']['images']} | {epochs} | {own} | " + " | ".join(cells) + " |"
        )
    return lines


def peer_cost(record: dict[str, Any]) -> str:
    """A peer's CPU seconds of training and of an image."""
    return f"{record['train_cpu_seconds']:.0f}, {record['cpu_seconds_per_image']:.3f} (CPU)"


def behind(ours: dict, theirs: dict) -> list[str]:
    """Where a peer is ahead, in words."""
    lines = []
    for product, records in ours.items():
        for key in FIGURES:
            own = statistics.mean(r["figures"][key] for r in records)
            better = {
                PEERS[m]: statistics.mean(p["figures"][key] for p in found)
                for m, found in theirs[product].items()
                if found
            }
            ahead = {name: value for name, value in better.items() if value > own + 5e-4}
            if ahead:
                names = ", ".join(f"{name} {100 * value:.1f}" for name, value in ahead.items())
                lines.append(f"- {product}, {key.replace('_', ' ')}: {names} ahead of {100 * own:.1f}")
    return lines or ["No peer measured here is ahead of the figures above."]


if __name__ == "__main__":
    main()
