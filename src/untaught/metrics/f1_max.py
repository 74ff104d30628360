"""The best F1 over all thresholds. It knows the labels, so it is an upper bound and no threshold to work with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from untaught.metrics.tally import Tally, tally


def f1_max(scores: ArrayLike, labels: ArrayLike, names: Sequence[str] | None = None) -> tuple[float, float]:
    """The highest F1 (0..1) and the threshold that reaches it when scores equal to it count as defective.

    Where several thresholds reach it, the highest is given: the fewest alarms.

    Args:
        scores: (n,) raw scores; higher is more anomalous.
        labels: (n,) True or 1 where the image is defective.
        names: (n,) names to use in error messages.

    Raises:
        MetricError: a score is not finite, a label is not 0 or 1, lengths differ, or one class is missing.
    """
    return f1_max_from(tally(scores, labels, names))


def f1_max_from(counted: Tally) -> tuple[float, float]:
    """The highest F1 of a tally and its threshold (score >= threshold is an alarm)."""
    # The score of a negative is never the best threshold: the next positive above it has the same hits, fewer alarms.
    found = counted.true_positives
    f1 = 2 * found / (found + counted.false_positives + counted.positives)
    best = len(f1) - 1 - int(np.argmax(f1[::-1]))
    return float(f1[best]), float(counted.values[best])
