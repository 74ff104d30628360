"""Wilson score interval of a rate."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

from untaught.errors import MetricError


def wilson(hits: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The (low, high) interval of a rate of which `hits` were seen in `n` trials; honest at 0 and at n as well.

    Source: Wilson, Probable Inference, the Law of Succession, and Statistical Inference (JASA 1927).

    Raises:
        MetricError: n is not positive, hits are not in 0..n, or the confidence is not in (0, 1).
    """
    if n < 1 or not 0 <= hits <= n:
        raise MetricError(f"{hits} hits in {n} trials", "0 <= hits <= n and n >= 1")
    if not 0 < confidence < 1:
        raise MetricError(f"the confidence is {confidence}", "a fraction in (0, 1), such as 0.95")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate, shrink = hits / n, 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / shrink
    half = z / shrink * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    # At the ends the bound is 0 or 1 by algebra; rounding would leave 1e-17 of it.
    low = 0.0 if hits == 0 else centre - half
    high = 1.0 if hits == n else centre + half
    return low, high
