import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from untaught.metrics.average_precision import average_precision

scores = st.one_of(st.integers(-2, 2).map(float), st.floats(allow_nan=False, allow_infinity=False, width=32))


@given(st.lists(scores, min_size=1, max_size=30), st.lists(scores, min_size=1, max_size=30))
@settings(deadline=None)
def test_equal_to_scikit_learn(good, bad):
    labels = [0] * len(good) + [1] * len(bad)
    assert average_precision(good + bad, labels) == pytest.approx(
        average_precision_score(labels, good + bad), abs=1e-12
    )


def test_by_hand():
    # Falling scores: hit, alarm, hit. Precision 1 and 2/3 at the hits.
    assert average_precision([3.0, 2.0, 1.0], [1, 0, 1]) == pytest.approx((1 + 2 / 3) / 2)


def test_all_tied_is_the_share_of_defects():
    assert average_precision(np.zeros(10), [1] * 3 + [0] * 7) == pytest.approx(0.3)
