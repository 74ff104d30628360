import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from untaught.metrics.curves import (
    PLOT_POINTS,
    Curve,
    roc_curve,
    roc_from,
    thin,
)
from untaught.metrics.tally import tally

scores = st.one_of(st.integers(-2, 2).map(float), st.floats(-1, 1, width=32))


@given(st.lists(scores, min_size=1, max_size=30), st.lists(scores, min_size=1, max_size=30))
@settings(deadline=None)
def test_roc_is_the_line_through_the_points_of_scikit_learn(good, bad):
    labels = [0] * len(good) + [1] * len(bad)
    ours = roc_curve(good + bad, labels)
    x, y, _ = sklearn_metrics.roc_curve(labels, good + bad, drop_intermediate=False)
    # Along x + y both lines rise without a jump, so that they can be compared where either has a corner.
    along = np.union1d(ours.x + ours.y, x + y)
    assert np.allclose(np.interp(along, ours.x + ours.y, ours.x), np.interp(along, x + y, x), atol=1e-9)
    assert np.allclose(np.interp(along, ours.x + ours.y, ours.y), np.interp(along, x + y, y), atol=1e-9)


def test_a_long_curve_is_thinned_to_its_own_points_and_keeps_ends_and_shape(rng):
    labels = rng.random(20_000) < 0.4
    whole = roc_from(tally(rng.normal(size=20_000) + labels, labels))
    plotted = thin(whole)
    assert len(plotted.x) <= PLOT_POINTS < len(whole.x)
    assert set(zip(*plotted, strict=True)) <= set(zip(*whole, strict=True))
    assert (plotted.x[0], plotted.y[0], plotted.x[-1], plotted.y[-1]) == (
        whole.x[0], whole.y[0], whole.x[-1], whole.y[-1],
    )  # fmt: skip
    assert np.trapezoid(plotted.y, plotted.x) == pytest.approx(np.trapezoid(whole.y, whole.x), abs=5e-3)


def test_thinning_keeps_both_ends_of_a_long_step():
    steep = Curve(np.append(np.zeros(1000), 1.0), np.append(np.linspace(0, 1e-3, 1000), 1.0))
    corner = (0.0, 1e-3)
    assert corner in set(zip(*thin(steep), strict=True))


def test_a_short_curve_is_left_alone():
    short = Curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    assert thin(short) is short
