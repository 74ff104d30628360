"""The area to a limit by hand, and the definition on maps small enough to do in the head."""

import numpy as np
import pytest

from untaught.errors import MetricError
from untaught.metrics.accumulate import MaskedMap, pixel_metrics
from untaught.metrics.aupro import area_to
from untaught.metrics.curves import Curve, pro_from
from untaught.metrics.tally import tally


def of(scores, mask, limit=0.3):
    item = MaskedMap("x", np.array(scores, np.float32), np.array(mask, bool))
    return pixel_metrics([item], [limit]).aupro[limit]


@pytest.mark.parametrize(("limit", "area"), [(1.0, 0.6875), (0.5, 0.5), (0.25, 0.4375), (0.75, 0.6041666667)])
def test_area_is_cut_by_interpolation(limit, area):
    # Up to 3/8 at x = 0, along a slope to 5/8 at 1/2, up to 3/4, level to 3/4, along a slope to 1.
    line = Curve(np.array([0, 0, 0.5, 0.5, 0.75, 1]), np.array([0, 0.375, 0.625, 0.75, 0.875, 1]))
    expected = {1.0: 0.25 + 0.203125 + 0.234375, 0.5: 0.25, 0.25: 0.25 * (0.375 + 0.5) / 2, 0.75: 0.25 + 0.203125}
    assert area_to(line, limit) == pytest.approx(expected[limit] / limit)
    assert area == pytest.approx(expected[limit] / limit)


@pytest.mark.parametrize("limit", [0, -0.1, 1.1, float("nan")])
def test_a_limit_out_of_range_is_refused(limit):
    with pytest.raises(MetricError, match="limit"):
        area_to(Curve(np.array([0.0, 1.0]), np.array([0.0, 1.0])), limit)


def test_a_perfect_map_has_one_exactly():
    assert of([[9, 8, 0, 1], [7, 2, 0, 0], [0, 0, 0, 5]], [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]) == 1.0


def test_one_big_region_found_and_one_small_missed_is_one_half():
    scores, mask = np.zeros((40, 40)), np.zeros((40, 40), bool)
    mask[:20, :30] = mask[35, 35] = True
    scores[:20, :30] = 1
    scores[35, 35] = -1  # below every good pixel: found only once all of them are alarms
    assert of(scores, mask) == pytest.approx(0.5)


def test_a_constant_map_is_chance():
    assert of(np.full((6, 6), 0.7), np.eye(6)) == pytest.approx(0.15)


def test_pixels_that_touch_by_a_corner_are_one_region():
    scores = np.array([[9, 0, 0, 9], [0, -1, 0, 0], [0, 0, 0, 0]])
    # Region {(0,0), (1,1)} is found by half, region {(0,3)} whole. By sides only it would be two found and one missed.
    mask = [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert of(scores, mask) == pytest.approx(0.75)


def test_a_tie_of_a_good_and_a_defect_pixel_is_a_diagonal():
    # Scores 2: one of two defect pixels and one of four good ones. From (0, 0) straight to (1/4, 1/2).
    assert of([[2, 2, 0, 0, 0, -1]], [[1, 0, 0, 0, 0, 1]], 0.25) == pytest.approx(0.25)


def test_a_tally_of_images_gives_the_partial_area_under_roc():
    counted = tally([3.0, 1.0, 2.0, 0.0], [1, 1, 0, 0])
    assert area_to(pro_from(counted), 1.0) == pytest.approx(0.75)
    assert area_to(pro_from(counted), 0.5) == pytest.approx(0.5)
