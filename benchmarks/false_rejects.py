"""Wanted against measured false-reject rates over many splits of good test images, with binomial bands.

Takes evaluated runs. For each, the scores of the good images the run was not trained on (its calibration scores and
the test split's) are pooled and split many times at random: one part sets the threshold, the other counts rejects. Of a
run on several products this is done for each product and for all together. Pooled scores are exchangeable by
construction: this column tests the code. The next one tests the claim on data: it leaves the split as it was made
(thresholds from held-out training images, rejects among the test images), where the two may come from different
recordings. Beside it stands between which counts 95 of 100 experiments lie if each good part is rejected with the
promised rate. The promise is an upper bound, so a count below the band breaks nothing.

    python benchmarks/false_rejects.py RUN... [--splits 1000]
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np

from untaught.calibration import conformal_threshold
from untaught.metrics.wilson import wilson
from untaught.run import Run

RATES = (0.01, 0.02, 0.05, 0.1, 0.2)


def scores_of(run: Run) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Scores of the calibration images and of the good test images: of all, and of each product."""
    evaluation = run.evaluation()
    if evaluation is None:
        raise SystemExit(f"{run.folder} has no evaluation: run `untaught evaluate` first")
    good = [(row["score"], row.get("product", "")) for row in evaluation["rows"] if row["kind"] == "good"]
    every = np.array([score for score, _ in good])
    found = {"": (np.array(run.card.calibration.scores), every)}
    for name, known in run.card.products.items():
        found[name] = (np.array(known.scores), np.array([score for score, product in good if product == name]))
    return found


def resample(
    scores: np.ndarray, held: int, rate: float, splits: int, rng: np.random.Generator
) -> tuple[float, float, int]:
    """Promised rate, mean measured rate and number of images judged in each split."""
    measured, promised = [], rate
    for _ in range(splits):
        order = rng.permutation(scores)
        threshold = conformal_threshold(order[:held], rate)
        promised = threshold.rate
        measured.append(np.mean(order[held:] > threshold.value))
    return promised, float(np.mean(measured)), len(scores) - held


def band(rate: float, n: int, level: float = 0.95) -> tuple[int, int]:
    """Counts between which a binomial of `n` trials lies with at least `level`, as little as can be cut at each end."""
    tail, below, low, high = (1 - level) / 2, 0.0, 0, n
    for count in range(n + 1):
        chance = math.comb(n, count) * rate**count * (1 - rate) ** (n - count)
        if below <= tail < below + chance:
            low = count
        below += chance
        if below >= 1 - tail:
            high = count
            break
    return low, high


def where(count: int, rate: float, n: int) -> str:
    """The binomial band, and where the count lies."""
    low, high = band(rate, n)
    place = "below" if count < low else "above" if count > high else "within"
    return f"{low} - {high} of {n} | {place}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--splits", type=int, default=1000)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    totals: dict[float, list[tuple[float, float]]] = {rate: [] for rate in RATES}
    print("| run | wanted | promised | pooled, split at random | test split as it is | Wilson 95 % | binomial 95 % | |")
    print("| --- | ---: | ---: | ---: | ---: | --- | --- | --- |")
    for folder in args.runs:
        run = Run(folder)
        for product, (held, good) in scores_of(run).items():
            several = f"{run.card.method} on {len(run.card.products)} products {run.card.seed}, {product or 'all'}"
            name = several if run.card.products else f"{run.card.name} {run.card.seed}"
            for rate in RATES if len(good) else ():
                promised, mean, _ = resample(np.concatenate([held, good]), len(held), rate, args.splits, rng)
                rejects = int(np.sum(good > conformal_threshold(held, rate).value))
                low, high = wilson(rejects, len(good))
                seen = f"{rejects}/{len(good)} = {rejects / len(good):.3f} | {low:.3f} - {high:.3f}"
                told = where(rejects, promised, len(good))
                print(f"| {name} | {rate:.2f} | {promised:.3f} | {mean:.3f} | {seen} | {told} |")
                totals[rate].append((promised, rejects / len(good)))
    print("\n| wanted | promised, mean of all | test splits as they are, mean of all |\n| ---: | ---: | ---: |")
    for rate, pairs in totals.items():
        promised, measured = np.mean(pairs, axis=0)
        print(f"| {rate:.2f} | {promised:.3f} | {measured:.3f} |")


if __name__ == "__main__":
    main()
