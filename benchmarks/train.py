"""Wall time of `untaught train`, decode to saved file, and what the detector then reaches.

With `--peer-json` (written by benchmarks/peers.py on the same machine) the share of PatchCore's training time is
printed as well.

    python benchmarks/train.py --data FOLDER [--peer-json FILE]
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

from untaught.engine.provenance import machine


def run(*arguments: str) -> dict:
    """The JSON answer of an `untaught` command."""
    done = subprocess.run(
        [sys.executable, "-m", "untaught", *arguments, "--json"], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peer-json", type=Path)
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
    if args.peer_json:
        peer = json.loads(args.peer_json.read_text())
        shares = f"{wall / peer['train_seconds']:.2f} wall, {cpu / peer['train_cpu_seconds']:.2f} CPU"
        print(f"share of {peer['model']}'s training time: {shares}")
    print(machine())


if __name__ == "__main__":
    main()
