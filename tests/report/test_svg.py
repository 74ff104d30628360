import xml.etree.ElementTree as ET

import pytest

from untaught.report.svg import Axis, Plot, spanning, thin


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 0.3, [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]),
        (0.62, 2.25, [0.75, 1, 1.25, 1.5, 1.75, 2, 2.25]),
        (-3, 14, [-2.5, 0, 2.5, 5, 7.5, 10, 12.5]),
        (100, 101, [100, 100.2, 100.4, 100.6, 100.8, 101]),
    ],
)
def test_ticks_are_round(low, high, ticks):
    assert Axis("", low, high).ticks() == ticks


@pytest.mark.parametrize(("low", "high"), [(0.01, 1000), (0.2, 30), (1.0, 1.3), (3e-9, 4e9)])
def test_logarithmic_ticks_lie_inside_and_are_few(low, high):
    ticks = Axis("", low, high, log=True).ticks()
    assert 2 <= len(ticks) <= 8
    assert all(low <= tick <= high for tick in ticks)
    assert ticks == sorted(ticks)


def test_whole_numbers_only():
    assert Axis("", 0, 2.2, whole=True).ticks() == [0, 1, 2]


def test_share():
    assert Axis("", 0, 4).share(1) == 0.25
    assert Axis("", 1, 100, log=True).share(10) == pytest.approx(0.5)
    assert Axis("", 0, 1).share(7) == 1.0
    assert Axis("", 1, 100, log=True).share(-3) == 0.0


@pytest.mark.parametrize(("low", "high", "log"), [(1, 1, False), (0, 1, True), (float("nan"), 1, False)])
def test_an_impossible_axis_is_refused(low, high, log):
    with pytest.raises(ValueError, match="axis"):
        Axis("x", low, high, log=log)


@pytest.mark.parametrize("values", [[], [5.0], [0.0], [-1.0, float("inf")], [1.0, 2.0]])
@pytest.mark.parametrize("log", [False, True])
def test_an_axis_spans_whatever_comes(values, log):
    axis = spanning("x", values, log=log)
    assert all(axis.low < value < axis.high for value in values if value != float("inf"))


def test_picture_is_well_formed_and_escaped():
    plot = Plot(Axis("<x>", 0, 1), Axis('"y"', 0, 1), "a & b")
    plot.line([(0, 0), (1, 1)], "c0")
    plot.area([(0, 0), (1, 1)], "c0")
    plot.bar(0.1, 0.2, 0.5, "good", "<b>")
    plot.dot((0.5, 0.5), "c0", "</title>")
    plot.rule(0.9, "<script>")
    plot.rug([0.1, 0.2], "held")
    root = ET.fromstring(plot.draw())
    assert root.attrib["aria-label"] == "a & b"
    texts = [element.text for element in root.iter() if element.text]
    assert {"<x>", '"y"', "<b>", "</title>", "<script>"} <= set(texts)


def test_thinned_curve_keeps_its_ends_and_its_shape():
    points = [(i / 10_000, (i / 10_000) ** 0.5) for i in range(10_001)]
    kept = thin(points)
    assert kept[0] == (0.0, 0.0)
    assert kept[-1] == (1.0, 1.0)
    assert len(kept) < 700
    assert thin([]) == []
    assert thin([(0.0, 0.5)]) == [(0.0, 0.5)]
