"""Area under the ROC curve: the chance that a defective one scores higher than a good one, ties counted half."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from untaught.metrics.tally import Tally, tally


def auroc(scores: ArrayLike, labels: ArrayLike, names: Sequence[str] | None = None) -> float:
    """Area under the ROC curve of raw scores, in 0..1; 0.5 is chance.

    Args:
        scores: (n,) raw scores; higher is more anomalous.
        labels: (n,) True or 1 where the image is defective.
        names: (n,) names to use in error messages.

    Raises:
        MetricError: a score is not finite, a label is not 0 or 1, lengths differ, or one class is missing.
    """
    return auroc_from(tally(scores, labels, names))


def auroc_from(counted: Tally) -> float:
    """Area under the ROC curve of a tally (the Mann-Whitney U statistic over the number of pairs)."""
    # Halved only at the end and summed in float64: exact up to 2 ** 53 pairs, close beyond, and never an overflow.
    wins = np.dot(counted.hits.astype(np.float64), (counted.below + counted.upto).astype(np.float64))
    return float(wins / 2 / counted.positives / counted.negatives)
