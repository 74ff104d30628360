"""Peak resident memory of training against the number of images: flat beyond the cache budget.

Draws product images into a temporary folder, trains two epochs of every stage on subsets of them, each in its own
process, with the default memory budget and with none (features on disk), and prints peak memory and the ratio of
largest to smallest set.

    python benchmarks/memory.py [--method NAME] [--images N...] [--budget GIB...]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from untaught.data.toy import Toy
from untaught.engine.provenance import machine

CHILD = """
import json, resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, capture_output=True)
print(json.dumps(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
"""


def draw(folder: Path, count: int) -> None:
    """Write `count` good parts as PNG files."""
    toy = Toy(seed=1, train=count, test_good=0, test_bad=0)
    folder.mkdir(parents=True)
    for number, sample in enumerate(toy.samples):
        Image.fromarray(toy.source(sample)).save(folder / f"{number:04d}.png", compress_level=1)


def peak(method: str, folder: Path, out: Path, budget: float) -> float:
    """Peak resident memory in MiB of a short training."""
    command = [sys.executable, "-m", "untaught", "train", method, "--data", str(folder)]
    command += ["--epochs", "2", "--out", str(out), "--quiet"]
    command += ["--set", f"cache.memory={budget}", "--set", f"cache.folder={out.parent / 'cache'}"]
    done = subprocess.run([sys.executable, "-c", CHILD, *command], check=True, capture_output=True, text=True)
    return json.loads(done.stdout) / (1024 if sys.platform != "darwin" else 1024**2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="reverse_distillation")
    parser.add_argument("--images", type=int, nargs="+", default=[200, 400, 761])
    parser.add_argument("--budget", type=float, nargs="+", default=[2.0, 0.0], help="GiB of features in memory")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        for count in args.images:
            draw(Path(root) / str(count), count)
        for budget in args.budget:
            peaks = [
                peak(args.method, Path(root) / str(count), Path(root) / f"run-{budget}-{count}", budget)
                for count in args.images
            ]
            shown = ", ".join(
                f"{count} images {value:.0f} MiB" for count, value in zip(args.images, peaks, strict=True)
            )
            print(f"{args.method}, budget {budget:g} GiB: {shown}; largest over smallest {peaks[-1] / peaks[0]:.2f}")
    print(machine(), f"{resource.getpagesize()} byte pages")


if __name__ == "__main__":
    main()
