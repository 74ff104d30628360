"""Milliseconds an image of two methods, measured in turns in one process, and their ratio.

Whatever else the machine does falls on both alike; the median of the ratios is what counts.

    python benchmarks/latency.py [--methods dcam stfpm] [--presets lite paper] [--rounds 30]
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from untaught.engine.provenance import machine
from untaught.registry import method_class


def milliseconds(method: torch.nn.Module, image: torch.Tensor) -> float:
    """CPU time of this process for one image."""
    started = time.process_time()
    method(image)
    return 1000 * (time.process_time() - started)


@torch.inference_mode()
def compare(names: list[str], preset: str, rounds: int) -> str:
    """A row of the table: median milliseconds of both, and the median ratio with its quartiles."""
    kinds = [method_class(name) for name in names]
    methods = [kind(kind.configure(preset), untrained=True).to(memory_format=torch.channels_last) for kind in kinds]
    sides = [method.eval().config.image_size for method in methods]
    images = [torch.rand(1, 3, side, side).contiguous(memory_format=torch.channels_last) for side in sides]
    pairs = []
    for number in range(rounds + 3):
        order = (0, 1) if number % 2 else (1, 0)  # neither always follows the other
        taken = {which: milliseconds(methods[which], images[which]) for which in order}
        pairs.append((taken[0], taken[1]))
    pairs = pairs[3:]
    low, middle, high = statistics.quantiles((one / other for one, other in pairs), n=4)
    figures = " | ".join(f"{statistics.median(values):.1f}" for values in zip(*pairs, strict=True))
    return f"| {preset} | {sides[0]} | {figures} | {middle:.3f} | {low:.3f} - {high:.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs=2, default=["dcam", "stfpm"])
    parser.add_argument("--presets", nargs="+", default=["lite", "paper"])
    parser.add_argument("--rounds", type=int, default=30)
    args = parser.parse_args()
    torch.set_num_threads(1)
    one, other = args.methods
    print(f"| preset | px | {one}, ms | {other}, ms | ratio | quartiles |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    for preset in args.presets:
        print(compare(args.methods, preset, args.rounds), flush=True)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
