"""From the scores of held-out good images to a threshold with a known false-reject rate, and to p-values.

Split conformal prediction (Papadopoulos et al., ECML 2002; Vovk et al., Algorithmic Learning in a Random World, 2005).
Let n good images that were never trained on, and one more good part, be exchangeable. Then the part's score is equally
likely to take each of the n + 1 ranks among them, whatever the distribution, so that

    P(score > k-th smallest held-out score) <= 1 - k / (n + 1),

with equality where no two scores are equal. The probability is over held-out images and part together; with one fixed
set of held-out images the rate in use scatters around it. No rate below 1 / (n + 1) can be promised in this way. A fit
of the upper tail reaches further down, but it is an extrapolation and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, expm1, log
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from untaught.errors import CalibrationError
from untaught.records import Threshold

Kind = Literal["conformal", "tail"]
Scores = NDArray[np.float64]

MIN_TAIL_IMAGES = 20
MIN_EXCESSES = 10


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is known of the scores of good parts.

    `scores` are those of the held-out good images, ascending; `wanted` is the false-reject rate that was asked for
    and `kind` how; `image` is the threshold on image scores. `pixel` is the threshold on map values, drawn by the same
    rule from the highest value of each held-out map: a good image shows a region at all with at most its rate.
    """

    scores: tuple[float, ...]
    wanted: float
    kind: Kind
    image: Threshold
    pixel: Threshold

    @classmethod
    def from_scores(
        cls,
        scores: ArrayLike,
        maxima: ArrayLike,
        rate: float,
        kind: Kind = "conformal",
        names: Sequence[str] | None = None,
    ) -> Calibration:
        """Calibrate from held-out good images.

        Args:
            scores: (n,) image scores.
            maxima: (n,) highest value of each image's map.
            rate: wanted false-reject rate, in (0, 1).
            kind: `conformal` (guaranteed) or `tail` (an extrapolation).
            names: (n,) names to use in error messages.

        Raises:
            CalibrationError: there is no image, a score is not finite (named), or the rate is not in (0, 1).
        """
        draw = {"conformal": conformal_threshold, "tail": tail_threshold}[kind]
        ordered = _ordered(scores, names)
        highest = _ordered(maxima, names)
        if len(ordered) != len(highest):
            raise CalibrationError(
                f"{len(ordered)} scores beside {len(highest)} map maxima", "one of each for an image"
            )
        return cls(tuple(ordered.tolist()), rate, kind, draw(ordered, rate), draw(highest, rate))


def conformal_threshold(scores: ArrayLike, rate: float) -> Threshold:
    """The lowest threshold that rejects a good part with probability at most `rate`.

    It is the k-th smallest of the n scores, k = ceil((n + 1) (1 - rate)). Where n is too small for the rate (k > n),
    it is the highest score, which stands for 1 / (n + 1); the result's `rate` then differs from its `wanted`.

    Args:
        scores: (n,) scores of held-out good images.
        rate: wanted false-reject rate, in (0, 1).

    Raises:
        CalibrationError: there is no score, one is not finite, or the rate is not in (0, 1).
    """
    ordered = _ordered(scores)
    n = len(ordered)
    k = _rank(n, rate)
    promised = rate if k <= n else smallest_rate(n)
    return Threshold(float(ordered[min(k, n) - 1]), rate, promised, guaranteed=True, kind="conformal", n=n)


def tail_threshold(scores: ArrayLike, rate: float) -> Threshold:
    """A threshold for a rate that n images cannot show, from a generalised Pareto fit of the highest scores.

    Fitted are the highest fifth of the scores, at most 3 sqrt(n) and at least ten. Where the rate can be promised,
    1 / (n + 1) or more, or there is no tail to fit (fewer than 20 images, or hardly any distinct high scores), the
    result is the conformal threshold, as its `kind` says. A threshold for less is never below the highest score.

    Args:
        scores: (n,) scores of held-out good images.
        rate: wanted false-reject rate, in (0, 1).

    Raises:
        CalibrationError: there is no score, one is not finite, or the rate is not in (0, 1).
    """
    ordered = _ordered(scores)
    conformal = conformal_threshold(ordered, rate)
    n = len(ordered)
    if n < MIN_TAIL_IMAGES:
        return conformal
    start = ordered[n - 1 - max(MIN_EXCESSES, min(n // 5, int(3 * n**0.5)))]
    excesses = ordered[ordered > start] - start
    # A new good part exceeds the start of the tail with this probability, by the same argument of ranks.
    reach = (len(excesses) + 1) / (n + 1)
    if rate >= min(reach, smallest_rate(n)) or len(excesses) < MIN_EXCESSES // 2:
        return conformal
    shape, scale = fit_tail(excesses)
    value = float(start) + _tail_quantile(shape, scale, rate / reach)
    if rate < smallest_rate(n):
        value = max(value, float(ordered[-1]))
    return Threshold(value, rate, rate, guaranteed=False, kind="tail", n=n)


def p_values(calibration_scores: ArrayLike, scores: ArrayLike) -> Scores:
    """For each score, (1 + number of held-out scores at least as high) / (n + 1).

    A good part gets a p-value of at most a with probability at most a, for every a in 0..1.

    Args:
        calibration_scores: (n,) scores of held-out good images.
        scores: (m,) scores of inspected images.

    Raises:
        CalibrationError: there is no held-out score, or a score on either side is not finite.
    """
    ordered = _ordered(calibration_scores)
    asked = np.asarray(scores, np.float64)
    _check_finite(asked)
    n = len(ordered)
    return (1 + n - np.searchsorted(ordered, asked, side="left")) / (n + 1)


def smallest_rate(n: int) -> float:
    """The smallest false-reject rate that n held-out good images can promise."""
    return 1 / (n + 1)


def promise(threshold: Threshold) -> str:
    """What a threshold stands for, in a sentence or two for the user."""
    images = f"{threshold.n} held-out good image{'s' * (threshold.n != 1)}"
    wanted, promised = f"{100 * threshold.wanted:.4g} %", f"{100 * smallest_rate(threshold.n):.2g} %"
    if not threshold.guaranteed:
        return (
            f"A false-reject rate of {wanted} is an extrapolation from a fit of the highest scores of {images}, "
            f"not a promise; the smallest rate that can be promised with them is {promised}."
        )
    if threshold.rate == threshold.wanted:
        return f"Of good parts like these, at most {wanted} are rejected: promised by {images} (split conformal)."
    needed = ceil(1 / threshold.wanted - 1e-9) - 1
    return (
        f"With {images} the smallest false-reject rate that can be promised is {promised}; {wanted} was wanted and "
        f"would take {needed} of them. The threshold stands for {promised}."
    )


def promises(pooled: Threshold, products: Mapping[str, Threshold]) -> list[str]:
    """What all thresholds of a run stand for: that of all products together first, then of each."""
    if not products:
        return [promise(pooled)]
    named = {"all products together": pooled, **products}
    return [f"{name}: {promise(threshold)}" for name, threshold in named.items()]


def fit_tail(excesses: ArrayLike) -> tuple[float, float]:
    """Shape and scale of the generalised Pareto distribution of positive excesses; shape > 0 is a heavy tail.

    Source: Zhang and Stephens, A New and Efficient Estimation Method for the Generalized Pareto Distribution
    (Technometrics 2009): the posterior mean of one reparametrised quantity under a data-driven prior, on a grid.

    Args:
        excesses: (m,) positive amounts by which scores exceed the start of the tail.

    Raises:
        CalibrationError: there is no excess, or one is not finite and positive.
    """
    x = _ordered(excesses)
    if x[0] <= 0:
        raise CalibrationError(f"an excess is {x[0]}", "positive excesses over the start of the tail")
    m = len(x)
    points = 20 + int(m**0.5)
    quartile = x[int(m / 4 + 0.5) - 1] if m > 1 else x[0]
    theta = 1 / x[-1] + (1 - np.sqrt(points / (np.arange(1, points + 1) - 0.5))) / (3 * quartile)
    theta = theta[theta != 0]
    shapes = np.log1p(-theta[:, None] * x).mean(axis=1)
    likelihood = m * (np.log(-theta / shapes) - shapes - 1)
    weights = np.exp(likelihood - likelihood.max())
    best = float(np.dot(theta, weights) / weights.sum())
    shape = float(np.log1p(-best * x).mean())
    return shape, -shape / best


def _tail_quantile(shape: float, scale: float, share: float) -> float:
    """The excess that this share of the tail goes beyond."""
    depth = -log(share)
    return scale * depth if abs(shape * depth) < 1e-12 else scale * expm1(shape * depth) / shape


def check_rate(rate: float) -> None:
    """Raise CalibrationError where a wanted false-reject rate is not in (0, 1)."""
    if not isinstance(rate, int | float) or not 0 < rate < 1:
        came = f"the wanted false-reject rate is {rate}"
        raise CalibrationError(came, "a fraction in (0, 1), such as 0.01", "correct it")


def _rank(n: int, rate: float) -> int:
    """ceil((n + 1) (1 - rate)); 10 * 0.9 is 9, also where rounding makes it a little more."""
    check_rate(rate)
    exact = (n + 1) * (1 - rate)
    return max(1, ceil(exact - 1e-9))


def _ordered(scores: ArrayLike, names: Sequence[str] | None = None) -> Scores:
    array = np.asarray(scores, np.float64)
    if array.ndim != 1 or not len(array):
        raise CalibrationError(
            f"there are no held-out scores (shape {array.shape})", "at least one good image that was not trained on"
        )
    _check_finite(array, names)
    return np.sort(array)


def _check_finite(array: Scores, names: Sequence[str] | None = None) -> None:
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        first = int(bad[0])
        of = f" ({names[first]})" if names is not None else ""
        raise CalibrationError(
            f"score {first}{of} is {array.flat[first]}, and {len(bad)} of {array.size} are not finite",
            "finite scores",
            "find out what made the method overflow on this image",
        )
