"""ROC and PRO curves as polylines, exact or thinned for a plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from untaught.metrics.tally import Floats, Tally, tally

PLOT_POINTS = 512


class Curve(NamedTuple):
    """A polyline from the strictest threshold to the loosest: x and y are (n,), both in 0..1."""

    x: Floats
    y: Floats


def roc_curve(scores: ArrayLike, labels: ArrayLike, names: Sequence[str] | None = None) -> Curve:
    """True-positive rate (y) over false-positive rate (x) from (0, 0) to (1, 1), at most 512 points.

    Raises:
        MetricError: as `tally`.
    """
    return thin(roc_from(tally(scores, labels, names)))


def roc_from(counted: Tally) -> Curve:
    """The ROC curve of a tally, 2 m + 2 points."""
    return _staircase(counted, counted.hits / counted.positives)


def pro_from(counted: Tally) -> Curve:
    """The per-region overlap (y) over the false-positive rate of all good pixels (x), 2 m + 2 points.

    Source: Bergmann et al., The MVTec Anomaly Detection Dataset (IJCV 2021), section 5.2.2: every region weighs one.
    """
    return _staircase(counted, counted.shares)


def thin(curve: Curve, points: int = PLOT_POINTS) -> Curve:
    """At most `points` of the curve's own points, evenly spread along its length, both ends of long segments kept."""
    if len(curve.x) <= points:
        return curve
    walked = np.cumsum(np.abs(np.diff(curve.x)) + np.abs(np.diff(curve.y)))
    after = np.searchsorted(walked, np.linspace(0, walked[-1], points // 2)) + 1
    after = np.minimum(after, len(curve.x) - 1)
    keep = np.unique(np.concatenate([after - 1, after]))
    return Curve(curve.x[keep], curve.y[keep])


def _staircase(counted: Tally, gain: Floats) -> Curve:
    """Two points for each distinct positive score: before and after the scores equal to it are let in.

    Their x is the same where no negative is tied with it (a vertical step) and differs where one is (a diagonal).
    """
    m = len(counted.values)
    x = np.empty(2 * m + 2)
    y = np.empty(2 * m + 2)
    x[0] = y[0] = y[1] = 0.0
    x[1:-1:2] = counted.negatives - counted.upto[::-1]
    x[2:-1:2] = counted.negatives - counted.below[::-1]
    x[1:-1] /= counted.negatives
    risen = np.cumsum(gain[::-1])
    risen /= risen[-1]  # so that the curve ends at 1 exactly, whatever the rounding of the sum
    y[2:-1:2] = risen
    y[3::2] = risen
    x[-1] = 1.0
    return Curve(x, y)
