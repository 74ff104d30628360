"""Labels of 8-connected regions against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from untaught.errors import MetricError
from untaught.regions import find_runs, label_regions


def check(mask):
    labels, count = label_regions(mask)
    expected, expected_count = ndimage.label(mask, np.ones((3, 3)))
    assert count == expected_count
    assert labels.dtype == np.int32
    assert np.array_equal(labels > 0, mask)
    assert len(np.unique(np.stack([labels[mask], expected[mask]]), axis=1).T) == count
    first = [np.flatnonzero(labels == number)[0] for number in range(1, count + 1)]
    assert first == sorted(first)
    runs = find_runs(mask)
    assert runs.areas.tolist() == [(labels == number).sum() for number in range(1, count + 1)]
    slices = ndimage.find_objects(labels)
    assert runs.boxes.tolist() == [[x.start, y.start, x.stop, y.stop] for y, x in slices]


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 24), st.integers(1, 24), st.sampled_from([0.0, 0.1, 0.4, 0.6, 0.9, 1.0])
)
@settings(deadline=None, max_examples=150)
def test_equal_to_scipy(seed, height, width, density):
    check(np.random.default_rng(seed).random((height, width)) < density)


def spiral(size):
    mask, low, high = np.zeros((size, size), bool), 0, size - 1
    while low <= high:
        mask[low, max(low - 2, 0) : high + 1] = mask[low : high + 1, high] = mask[high, low : high + 1] = True
        mask[low + 2 : high + 1, low] = True
        low, high = low + 2, high - 2
    return mask


@pytest.mark.parametrize(
    "mask",
    [
        spiral(61),
        np.indices((40, 41)).sum(0) % 2 == 0,
        np.arange(40)[None, :] % 2 == np.zeros((30, 1)),
        (np.arange(40)[None, :] % 2 == 0) | (np.arange(30)[:, None] == 29),
        np.eye(30, dtype=bool)[:, ::-1],
        np.indices((31, 31)).max(0) % 2 == 0,
    ],
    ids=["spiral", "chequers", "stripes", "comb", "diagonal", "nested corners"],
)
def test_shapes_that_join_late(mask):
    check(mask)


def test_a_mask_without_pixels_has_no_region():
    assert label_regions(np.zeros((0, 5), bool))[1] == 0


def test_the_end_of_a_row_does_not_touch_the_start_of_the_next():
    assert label_regions(np.array([[False, False, True], [False, False, False], [True, False, False]]))[1] == 2
    assert label_regions(np.array([[False, False, True], [True, False, False]]))[1] == 2


def test_a_mask_that_is_not_binary_is_refused():
    with pytest.raises(MetricError, match="uint8"):
        label_regions(np.zeros((3, 3), np.uint8))
    with pytest.raises(MetricError, match=r"shape \(3,\)"):
        label_regions(np.zeros(3, bool))
