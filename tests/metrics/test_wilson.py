import pytest
from scipy.stats import binomtest

from untaught.errors import MetricError
from untaught.metrics.wilson import wilson


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 20), (20, 20), (3, 17), (500, 100_000)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_equal_to_scipy(hits, n, confidence):
    expected = binomtest(hits, n).proportion_ci(confidence, method="wilson")
    assert wilson(hits, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_ends_are_exact():
    assert wilson(0, 7)[0] == 0.0
    assert wilson(7, 7)[1] == 1.0


@pytest.mark.parametrize("arguments", [(1, 0), (-1, 5), (6, 5), (1, 5, 1.0), (1, 5, 0.0)])
def test_nonsense_is_refused(arguments):
    with pytest.raises(MetricError):
        wilson(*arguments)
