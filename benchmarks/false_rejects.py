"""Wanted against measured false-reject rates over many splits of good test images, with binomial bands.

Takes evaluated runs. For each, the scores of the good images the run was not trained on (its calibration scores and
the test split's) are pooled and split many times at random: one part sets the threshold, the other counts rejects. Of a
run on several products this is done for each product and for all together.
A second table leaves the split as it was made (thresholds from held-out training images, rejects among the test
images): there the two come from different recordings, and what differs is the data's own shift.

    python benchmarks/false_rejects.py RUN... [--splits 1000]
"""

from __future__ import annotations

import argparse
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--splits", type=int, default=1000)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    print("| run | wanted | promised | pooled, split at random | test split as it is | Wilson 95 % |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    for folder in args.runs:
        run = Run(folder)
        for product, (held, good) in scores_of(run).items():
            name = f"{run.card.name} {run.card.seed}" + (f", {product}" if product else "")
            for rate in RATES if len(good) else ():
                promised, mean, _ = resample(np.concatenate([held, good]), len(held), rate, args.splits, rng)
                rejects = int(np.sum(good > conformal_threshold(held, rate).value))
                low, high = wilson(rejects, len(good))
                seen = f"{rejects}/{len(good)} = {rejects / len(good):.3f} | {low:.3f} - {high:.3f}"
                print(f"| {name} | {rate:.2f} | {promised:.3f} | {mean:.3f} | {seen} |")


if __name__ == "__main__":
    main()
