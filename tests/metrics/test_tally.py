import numpy as np
import pytest

from untaught.errors import MetricError
from untaught.metrics.tally import tally


def test_counts_by_hand():
    counted = tally([1.0, 2.0, 2.0, 3.0, 0.0, 2.0, 3.0], [1, 1, 1, 1, 0, 0, 0])
    assert counted.values.tolist() == [1, 2, 3]
    assert counted.hits.tolist() == [1, 2, 1]
    assert counted.below.tolist() == [1, 1, 2]
    assert counted.upto.tolist() == [1, 2, 3]
    assert (counted.positives, counted.negatives) == (4, 3)
    assert counted.true_positives.tolist() == [4, 3, 1]
    assert counted.false_positives.tolist() == [2, 2, 1]
    assert counted.shares.sum() == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_refused_by_name(bad):
    with pytest.raises(MetricError, match=r"score 1 \(bad/7\.png\) is (nan|-?inf).*1 of 3"):
        tally([0.0, bad, 1.0], [0, 1, 1], ["good/1.png", "bad/7.png", "bad/8.png"])
    with pytest.raises(MetricError, match="score 1 is"):
        tally([0.0, bad, 1.0], [0, 1, 1])


@pytest.mark.parametrize(("labels", "missing"), [([0, 0], "defective"), ([1, 1], "good")])
def test_one_class_is_refused(labels, missing):
    with pytest.raises(MetricError, match=f"no {missing} image among 2"):
        tally([0.1, 0.2], labels)


def test_an_empty_set_is_refused():
    with pytest.raises(MetricError, match="among 0"):
        tally([], [])


def test_labels_must_be_binary_and_fit():
    with pytest.raises(MetricError, match=r"a label is .*2"):
        tally([0.1, 0.2], [0, 2])
    with pytest.raises(MetricError, match=r"labels have shape \(3,\) beside 2 scores"):
        tally([0.1, 0.2], [0, 1, 1])
    with pytest.raises(MetricError, match=r"scores have shape \(2, 1\)"):
        tally([[0.1], [0.2]], [0, 1])


def test_integer_scores_are_welcome():
    assert tally([3, 1], [True, False]).below.tolist() == [1]
