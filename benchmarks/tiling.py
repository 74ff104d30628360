"""Does it pay to cut large images into tiles? One product, whole at several sizes and in tiles, one table.

    python benchmarks/tiling.py --runs DIR --data SCREW [--seeds 0] [--sizes 256 384] [--tiles 256]

Each run is its own process and is not repeated; the table is written to docs/tiling.md. Times are CPU times: training
from start to saved weights, an image from file to verdict with one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from results import FIGURES, call

from untaught.data.folder import open_dataset
from untaught.engine.provenance import machine
from untaught.run import Run

ALONE = os.cpu_count() or 1  # runs at a time of which each has one thread
HEAD = """# Tiles or whole images

Written by `benchmarks/tiling.py`: `reverse_distillation`, preset `lite`, {product} ({size} as it is), {seeds}. *Whole*:
each image resized to a square of that side. *Tiles*: images at their own size, cut into squares of that side that
overlap by 32 px or more; the image's score is the highest of its tiles'. Figures in percent, CPU times with one thread.
"""


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[256, 384])
    parser.add_argument("--tiles", type=int, nargs="*", default=[256])
    parser.add_argument("--out", type=Path, default=Path("docs/tiling.md"))
    args = parser.parse_args()
    args.runs.mkdir(parents=True, exist_ok=True)
    variants = [("--image-size", side) for side in args.sizes] + [("--tile", side) for side in args.tiles]
    rows = [[measure(args.data, seed, *variant, args.runs) for seed in args.seeds] for variant in variants]
    args.out.write_text(page(args.data, args.seeds, rows), encoding="utf-8")


def measure(data: Path, seed: int, option: str, side: int, runs: Path) -> dict[str, Any]:
    """Train and evaluate one variant with one seed, unless that was done."""
    out = runs / f"{data.name}{option}-{side}-{seed}"
    done = out.with_suffix(".json")
    if not done.exists():
        told = ["--data", data, "--seed", seed, "--out", out, "--resume", option, side]
        trained, cpu = call(ALONE, "train", "reverse_distillation", *told)
        figures, _ = call(ALONE, "evaluate", out, "--data", data)
        timing = [sys.executable, str(Path(__file__).with_name("results.py")), "--time", str(out), str(data)]
        seconds = float(subprocess.run(timing, check=True, capture_output=True, text=True).stdout)
        tiles = Run(out).card.recipe.tiles
        record = {"figures": figures, "train": cpu, "image": seconds, "tiles": tiles, "training": trained["training"]}
        done.write_text(json.dumps(record | {"option": option, "side": side}, indent=1))
        print(option, side, seed, {key: figures[key] for key in FIGURES}, f"{cpu:.0f} s, {seconds:.3f} s", flush=True)
    found: dict[str, Any] = json.loads(done.read_text())
    return found


def page(data: Path, seeds: list[int], rows: list[list[dict[str, Any]]]) -> str:
    """The table."""
    dataset = open_dataset(str(data))
    from PIL import Image

    with Image.open(dataset.source(dataset.samples[0])) as image:
        size = f"{image.width} x {image.height} px"
    told = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    lines = [HEAD.format(product=data.name, size=size, seeds=told)]
    lines.append("| input | tiles an image | " + " | ".join(FIGURES.values()) + " | training, s | an image, ms |")
    lines.append("| --- | ---: |" + " ---: |" * (len(FIGURES) + 2))
    for records in rows:
        first = records[0]
        name = f"tiles of {first['side']} px" if first["option"] == "--tile" else f"whole, {first['side']} px"
        figures = [f"{100 * statistics.mean(r['figures'][key] for r in records):.1f}" for key in FIGURES]
        times = [f"{statistics.mean(r['train'] for r in records):.0f}"]
        times.append(f"{1000 * statistics.mean(r['image'] for r in records):.0f}")
        lines.append(f"| {name} | {first['tiles']} | " + " | ".join([*figures, *times]) + " |")
    return "\n".join([*lines, "", f"Machine: {machine()['device']}, {machine()['cores']} cores.", ""])


if __name__ == "__main__":
    main()
