"""Wall time of `untaught train`, decode to saved file, and what the detector then reaches.

With `--python`, an interpreter that has anomalib 2.7.0 (benchmarks/peers.py says how to make one), its PatchCore
(1 %, same backbone, 256 px, a thread a core) is trained on the same images right after, and our share of its time is
printed.

    python benchmarks/train.py --data FOLDER [--seed N] [--python PEER]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from untaught.engine.provenance import machine


def run(*arguments: str) -> dict[str, Any]:
    """The JSON answer of an `untaught` command."""
    done = subprocess.run(
        [sys.executable, "-m", "untaught", *arguments, "--json"], check=True, capture_output=True, text=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def patchcore(python: Path, data: str) -> dict[str, Any]:
    """The record of anomalib's PatchCore, trained now."""
    with tempfile.TemporaryDirectory() as out:
        script = Path(__file__).with_name("peers.py")
        options = ["--python", str(python), "--out", out, "--data", data, "--models", "patchcore"]
        subprocess.run([sys.executable, str(script), *options], check=True, stdout=subprocess.DEVNULL)
        (file,) = Path(out).glob("*.json")
        record: dict[str, Any] = json.loads(file.read_text())
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--python", type=Path, help="an interpreter that has anomalib")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "run")
        started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        trained = run("train", "reverse_distillation", "--data", args.data, "--seed", str(args.seed), "--out", out)
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        result = run("evaluate", out, "--data", args.data)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    training = trained["training"]
    print(
        f"untaught train: {training['seconds']:.1f} s from first decode to saved run, epochs {training['epochs']};",
        end=" ",
    )
    print(f"whole process {wall:.1f} s wall, {cpu:.1f} s CPU")
    print(", ".join(f"{key} {result[key]:.4f}" for key in ("image_auroc", "pixel_auroc", "aupro")))
    if args.python:
        peer = patchcore(args.python, args.data)
        theirs, used = peer["train_seconds"], peer["train_cpu_seconds"]
        shares = f"{wall / theirs:.2f} wall, {cpu / used:.2f} CPU"
        print(f"PatchCore: {theirs:.1f} s wall, {used:.1f} s CPU; our share {shares}")
    print(machine())


if __name__ == "__main__":
    main()
