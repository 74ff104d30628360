"""Regions of anomaly maps; their labels are tested in test_region_labels.py."""

import numpy as np
import pytest

from untaught.image import resize_map
from untaught.regions import WORK_PIXELS, find_regions, label_regions, outlines_of


def bumps(*at, side=32):
    scores = np.zeros((side, side), np.float32)
    for y, x, height, width, value in at:
        scores[y : y + height, x : x + width] = value
    return scores


def test_regions_are_sorted_by_score_then_area():
    scores = bumps((2, 3, 4, 5, 1.0), (20, 20, 2, 2, 3.0), (10, 25, 1, 1, 1.0))
    found = find_regions(scores, 0.5, (32, 32))
    assert [(region.score, region.area, region.box) for region in found] == [
        (3.0, 4, (20, 20, 22, 22)),
        (1.0, 20, (3, 2, 8, 6)),
        (1.0, 1, (25, 10, 26, 11)),
    ]
    assert found[1].contour.dtype == np.int32
    assert sorted(found[1].contour.tolist()) == [[3, 2], [3, 6], [8, 2], [8, 6]]


def test_threshold_itself_is_not_above():
    assert find_regions(np.full((4, 4), 2.0, np.float32), 2.0, (4, 4)) == ()


def test_whole_image_is_one_region():
    (region,) = find_regions(np.ones((4, 6), np.float32), 0.5, (300, 200))
    assert region.box == (0, 0, 300, 200)
    assert region.area == 60_000


def test_stretched_to_an_oblong_image():
    (region,) = find_regions(bumps((8, 16, 8, 8, 1.0)), 0.5, (320, 96))
    assert region.box == pytest.approx((160, 24, 240, 48), abs=2)
    assert region.area == pytest.approx(80 * 24, rel=0.05)
    assert region.contour[:, 0].max() <= 320


def test_a_huge_image_is_scaled_from_a_smaller_grid():
    side = 8 * int(WORK_PIXELS**0.5)
    (region,) = find_regions(bumps((8, 16, 8, 8, 1.0)), 0.5, (side, side))
    assert region.box == pytest.approx((side / 2, side / 4, side * 3 / 4, side / 2), abs=side / 100)
    assert region.area == pytest.approx(side * side / 16, rel=0.05)


def test_a_peak_is_not_lost_in_an_image_smaller_than_the_map():
    (region,) = find_regions(bumps((9, 9, 1, 1, 1.0)), 0.5, (8, 8))
    assert region.score == 1.0
    assert region.area == 1
    assert region.box == (2, 2, 3, 3)


def test_one_pixel_image():
    (region,) = find_regions(np.ones((16, 16), np.float32), 0.5, (1, 1))
    assert (region.box, region.area) == ((0, 0, 1, 1), 1)


def test_outlines_are_those_of_a_mask_and_of_its_holes():
    inside = np.zeros((40, 60), np.bool_)
    inside[5:35, 5:55] = True
    inside[15:20, 20:30] = False
    found = [(contour.min(axis=0).tolist(), contour.max(axis=0).tolist()) for contour in outlines_of(inside, (60, 40))]
    assert found == [([5, 5], [55, 35]), ([20, 15], [30, 20])]
    assert len(outlines_of(~inside, (60, 40))) == 3, "frame and island, and the hole between them"


@pytest.mark.parametrize("size", [(96, 64), (333, 77), (40, 30)])
def test_only_a_part_of_the_map_is_stretched_and_nothing_is_lost_or_moved(size):
    for seed in range(40):
        rng = np.random.default_rng(seed)
        scores = resize_map(rng.normal(size=(5, 7)).astype(np.float32), (30, 24))
        threshold = float(np.quantile(scores, 0.9)) + 1e-3
        grid = (max(30, size[0]), max(24, size[1]))
        labels, count = label_regions(resize_map(scores, grid) > threshold)
        found = find_regions(scores, threshold, grid)
        assert len(found) == count
        assert sorted(region.area for region in found) == sorted(np.bincount(labels.ravel())[1:])
        tops = {(region.box[0], region.box[1]) for region in found}
        assert tops == {(x.min(), y.min()) for y, x in (np.nonzero(labels == n + 1) for n in range(count))}
        assert {(region.contour[:, 0].min(), region.contour[:, 1].min()) for region in found} == tops
