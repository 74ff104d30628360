"""Runtimes that are not torch's equal, and the refusal to export with them."""

from dataclasses import replace

import numpy as np
import pytest

from untaught.calibration import Calibration
from untaught.errors import BundleError
from untaught.export.parity import Comparison, Tally, raised
from untaught.records import ScoreMap

SCORES = [1.0, 2.0, 3.0, 4.0]


def compared(score=0.0, map_=0.0, only=0):
    """Torch beside a runtime that is off by so much on one image."""
    found = Comparison("torch", {"onnxruntime": Tally("9"), "openvino": Tally("9")})
    for number, value in enumerate(SCORES):
        expected = ScoreMap(np.full((4, 4), value, np.float32), value)
        came = expected
        if number == only:
            array = expected.map.copy()
            array[0, 0] += map_
            came = ScoreMap(array, value + score)
        found.add(expected, {"onnxruntime": expected, "openvino": came})
    return found


def calibration():
    return Calibration.from_scores(SCORES, SCORES, 0.4)  # the threshold is 3, the third image's own score


def test_rounding_is_borne_and_told():
    found = compared(score=2e-5, map_=1e-5, only=2)
    found.check(1e-4)
    found.check_verdicts(raised(calibration(), found.rounding))
    record = found.records()["openvino"]
    assert record.score == pytest.approx(2e-5 / 4, rel=1e-3)
    assert found.records()["onnxruntime"].score == 0


def test_an_image_on_the_threshold_does_not_change_its_verdict_by_a_last_digit():
    found, before = compared(score=1e-6, only=2), calibration()
    assert before.image.value == SCORES[2] < found.tallies["openvino"].scores[2]
    with pytest.raises(BundleError, match="1 of 4 held-out images get another verdict"):
        found.check_verdicts(before)
    after = raised(before, found.rounding)
    found.check_verdicts(after)
    assert after.image.value > before.image.value
    assert after.image.rate == before.image.rate


def test_the_verdict_of_a_products_own_threshold_counts_for_its_images():
    found = compared(score=1e-3, only=2)
    known = calibration()
    own = replace(known, image=replace(known.image, value=SCORES[2] + 5e-4))
    with pytest.raises(BundleError, match="1 of 2 held-out images get another verdict"):
        found.check_verdicts(own, [False, True, True, False])
    found.check_verdicts(own, [True, True, False, False])


def test_nor_does_torch_with_other_threads_than_when_it_was_trained():
    found, then = compared(), calibration()
    then = replace(then, image=replace(then.image, value=SCORES[2] - 2e-7))
    assert found.scores[2] > then.image.value
    found.check_verdicts(raised(then, found.rounding))
    assert not found.scores[2] > raised(then, found.rounding).image.value


@pytest.mark.parametrize(
    ("off", "figure"),
    [({"score": 1e-3}, "0.00025 in the score"), ({"map_": 1e-3}, "0.00025 in the map"), ({"score": np.nan}, "inf")],
)
def test_a_runtime_too_far_from_torch_is_refused_with_the_figures(off, figure):
    found = compared(**off)
    with pytest.raises(BundleError, match=rf"openvino 9 differs from torch.*{figure}"):
        found.check(1e-4)


def test_a_threshold_for_all_runtimes_is_drawn_from_the_one_that_gives_more():
    found = compared(score=0.5, map_=0.5, only=1)
    assert found.highest == [(1.0, 1.0), (2.5, 2.5), (3.0, 3.0), (4.0, 4.0)]
