"""Where the negatives lie between the distinct scores of the positives: all that ROC, PR, F1 and PRO need.

Between two neighbouring positive scores only negatives change sides, so every curve is a straight line there and
nothing of it has to be kept but the count. Equal scores change sides together, which gives the diagonal of a tie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from untaught.errors import MetricError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tally:
    """Positives (defective) and negatives (good) of a set, ordered by score.

    All arrays are (m,), one entry for each distinct score of a positive, ascending. `hits` counts the positives with
    that score and `shares` is the part of the PRO curve that they carry (sum 1); `below` counts the negatives with a
    lower score and `upto` those with a lower or equal one. `negatives` counts all of them.
    """

    values: NDArray[np.floating]
    hits: Ints
    shares: Floats
    below: Ints
    upto: Ints
    negatives: int

    @property
    def positives(self) -> int:
        """Number of positives."""
        return int(self.hits.sum())

    @property
    def true_positives(self) -> Ints:
        """Positives with at least the score, for each distinct score, ascending: (m,)."""
        return np.cumsum(self.hits[::-1])[::-1]

    @property
    def false_positives(self) -> Ints:
        """Negatives with at least the score, for each distinct score, ascending: (m,)."""
        return self.negatives - self.below


def tally(scores: ArrayLike, labels: ArrayLike, names: Sequence[str] | None = None) -> Tally:
    """The tally of scores that fit in memory, such as one score per image.

    Args:
        scores: (n,) raw scores; higher is more anomalous.
        labels: (n,) True or 1 where the image is defective.
        names: (n,) names to use in error messages.

    Raises:
        MetricError: a score is not finite, a label is not 0 or 1, lengths differ, or one class is missing.
    """
    checked = _check_scores(scores, names)
    positive = _check_labels(labels, len(checked))
    values, hits = np.unique(checked[positive], return_counts=True)
    rest: NDArray[np.floating] = np.sort(checked[~positive])
    if not len(values) or not len(rest):
        missing = "defective" if len(rest) else "good"
        raise MetricError(f"there is no {missing} image among {len(checked)}", "at least one good and one defective")
    return Tally(
        values=values,
        hits=hits.astype(np.int64),
        shares=hits / hits.sum(),
        below=np.searchsorted(rest, np.asarray(values), side="left"),
        upto=np.searchsorted(rest, np.asarray(values), side="right"),
        negatives=len(rest),
    )


def _check_scores(scores: ArrayLike, names: Sequence[str] | None) -> NDArray[np.floating]:
    array = np.asarray(scores)
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    if array.ndim != 1:
        raise MetricError(f"scores have shape {array.shape}", "one score for each image: (n,)")
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        first = int(bad[0])
        of = f" ({names[first]})" if names is not None else ""
        raise MetricError(
            f"score {first}{of} is {array[first]}, and {len(bad)} of {len(array)} scores are not finite",
            "finite scores",
            "find out what made the method overflow on this image; a figure without it would be of another test set",
        )
    return array


def _check_labels(labels: ArrayLike, n: int) -> NDArray[np.bool_]:
    array = np.asarray(labels)
    if array.shape != (n,):
        raise MetricError(f"labels have shape {array.shape} beside {n} scores", f"shape ({n},)")
    positive: NDArray[np.bool_] = array == 1
    if not np.all(positive | (array == 0)):
        odd = array[~(positive | (array == 0))][0]
        raise MetricError(f"a label is {odd!r}", "0 or False for good, 1 or True for defective")
    return positive
