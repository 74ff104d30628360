import itertools
import json
from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy.stats import genpareto

from untaught.calibration import (
    Calibration,
    conformal_threshold,
    fit_tail,
    p_values,
    promise,
    smallest_rate,
    tail_threshold,
)
from untaught.errors import CalibrationError


@pytest.fixture
def rng():
    return np.random.default_rng(0)


rates = st.sampled_from([0.5, 0.3, 0.2, 0.1, 0.05, 0.01, 0.001, 1 / 3, 1 / 22, 0.7, 0.9])


def rejected(n, rate):
    """Chance that one more exchangeable good part is rejected, over all ranks it can take among n distinct scores."""
    everything = np.arange(n + 1.0)
    outcomes = [part > conformal_threshold(np.delete(everything, int(part)), rate).value for part in everything]
    return Fraction(sum(outcomes), n + 1)


@given(st.integers(1, 120), rates)
@settings(deadline=None, max_examples=80)
def test_the_guarantee_holds_exactly_over_all_ranks(n, rate):
    meant = Fraction(rate).limit_denominator(10_000)
    k = ceil((n + 1) * (1 - meant))
    threshold = conformal_threshold(np.arange(float(n)), rate)
    if k <= n:
        assert threshold.rate == threshold.wanted == rate
        assert rejected(n, rate) == 1 - Fraction(k, n + 1)
        assert rejected(n, rate) <= meant < rejected(n, rate) + Fraction(1, n + 1)
    else:
        assert threshold.value == n - 1
        assert threshold.rate == smallest_rate(n) > rate
        assert rejected(n, rate) == Fraction(1, n + 1)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=9), rates)
@settings(deadline=None)
def test_ties_only_lower_the_rate(scores, rate):
    # Every member of the multiset takes the part of the new one once: exchangeability.
    outcomes = [
        scores[i] > (found := conformal_threshold(np.delete(np.array(scores, float), i), rate)).value
        for i in range(len(scores))
    ]
    assert np.mean(outcomes) <= found.rate + 1e-12


@pytest.mark.parametrize(
    ("n", "rate", "k"),
    [(9, 0.1, 9), (99, 0.01, 99), (19, 0.05, 19), (29, 0.1, 27), (999, 0.001, 999), (9, 0.3, 7), (4, 0.2, 4)],
)
def test_rounding_does_not_cost_a_rank(n, rate, k):
    threshold = conformal_threshold(np.arange(1.0, n + 1), rate)
    assert (threshold.value, threshold.rate) == (k, rate)


@pytest.mark.parametrize("n", [1, 2, 6, 21, 48, 199, 1000, 12345])
def test_the_smallest_rate_can_be_asked_for(n):
    threshold = conformal_threshold(np.arange(float(n)), smallest_rate(n))
    assert threshold.rate == threshold.wanted
    assert threshold.value == n - 1


def test_order_and_type_of_scores_do_not_matter(rng):
    scores = rng.normal(size=50).astype(np.float32)
    assert conformal_threshold(scores, 0.1) == conformal_threshold(sorted(scores.tolist()), 0.1)


@pytest.mark.parametrize("draw", [conformal_threshold, tail_threshold])
@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5, float("nan")])
def test_a_rate_out_of_range_is_refused(draw, rate):
    with pytest.raises(CalibrationError, match="false-reject rate is"):
        draw([0.1, 0.2], rate)


@pytest.mark.parametrize("draw", [conformal_threshold, tail_threshold])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_refused_by_number_or_name(draw, bad):
    with pytest.raises(CalibrationError, match=r"score 2 is (nan|-?inf).*1 of 3"):
        draw([0.1, 0.2, bad], 0.1)
    with pytest.raises(CalibrationError, match=r"score 1 \(b\.png\)"):
        Calibration.from_scores([0.1, bad], [1, 2], 0.1, names=["a.png", "b.png"])
    with pytest.raises(CalibrationError, match=r"score 1 \(b\.png\)"):
        Calibration.from_scores([1, 2], [0.1, bad], 0.1, names=["a.png", "b.png"])


def test_no_score_is_refused():
    with pytest.raises(CalibrationError, match="no held-out scores"):
        conformal_threshold([], 0.1)
    with pytest.raises(CalibrationError, match="no held-out scores"):
        p_values([], [1.0])


# p-values


def test_p_values_are_uniform_over_ranks():
    n = 40
    everything = np.arange(n + 1.0)
    values = [float(p_values(np.delete(everything, i), [everything[i]])[0]) for i in range(n + 1)]
    assert sorted(values) == pytest.approx([(i + 1) / (n + 1) for i in range(n + 1)])


def test_p_values_with_ties_by_hand():
    assert p_values([2.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 2.5, 3.0, 4.0]) == pytest.approx(
        np.array([5, 5, 4, 2, 2, 1]) / 5
    )


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(-1, 6), rates)
@settings(deadline=None)
def test_a_part_is_rejected_exactly_where_its_p_value_is_at_most_the_rate(scores, score, rate):
    threshold = conformal_threshold(scores, rate)
    (p,) = p_values(scores, [float(score)])
    assert (score > threshold.value) == (p <= threshold.rate + 1e-9)


def test_the_p_value_of_a_score_that_is_not_finite_is_refused():
    with pytest.raises(CalibrationError, match="score 1 is nan"):
        p_values([1.0, 2.0], [1.5, np.nan])


# The tail


def grid(shape, n=400, scale=2.0):
    """A sample without chance: the quantiles of a generalised Pareto distribution at the plotting positions."""
    return genpareto.ppf((np.arange(n) + 0.5) / n, shape, scale=scale)


@pytest.mark.parametrize("shape", [-0.4, -0.1, 0.0, 0.2, 0.5])
def test_fit_recovers_a_known_tail(shape):
    found, scale = fit_tail(grid(shape))
    assert found == pytest.approx(shape, abs=0.06)
    assert scale == pytest.approx(2.0, rel=0.06)


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
def test_fit_is_as_likely_as_the_fit_of_scipy(shape):
    sample = genpareto.rvs(shape, size=300, random_state=7)
    found, scale = fit_tail(sample)
    theirs = genpareto.fit(sample, floc=0)
    ours = genpareto.logpdf(sample, found, scale=scale).sum()
    assert ours > genpareto.logpdf(sample, *theirs).sum() - 1.0


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=40), st.sampled_from([1e-8, 1.0, 1e8]))
@settings(deadline=None)
def test_fit_scales_with_the_sample(sample, factor):
    shape, scale = fit_tail(sample)
    again, rescaled = fit_tail(np.array(sample) * factor)
    assert np.isfinite([shape, scale]).all()
    assert scale > 0
    assert again == pytest.approx(shape, rel=1e-6, abs=1e-6)
    assert rescaled == pytest.approx(scale * factor, rel=1e-6)


def test_fit_refuses_what_is_no_excess():
    with pytest.raises(CalibrationError, match="an excess is 0"):
        fit_tail([0.0, 1.0])


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.2])
@pytest.mark.parametrize("rate", [2e-4, 1e-4])
def test_tail_threshold_is_near_the_true_quantile(shape, rate):
    threshold = tail_threshold(grid(shape, n=2000), rate)
    assert (threshold.kind, threshold.guaranteed, threshold.rate, threshold.n) == ("tail", False, rate, 2000)
    assert genpareto.sf(threshold.value, shape, scale=2.0) == pytest.approx(rate, rel=0.35)


@pytest.mark.parametrize("rate", [0.1, 0.01, 0.001])
def test_what_can_be_promised_is_promised_and_not_extrapolated(rate):
    assert tail_threshold(grid(0.1, n=2000), rate) == conformal_threshold(grid(0.1, n=2000), rate)


def test_tail_threshold_moves_with_the_scores(rng):
    scores = rng.gamma(3, size=200)
    base = tail_threshold(scores, 0.001).value
    assert tail_threshold(scores * 1e-3 - 5, 0.001).value == pytest.approx(base * 1e-3 - 5)


def test_a_smaller_rate_is_a_higher_threshold_and_never_below_what_was_seen(rng):
    for sample in (rng.uniform(size=60), rng.normal(size=60), rng.pareto(2, size=60)):
        values = [tail_threshold(sample, rate).value for rate in (0.1, 0.05, 0.01, 1e-3, 1e-5)]
        assert all(low <= high for low, high in itertools.pairwise(values))
        assert values[2] >= sample.max()


def test_without_a_tail_to_fit_the_conformal_threshold_is_given():
    for scores in (np.arange(19.0), np.full(100, 3.0), np.append(np.zeros(100), [1.0, 2.0])):
        assert tail_threshold(scores, 0.001) == conformal_threshold(scores, 0.001)
    inside = np.arange(1000.0)
    assert tail_threshold(inside, 0.2) == conformal_threshold(inside, 0.2)


# Words and files


def test_a_promise_that_cannot_be_kept_is_told():
    text = promise(conformal_threshold(np.arange(21.0), 0.01))
    assert (
        "With 21 held-out good images the smallest false-reject rate that can be promised is 4.5 %; 1 % was wanted"
        in text
    )
    assert "99 of them" in text
    assert conformal_threshold(np.arange(99.0), 0.01).rate == 0.01
    assert conformal_threshold(np.arange(98.0), 0.01).rate > 0.01


def test_a_promise_and_an_extrapolation_are_told_apart(rng):
    scores = rng.normal(size=50)
    assert "at most 5 % are rejected: promised by 50 held-out good images" in promise(conformal_threshold(scores, 0.05))
    assert "0.1 % is an extrapolation" in promise(tail_threshold(scores, 0.001))
    assert "1 held-out good image " in promise(conformal_threshold([1.0], 0.01))


def test_calibration_keeps_scores_in_order_and_draws_both_thresholds():
    made = Calibration.from_scores([3.0, 1.0, 2.0], [30.0, 10.0, 20.0], 0.5)
    assert made.scores == (1.0, 2.0, 3.0)
    assert (made.image.value, made.pixel.value) == (2.0, 20.0)
    assert (made.wanted, made.kind) == (0.5, "conformal")
    with pytest.raises(CalibrationError, match="3 scores beside 2 map maxima"):
        Calibration.from_scores([3.0, 1.0, 2.0], [1.0, 2.0], 0.5)


def test_a_good_image_shows_a_region_with_at_most_the_rate(rng):
    maps = rng.normal(size=(40, 8, 8))
    outcomes = []
    for i in range(40):
        held_out = np.delete(maps, i, axis=0)
        pixel = Calibration.from_scores(held_out.mean((1, 2)), held_out.max((1, 2)), 0.1).pixel
        outcomes.append((maps[i] > pixel.value).any())
    assert np.mean(outcomes) == 0.1


@pytest.mark.parametrize("kind", ["conformal", "tail"])
def test_calibration_survives_json(kind, rng):
    made = Calibration.from_scores(rng.normal(size=30), rng.normal(size=30), 0.01, kind)
    adapter = TypeAdapter(Calibration)
    plain = json.loads(json.dumps(adapter.dump_python(made, mode="json")))
    assert adapter.validate_python(plain) == made
