"""Average precision: the mean precision over the defective ones, each at its own score as threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from untaught.metrics.tally import Tally, tally


def average_precision(scores: ArrayLike, labels: ArrayLike, names: Sequence[str] | None = None) -> float:
    """Sum of precision times gain in recall over falling thresholds, without interpolation, in 0..1.

    Args:
        scores: (n,) raw scores; higher is more anomalous.
        labels: (n,) True or 1 where the image is defective.
        names: (n,) names to use in error messages.

    Raises:
        MetricError: a score is not finite, a label is not 0 or 1, lengths differ, or one class is missing.
    """
    return average_precision_from(tally(scores, labels, names))


def average_precision_from(counted: Tally) -> float:
    """Average precision of a tally."""
    found = counted.true_positives
    precision = found / (found + counted.false_positives)
    return float(np.dot(counted.hits.astype(np.float64), precision) / counted.positives)
