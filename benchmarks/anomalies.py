"""Drawn defects: pairs a second on one core, and Perlin noise against the usual way of computing it, in one run.

    python benchmarks/anomalies.py [--data FOLDER] [--size 256] [--pairs 400]

Pairs are drawn on good images of a data set (default: the drawn one, `toy`), one after another in one thread; texture
comes from the other images. `whole pair` is what training waits for: image in, defect and mask out.

The usual way is that of the code published with DRAEM and its many followers: the gradients of a cell's four corners
are repeated for each of its pixels, multiplied by the pixel's distances, and blended by three linear interpolations.
It is written anew here, from the same gradients, and what comes out is compared.
Seconds are CPU seconds of all threads of the process: what one core would need. Noise is timed in the best of rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from untaught.anomalies.draw import Drawer
from untaught.anomalies.noise import perlin
from untaught.anomalies.settings import KINDS, PAPER, AnomalySettings
from untaught.data.folder import open_dataset
from untaught.image import Recipe

CELLS = (1, 4, 16, 32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="toy")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--images", type=int, default=16)
    args = parser.parse_args()
    dataset = open_dataset(args.data)
    good = [sample for sample in dataset.samples if sample.split == "train" and not sample.defective]
    images = [dataset.image(sample, Recipe(height=args.size, width=args.size)) for sample in good[: args.images]]
    print(f"pairs a second, {args.size} px, one core, {len(images)} images of {dataset.name}")
    mixes = {"default mix": AnomalySettings(), "paper": AnomalySettings(**PAPER)}
    mixes |= {kind: AnomalySettings(kinds={kind: 1.0}) for kind in KINDS}
    for name, settings in mixes.items():
        print(f"  {name:12} {pairs_a_second(settings, images, args.pairs):7.0f}", flush=True)
    print(f"Perlin noise, {args.size} px, ms: usual, here, ratio; largest difference")
    for cells in CELLS:
        slow, fast = (seconds(partial(way, args.size, cells, 0)) for way in (usual, ours))
        apart = float(np.abs(usual(args.size, cells, 0) - ours(args.size, cells, 0)).max())
        grid = f"{cells} x {cells} cells"
        print(f"  {grid:12} {1e3 * slow:7.2f} {1e3 * fast:7.3f} {slow / fast:6.1f} x   {apart:.0e}", flush=True)


def pairs_a_second(settings: AnomalySettings, images: list[NDArray[np.uint8]], pairs: int) -> float:
    """Whole pairs drawn a second."""
    drawer = Drawer(settings)

    def draw(count: int) -> None:
        for number in range(count):
            drawer(images[number % len(images)], np.random.default_rng(number), images)

    draw(len(images))
    begun = time.process_time()
    draw(pairs)
    return pairs / (time.process_time() - begun)


def seconds(work: Callable[[], object], rounds: int = 7, repeat: int = 10) -> float:
    """CPU seconds of one call, in the best round."""
    best = np.inf
    for _ in range(rounds):
        begun = time.process_time()
        for _ in range(repeat):
            work()
        best = min(best, (time.process_time() - begun) / repeat)
    return float(best)


def ours(size: int, cells: int, seed: int) -> NDArray[np.float32]:
    """The library's noise."""
    return perlin(size, size, (cells, cells), np.random.default_rng(seed))


def usual(size: int, cells: int, seed: int) -> NDArray[np.float64]:
    """The same noise, pixel by pixel."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, (cells + 1, cells + 1))
    gradient = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    step = cells / size
    place = np.mgrid[0:cells:step, 0:cells:step].transpose(1, 2, 0) % 1
    side = size // cells

    def ramp(down: int, along: int) -> NDArray[np.float64]:
        corner = gradient[down : down + cells, along : along + cells].repeat(side, 0).repeat(side, 1)
        distance = np.stack([place[..., 0] - down, place[..., 1] - along], axis=-1)
        return (corner * distance).sum(axis=-1)

    def blend(one: NDArray[np.float64], other: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float64]:
        return one + share * (other - one)

    fade = 6 * place**5 - 15 * place**4 + 10 * place**3
    above = blend(ramp(0, 0), ramp(0, 1), fade[..., 1])
    below = blend(ramp(1, 0), ramp(1, 1), fade[..., 1])
    return np.sqrt(2) * blend(above, below, fade[..., 0])


if __name__ == "__main__":
    main()
