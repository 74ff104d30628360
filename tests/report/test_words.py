import math

import numpy as np
import pytest

from untaught.records import Result, Threshold
from untaught.report import words


def threshold(rate=0.05, wanted=0.05, n=99, **other):
    return Threshold(
        other.get("value", 1.0), wanted, rate, other.get("guaranteed", True), other.get("kind", "conformal"), n
    )


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (None, "–"),
        (0.0, "0.0"),
        (1.0, "100.0"),
        (0.5, "50.0"),
        (0.9996, "99.96"),
        (0.99999, "99.999"),
        (0.0002, "0.02"),
    ],
)
def test_percent_never_rounds_to_a_round_end(rate, text):
    assert words.percent(rate).removesuffix("\u202f%") == text


def test_nothing_is_a_dash():
    assert {f(None) for f in (words.number, words.percent, words.interval, words.duration)} == {"–"}
    assert words.counted(None, 5) == words.counted(0.5, 0) == "–"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0312, "31 ms"), (61.5, "61.5 s"), (290, "5 min"), (8000, "2 h 13 min")]
)
def test_durations(seconds, text):
    assert words.duration(seconds).replace("\u202f", " ") == text


def test_numbers():
    assert words.number(1234567.0) == "1.235e+06"
    assert words.number(-0.5) == "−0.5"
    assert words.number(math.inf) == "inf"


def test_verdict():
    full = Result(20, 1, miss_rate=0.0, false_reject_rate=0.05)
    assert words.verdict(full).replace("\xa0", " ") == "Finds 1 of 1 defective part and rejects 1 of 20 good ones."
    assert words.verdict(Result(20, 0, false_reject_rate=0.0)).replace("\xa0", " ") == "Rejects 0 of 20 good ones."
    assert words.verdict(Result(20, 3)).replace("\xa0", " ") == "Evaluated on 20 good images and 3 defective ones."


def test_no_warnings_where_all_is_well():
    assert words.warnings(threshold(), Result(100, 5, threshold=1.0, false_reject_rate=0.05), 0) == []
    assert words.warnings(threshold(), None, 0) == []


def test_figures_of_an_older_threshold_are_called_so():
    (text,) = words.warnings(threshold(), Result(100, 5, threshold=0.7, false_reject_rate=0.5), 0)
    assert "taken at a threshold of 0.7" in text


def test_more_rejects_than_promised_are_called_so():
    (text,) = words.warnings(threshold(), Result(100, 5, threshold=1.0, false_reject_rate=0.2), 0)
    assert "20 of 100" in text


def test_images_left_out_are_named():
    (text,) = words.warnings(threshold(), None, 2)
    assert text.replace("\xa0", " ") == "2 images did not decode and were left out of training."


def test_test_images_left_out_are_named():
    result = Result(
        100, 5, threshold=1.0, false_reject_rate=0.05, left_out={"test/b.png": "torn", "test/a.png": "empty"}
    )
    (text,) = words.warnings(threshold(), result, 0)
    assert text == "2\N{NO-BREAK SPACE}test images did not decode and count in no figure: test/a.png, test/b.png."


def test_chance_of_rejects_against_simulation():
    rng = np.random.default_rng(0)
    n, k, good, rejected, trials = 39, 2, 20, 4, 40_000
    scores = rng.random((trials, n + good))
    limit = np.sort(scores[:, :n], axis=1)[:, n - k]
    seen = ((scores[:, n:] > limit[:, None]).sum(axis=1) >= rejected).mean()
    assert words.chance_of_rejects(rejected, good, threshold(k / (n + 1), n=n)) == pytest.approx(seen, abs=0.005)


def test_chance_of_rejects_at_the_ends():
    assert words.chance_of_rejects(0, 50, threshold()) == 1.0
    assert 0 < words.chance_of_rejects(50, 50, threshold()) < 1e-12
    assert words.chance_of_rejects(1, 0, threshold()) == 0.0


@pytest.mark.parametrize(
    ("reject", "regions", "told"),
    [
        (False, 0, ""),
        (False, 1, "good by its score; a region above the pixel threshold"),
        (False, 3, "good by its score; 3 regions above the pixel threshold"),
        (True, 0, "rejected by its score; no region above the pixel threshold"),
        (True, 2, ""),
    ],
)
def test_a_verdict_beside_regions_that_seem_to_contradict_it_is_explained(reject, regions, told):
    assert words.at_odds(reject, regions) == told
