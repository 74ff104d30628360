import numpy as np
import pytest

from untaught.metrics.good_pixels import count_good_pixels
from untaught.metrics.intervals import IntervalCounter


@pytest.mark.parametrize("chunk", [1, 7, 50, 10_000])
@pytest.mark.parametrize("workers", [1, 3])
def test_totals_and_groups_for_any_chunk_in_any_order(rng, chunk, workers):
    edges = np.arange(10.0)
    names = [None, "a", "b", "c", "a", None, "b", "a"]
    pieces = [
        (name, rng.integers(-1, 11, n).astype(float)) for name, n in zip(names, rng.integers(0, 40, 8), strict=True)
    ]
    index = {"a": np.array([0, 3, 9]), "b": np.array([5])}
    total, own = count_good_pixels(iter(pieces), IntervalCounter(edges), index, chunk, workers)
    everything = np.concatenate([values for _, values in pieces])
    assert total.n == len(everything)
    assert total.below.tolist() == [(everything < edge).sum() for edge in edges]
    assert total.upto.tolist() == [(everything <= edge).sum() for edge in edges]
    for group, where in index.items():
        beside = np.concatenate([values for name, values in pieces if name in (group, None)])
        assert own[group].n == len(beside)
        assert own[group].below.tolist() == [(beside < edge).sum() for edge in edges[where]]
        assert own[group].upto.tolist() == [(beside <= edge).sum() for edge in edges[where]]


def test_no_pixel_at_all():
    total, own = count_good_pixels(iter([]), IntervalCounter(np.arange(3.0)), {"a": np.array([1])}, 10, 1)
    assert (total.n, total.below.tolist(), own["a"].upto.tolist()) == (0, [0, 0, 0], [0])
