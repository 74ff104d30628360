import numpy as np
import pytest

from untaught.metrics.defect_pixels import defect_pixels, join


def test_each_region_weighs_one_whatever_its_size(rng):
    mask = np.zeros((20, 30), bool)
    mask[2:12, 3:20] = True
    mask[15, 29] = True
    found = defect_pixels(rng.random((20, 30)), mask)
    assert found.regions == 2
    assert found.weights.sum() == pytest.approx(2)
    assert found.hits.sum() == mask.sum()
    assert np.all(np.diff(found.values) > 0)


def test_equal_scores_are_merged():
    mask = np.array([[True, True, False, True]])
    found = defect_pixels(np.array([[5.0, 7.0, 9.0, 5.0]], np.float32), mask)
    assert found.values.tolist() == [5, 7]
    assert found.hits.tolist() == [2, 1]
    assert found.weights.tolist() == [1.5, 0.5]


def test_joined_images_are_one_set(rng):
    maps = rng.integers(0, 5, (3, 8, 8)).astype(np.float32)
    masks = rng.random((3, 8, 8)) < [[[0.3]], [[0.0]], [[1.0]]]
    parts = [defect_pixels(*pair) for pair in zip(maps, masks, strict=True)]
    both = join(parts)
    values, hits = np.unique(maps[masks], return_counts=True)
    assert both.values.tolist() == values.tolist()
    assert both.hits.tolist() == hits.tolist()
    assert both.regions == sum(part.regions for part in parts)
    assert both.weights.sum() == pytest.approx(both.regions)


def test_an_empty_mask_has_no_pixel():
    found = defect_pixels(np.zeros((2, 2)), np.zeros((2, 2), bool))
    assert (len(found.values), found.regions) == (0, 0)
