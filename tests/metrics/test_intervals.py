import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from untaught.metrics.intervals import IntervalCounter

floats32 = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.integers(-3, 3).map(float),
    st.sampled_from([0.0, -0.0, float(np.finfo(np.float32).max), float(np.finfo(np.float32).min), 1e-45, -1e-45]),
)


def check(edges, values, bits):
    counter = IntervalCounter(edges, bits)
    below, upto = counter.settle(*counter.split(values))
    assert below.tolist() == [(values < edge).sum() for edge in edges]
    assert upto.tolist() == [(values <= edge).sum() for edge in edges]


@given(st.lists(floats32, min_size=1, max_size=20), st.lists(floats32, max_size=60), st.integers(0, 20))
@settings(deadline=None)
def test_counts_are_exact_for_any_table(edges, values, bits):
    check(np.unique(np.array(edges, np.float32)), np.array(values, np.float32), bits)


@given(
    arrays(np.float64, 8, elements=st.floats(allow_nan=False, allow_infinity=False)),
    arrays(np.float64, 30, elements=st.floats(allow_nan=False, allow_infinity=False)),
)
@settings(deadline=None)
def test_counts_are_exact_beyond_the_precision_and_range_of_float32(edges, values):
    check(np.unique(edges), np.concatenate([values, edges, np.nextafter(edges, 0)]), 8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_float_type(dtype, rng):
    check(np.unique(rng.normal(size=50).astype(dtype)), rng.normal(size=2000).astype(dtype), 20)


def test_parts_add_up(rng):
    edges, values = np.unique(rng.normal(size=100)), rng.normal(size=1000)
    counter = IntervalCounter(edges)
    first, second = counter.split(values[:300]), counter.split(values[300:])
    both = counter.settle(first[0] + second[0], np.concatenate([first[1], second[1]]))
    once = counter.settle(*counter.split(values))
    assert np.array_equal(both[0], once[0])
    assert np.array_equal(both[1], once[1])


def test_most_values_are_settled_without_being_kept(rng):
    values = rng.random(100_000).astype(np.float32)
    _, close = IntervalCounter(np.unique(rng.random(1000).astype(np.float32))).split(values)
    assert len(close) < 1000
