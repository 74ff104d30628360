import re
import xml.etree.ElementTree as ET

import pytest

from untaught.render import Scale
from untaught.report import figures


def bars(drawing, style):
    return [int(found) for found in re.findall(rf'class="bar {style}"[^>]*><title>(\d+) ', drawing)]


def test_histogram_counts_every_image():
    drawing = figures.histogram([1.0, 1.1, 1.2, 9.0], [1.5, 8.0], [1.0, 1.3], 2.0)
    assert sum(bars(drawing, "good")) == 4
    assert sum(bars(drawing, "bad")) == 2
    assert drawing.count("v7") == 2
    assert "Above the threshold of 2 lie 1 of 2 defective and 1 of 4 good images." in drawing
    ET.fromstring(drawing)


def test_histogram_of_held_out_images_alone():
    assert sum(bars(figures.histogram([], [], [1.0, 1.3, 1.3], 1.3), "held")) == 3


@pytest.mark.parametrize(("worst", "log"), [(3.0, False), (500.0, True)])
def test_histogram_of_far_apart_scores_is_logarithmic(worst, log):
    assert ("logarithmic" in figures.histogram([1.0, 1.2], [worst], [1.1], 2.0)) is log


def test_histogram_of_equal_or_negative_scores():
    for drawn in (
        figures.histogram([0.0], [0.0], [0.0], 0.0),
        figures.histogram([-5.0], [-900.0, 4.0], [-6.0], -1.0),
    ):
        assert ET.fromstring(drawn).tag.endswith("svg")
        assert "nan" not in drawn


def test_roc_marks_the_threshold():
    drawing = figures.roc({"images": [(0, 0), (0, 0.9), (1, 1)]}, (0.05, 0.93))
    assert "at the threshold: 5.0" in drawing
    assert 'class="line c0"' in drawing


def test_pro_is_cut_at_its_limit():
    drawing = figures.pro({"test set": [(0, 0), (0.2, 0.6), (0.4, 0.8), (1, 1)]}, 0.3)
    right, top = re.search(r'class="line c0" d="M[\d.,L]*L([\d.]+),([\d.]+)"', drawing).groups()
    plot = figures.Plot(figures.Axis("", 0, 0.3), figures.Axis("", 0, 1), "")
    assert (float(right), float(top)) == pytest.approx(plot.at((0.3, 0.7)), abs=0.1)


def test_colours_stay_with_the_runs():
    drawing = figures.pro({"a": [], "b": [(0, 0), (1, 1)]}, 0.3)
    assert 'class="line c1"' in drawing
    assert 'class="line c0"' not in drawing


def test_training_curve_of_stages():
    log = [
        {"stage": "a", "epoch": 0, "loss": 2.0, "held_out": 3.0},
        {"stage": "a", "epoch": 1, "loss": 1.0, "held_out": 2.0},
    ]
    drawing = figures.training([*log, {"stage": "b<", "epoch": 0, "loss": 0.5}])
    assert "logarithmic" in drawing
    assert "b&lt;" in drawing
    assert drawing.count('class="line') == 2


def test_training_curve_with_negative_losses_is_linear():
    assert "logarithmic" not in figures.training([{"loss": 1.0}, {"loss": -1.0}])


@pytest.mark.parametrize("log", [[], [{"loss": 1.0}]])
def test_no_training_curve_of_nothing(log):
    assert figures.training(log) is None


def test_outlines_lie_in_pixels_of_the_image():
    drawing = figures.outlines([[(1, 2), (3, 2), (3, 5)], []], (30, 20))
    assert 'viewBox="0 0 30 20"' in drawing
    assert "M1 2L3 2L3 5Z" in drawing


def test_colour_bar_names_the_threshold():
    drawing = figures.colour_bar(Scale(0.0, 1.25, 2.5))
    assert ">1.25<" in drawing
    assert drawing.count("<stop") >= 32
    ET.fromstring(drawing)


def test_share_bar_stays_in_its_cell():
    assert 'width="100.0"' in figures.share_bar(1.7)
    assert 'width="0"' in figures.share_bar(-1).replace("0.0", "0")
