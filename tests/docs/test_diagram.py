"""The figures of the methods are sound SVG, and nothing lies on anything else."""

import xml.etree.ElementTree as ET
from itertools import pairwise

import diagram
import pytest
from pages import description

from untaught.registry import method_names

DESCRIBED = [name for name in method_names() if "boxes" in description(name)]
SVG = "{http://www.w3.org/2000/svg}"
BOXES = [["a", 0, 0, "data", "A & B"], ["b", 1, 0.5, "trained", "B/second line"], ["c", 1, 1.5, "loss", "C"]]


def corners(text):
    tree = ET.fromstring(text)
    return [
        [float(v) for v in pair.split(",")]
        for line in tree.iter(SVG + "polyline")
        for pair in line.get("points").split()
    ]


def test_boxes_arrows_and_escaped_text():
    text = diagram.draw(BOXES, [["a", "b", "x < y"], ["b", "c", ""]], "title")
    tree = ET.fromstring(text)
    words = {item.text for item in tree.iter(SVG + "text")}
    assert {"A & B", "B", "second line", "C", "x < y", "trained", "training only"} <= words
    assert "frozen teacher" not in words, "the legend names what is there"
    assert len(list(tree.iter(SVG + "polygon"))) == 2


def test_arrows_run_straight_and_end_at_their_box():
    text = diagram.draw(BOXES, [["a", "b", ""]], "title")
    points = corners(text)
    for (xa, ya), (xb, yb) in pairwise(points):
        assert xa == xb or ya == yb
    end = diagram.EDGE + diagram.BOX_WIDTH + diagram.GAP_X
    assert points[-1] == [end - 8, diagram.EDGE + 0.5 * (diagram.BOX_HEIGHT + diagram.GAP_Y) + diagram.BOX_HEIGHT / 2]


def test_a_wrong_name_is_an_error():
    with pytest.raises(KeyError):
        diagram.draw(BOXES, [["a", "nobody", ""]], "title")


@pytest.mark.parametrize("name", DESCRIBED)
def test_the_figure_of_a_method(name):
    found = description(name)
    places = [(column, row) for _, column, row, _, _ in found["boxes"]]
    assert all(abs(a[1] - b[1]) >= 1 or a[0] != b[0] for number, a in enumerate(places) for b in places[:number]), (
        "boxes lie on each other"
    )
    assert {name for name, *_ in found["boxes"]} == {end for arrow in found["arrows"] for end in arrow[:2]}
    longest = max(len(line.strip()) for *_, text in found["boxes"] for line in text.split("/"))
    assert longest <= 22, "text is wider than its box"
