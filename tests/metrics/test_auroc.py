"""AUROC of image scores against scikit-learn, ties and odd floats included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from untaught.errors import MetricError
from untaught.metrics.auroc import auroc

scores = st.one_of(
    st.integers(-2, 2).map(float),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.sampled_from([0.0, -0.0, 1e-45, -1e-45, 1.0, float(np.nextafter(np.float32(1), np.float32(2)))]),
)


@given(st.lists(scores, min_size=1, max_size=30), st.lists(scores, min_size=1, max_size=30))
@settings(deadline=None)
def test_equal_to_scikit_learn(good, bad):
    labels = [0] * len(good) + [1] * len(bad)
    assert auroc(good + bad, labels) == pytest.approx(roc_auc_score(labels, good + bad), abs=1e-12)


@pytest.mark.parametrize(
    ("good", "bad", "expected"), [([0, 1], [2, 3], 1.0), ([2, 3], [0, 1], 0.0), ([1, 1], [1], 0.5)]
)
def test_by_hand(good, bad, expected):
    assert auroc(good + bad, [0] * len(good) + [1] * len(bad)) == expected


def test_neighbouring_float32_scores_are_not_tied():
    low = np.float32(0.1)
    assert auroc(np.array([low, np.nextafter(low, np.float32(1))]), [0, 1]) == 1.0


def test_order_of_images_does_not_matter(rng):
    values, labels = rng.integers(0, 9, 200).astype(float), rng.random(200) < 0.3
    order = rng.permutation(200)
    assert auroc(values, labels) == auroc(values[order], labels[order])


def test_names_reach_the_message():
    with pytest.raises(MetricError, match=r"b\.png"):
        auroc([0.0, np.nan], [0, 1], ["a.png", "b.png"])
