import json
from dataclasses import asdict

import numpy as np
import pytest

from untaught.anomalies.draw import Drawer
from untaught.anomalies.settings import AnomalySettings
from untaught.engine.drawn import Pictures, detect_drawn, draw, held_out
from untaught.engine.predict import Detector
from untaught.errors import DataError, RunError
from untaught.records import GOOD
from untaught.report.drawn import view_drawn
from untaught.report.evaluation import read_drawn
from untaught.run import Run

SIZES = (0.05, 0.6)


@pytest.fixture(scope="module")
def drawn(run_folder, tmp_path_factory):
    """A copy of the run, and what it finds of drawn defects."""
    import shutil

    folder = tmp_path_factory.mktemp("drawn") / "run"
    shutil.copytree(run_folder, folder)
    run = Run(folder)
    return run, detect_drawn(run, sizes=SIZES, draws=12)


def test_the_file_tells_what_was_returned(drawn):
    run, rows = drawn
    table = json.loads((run.folder / "drawn.json").read_text())
    assert table["rows"] == [asdict(row) for row in rows]
    assert table["side"] == run.card.recipe.height
    assert 1 <= table["images"] <= 12


def test_verdicts_are_those_of_the_threshold_and_only_held_out_images_are_drawn_on(drawn):
    run, rows = drawn
    calibration = run.card.calibration
    assert [row.reject for row in rows] == [row.score > calibration.image.value for row in rows]
    assert {row.image for row in rows} <= {item.name for item in run.card.data.calibration}
    assert all(row.change > 0 and 0 < row.area < 0.5 for row in rows)


def test_larger_and_stronger_defects_are_found_more_often(drawn):
    rows = drawn[1]
    assert {row.size for row in rows} == set(SIZES)
    small, large = ([row.score for row in rows if row.size == size] for size in SIZES)
    assert np.mean(large) > np.mean(small)


def test_the_same_again(drawn):
    run, rows = drawn
    assert detect_drawn(run, sizes=SIZES, draws=12) == rows


def test_each_is_inspected_when_it_is_drawn_so_that_memory_does_not_depend_on_their_number(
    drawn, tmp_path, monkeypatch
):
    import shutil

    drawing, judging, waiting, most = Drawer.__call__, Detector._judge, 0, 0

    def draw_one(self, *given):
        nonlocal waiting, most
        pair = drawing(self, *given)
        waiting += pair.kind != GOOD
        most = max(most, waiting)
        return pair

    def judge_one(self, scored):
        nonlocal waiting
        waiting -= 1
        return judging(self, scored)

    monkeypatch.setattr(Drawer, "__call__", draw_one)
    monkeypatch.setattr(Detector, "_judge", judge_one)
    shutil.copytree(drawn[0].folder, tmp_path / "run")
    assert detect_drawn(Run(tmp_path / "run"), sizes=SIZES, draws=12) == drawn[1]
    assert waiting == 0
    assert most <= 4


def test_pictures_are_decoded_when_asked_for_and_few_are_kept():
    read = []
    pictures = Pictures(lambda number: read.append(number) or np.full((2, 2, 3), number, np.uint8), 3, 2)
    assert (len(pictures), read) == (3, [])
    assert [int(pictures[number][0, 0, 0]) for number in (0, 1, 1, 2, 0)] == [0, 1, 1, 2, 0]
    assert read == [0, 1, 2, 0]
    assert len(list(pictures)) == 3


def test_the_report_shows_them_as_synthetic(drawn):
    view = view_drawn(drawn[0])
    assert view.lead.startswith("Synthetic: ")
    assert "synthetic" in view.curve
    assert [row[1].text for row in view.sizes.rows] == ["5\u202f%", "60\u202f%"]


def test_sizes_are_those_asked_for():
    images = [np.full((64, 96, 3), value, np.uint8) for value in (60, 120)]
    settings = AnomalySettings(kinds={"perlin": 1.0})
    for number, size, pair in draw(images, settings, (0.25, 0.5), 6, 0, [None, None]):
        assert np.array_equal(pair.image, images[number])
        extent = max(np.ptp(np.flatnonzero(pair.mask.any(axis))) for axis in (0, 1)) + 1
        assert extent <= size * 64


def test_images_take_turns_over_all_sizes_and_are_drawn_on_where_they_are_looked_at():
    images = [np.full((64, 64, 3), value, np.uint8) for value in (60, 120, 180)]
    inside = np.zeros((64, 64), np.bool_)
    inside[:, 4:8] = True
    found = list(draw(images, AnomalySettings(kinds={"perlin": 1.0}), (0.25, 0.5, 0.6), 1, 0, [None, inside, inside]))
    assert [number for number, _, _ in found] == [0, 1, 2]
    for number, _, pair in found[1:]:
        assert pair.mask.any(), number
        assert not (pair.mask & ~inside).any()


def test_nothing_larger_than_the_region_is_drawn_and_counted_as_that_large():
    inside = np.zeros((64, 64), np.bool_)
    inside[20:40, 30:40] = True
    images = [np.full((64, 64, 3), value, np.uint8) for value in (60, 120)]
    found = draw(images, AnomalySettings(kinds={"perlin": 1.0}), (0.1, 0.3, 0.4), 2, 0, [None, inside])
    assert [(number, size) for number, size, _ in found] == [(0, 0.1), (1, 0.1), (0, 0.3), (1, 0.3), (0, 0.4)]


def test_sizes_that_cannot_be_drawn_are_left_out(drawn, tmp_path):
    import shutil

    shutil.copytree(drawn[0].folder, tmp_path / "run")
    assert {row.size for row in detect_drawn(Run(tmp_path / "run"), sizes=(0.01, 0.02, 0.3), draws=3)} == {0.3}


def test_the_report_tells_what_is_rejected_without_a_defect(drawn):
    known = drawn[0].card.calibration
    above = sum(score > known.image.value for score in known.scores)
    assert f"Without a defect {above} of all {known.image.n} are rejected." in view_drawn(drawn[0]).lead


def test_a_new_calibration_makes_them_untrue(drawn, product, tmp_path):
    import shutil

    from untaught.engine.calibrate import calibrate

    folder = tmp_path / "run"
    shutil.copytree(drawn[0].folder, folder)
    good = tmp_path / "good"
    shutil.copytree(product / "test" / "good", good)
    calibrate(Run(folder), str(good))
    assert Run(folder).drawn() is None
    with pytest.raises(DataError, match="none of the 8 good images"):
        held_out(Detector(folder), str(product / "train"), 4)
    samples, products, images = held_out(Detector(folder), str(good), 4)
    assert len(samples) == len(images) == 4
    assert products == [""] * 4


def test_a_damaged_file_is_named(drawn, tmp_path):
    run = Run(drawn[0].folder)
    run.folder = tmp_path
    (tmp_path / "drawn.json").write_text('{"images": 3, "side": 64, "rows": [{"size": 2}]}')
    with pytest.raises(RunError, match=r"rows\.0\.\w+. is damaged"):
        read_drawn(run)
    (tmp_path / "drawn.json").write_text("{")
    with pytest.raises(RunError, match=r"drawn\.json"):
        read_drawn(run)
