import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from untaught.metrics.f1_max import f1_max

scores = st.one_of(st.integers(-2, 2).map(float), st.floats(allow_nan=False, allow_infinity=False, width=32))


@given(st.lists(scores, min_size=1, max_size=20), st.lists(scores, min_size=1, max_size=20))
@settings(deadline=None)
def test_no_threshold_does_better_and_the_one_given_does_as_well(good, bad):
    values, labels = np.array(good + bad), np.array([False] * len(good) + [True] * len(bad))
    best, threshold = f1_max(values, labels)
    assert best == pytest.approx(max(f1_score(labels, values >= t) for t in np.unique(values)), abs=1e-12)
    assert f1_score(labels, values >= threshold) == pytest.approx(best, abs=1e-12)


def test_of_equal_thresholds_the_one_with_fewest_alarms():
    # At 4: one hit, no alarm, one miss: 2/3. At 1: two hits, two alarms: 2/3.
    assert f1_max([4.0, 3.0, 2.0, 1.0], [1, 0, 0, 1]) == (pytest.approx(2 / 3), 4.0)


def test_perfect():
    assert f1_max([0.0, 1.0, 2.0], [0, 1, 1]) == (1.0, 1.0)
