"""The binomial band of the benchmark on false rejects."""

import false_rejects
import pytest
from scipy.stats import binom


@pytest.mark.parametrize(("rate", "n"), [(0.01, 20), (0.045, 20), (0.1, 191), (0.5, 7), (0.2, 41)])
def test_the_band_is_that_of_scipy(rate, n):
    low, high = false_rejects.band(rate, n)
    assert (low, high) == binom(n, rate).interval(0.95)
    assert binom.cdf(high, n, rate) - binom.cdf(low - 1, n, rate) >= 0.95


def test_where_a_count_lies():
    assert false_rejects.where(7, 0.1, 20) == "0 - 5 of 20 | above"
    assert false_rejects.where(2, 0.1, 20) == "0 - 5 of 20 | within"
    assert false_rejects.where(1, 0.5, 20) == "6 - 14 of 20 | below"
