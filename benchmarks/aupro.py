"""All exact pixel figures of 83 maps of 900 x 900 against anomalib's AUPRO: seconds, peak memory, ratio.

Draws smooth maps, 63 of them with one to three defects, and measures two processes on the same files. Ours reads the
files twice, one at a time, within the clock, and gives AUROC, average precision, F1 and AUPRO at two limits; the peer
has all maps in memory before its clock starts and gives AUPRO at one.

    python benchmarks/aupro.py [--anomalib-python PATH/TO/VENV/bin/python]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

IMAGES, DEFECTIVE, SIZE = 83, 63, 900


def smooth(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Noise on a coarse grid, stretched bilinearly."""
    grid = rng.random((cells + 1, cells + 1), dtype=np.float32)
    at = np.linspace(0, cells, SIZE, endpoint=False, dtype=np.float32)
    low, share = at.astype(int), at % 1
    rows = grid[low] * (1 - share)[:, None] + grid[low + 1] * share[:, None]
    return rows[:, low] * (1 - share) + rows[:, low + 1] * share


def draw(folder: Path) -> None:
    """Write map and mask of every image."""
    rng = np.random.default_rng(0)
    y, x = np.ogrid[:SIZE, :SIZE]
    for number in range(IMAGES):
        scores = smooth(rng, 28) * 0.2 + smooth(rng, 7) * 0.1
        mask = np.zeros((SIZE, SIZE), bool)
        for _ in range(rng.integers(1, 4) if number < DEFECTIVE else 0):
            (cy, cx), (ry, rx) = rng.integers(0, SIZE, 2), rng.integers(10, 110, 2)
            distance = ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2
            mask |= distance <= 1
            scores += (0.3 * np.exp(-0.7 * distance)).astype(np.float32)
        np.save(folder / f"map-{number:02d}.npy", scores.astype(np.float32))
        np.save(folder / f"mask-{number:02d}.npy", mask)


def ours(folder: Path) -> dict[str, Any]:
    """Median of three runs of `pixel_metrics`."""
    from untaught.metrics.accumulate import MaskedMap, pixel_metrics

    def read() -> Iterator[MaskedMap]:
        for number in range(IMAGES):
            mask = np.load(folder / f"mask-{number:02d}.npy") if number < DEFECTIVE else None
            yield MaskedMap(f"{number:02d}", np.load(folder / f"map-{number:02d}.npy"), mask)

    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        found = pixel_metrics(read)
        seconds.append(time.perf_counter() - started)
    return {"aupro": found.aupro[0.3], "seconds": statistics.median(seconds), "defect_pixels": found.defect_pixels}


def peer(folder: Path) -> dict[str, Any]:
    """One run of anomalib's AUPRO, image by image."""
    import anomalib
    import torch
    from anomalib.metrics.aupro import _AUPRO

    maps = [torch.from_numpy(np.load(folder / f"map-{number:02d}.npy"))[None] for number in range(IMAGES)]
    masks = [torch.from_numpy(np.load(folder / f"mask-{number:02d}.npy"))[None].int() for number in range(IMAGES)]
    metric = _AUPRO(fpr_limit=0.3)
    started = time.perf_counter()
    for scores, mask in zip(maps, masks, strict=True):
        metric.update(scores, mask)
    aupro = float(metric.compute())
    return {"aupro": aupro, "seconds": time.perf_counter() - started, "version": anomalib.__version__}


def peak() -> float:
    """Highest resident memory of this process so far, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # unlike getrusage, it does not start from the parent's figure
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


def measured(python: str, side: str, folder: Path) -> dict[str, Any]:
    """Run one side in a process of its own."""
    done = subprocess.run(
        [python, __file__, "--side", side, "--folder", str(folder)], check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def told(name: str, result: dict[str, Any]) -> str:
    """One side's figures in a line."""
    return f"{name}: {result['seconds']:.2f} s, peak {result['peak']:.0f} MB, AUPRO@0.3 {result['aupro']:.7f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anomalib-python", help="interpreter that has anomalib; without it only our side is measured")
    parser.add_argument("--side", choices=["ours", "peer"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        result = {"ours": ours, "peer": peer}[args.side](args.folder)
        print(json.dumps(result | {"peak": peak()}))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder)
        mine = measured(sys.executable, "ours", folder)
        print(told("untaught", mine), f"and all other figures, {mine['defect_pixels']} defect pixels")
        if args.anomalib_python:
            other = measured(args.anomalib_python, "peer", folder)
            faster, leaner = other["seconds"] / mine["seconds"], other["peak"] / mine["peak"]
            print(told(f"anomalib {other['version']}", other))
            print(f"ratio: {faster:.1f} times as fast, {leaner:.1f} times less memory")
    from untaught.engine.provenance import machine

    print(machine())


if __name__ == "__main__":
    main()
