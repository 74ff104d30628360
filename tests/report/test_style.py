"""The style sheet: every colour has its dark twin, and text can be read on what it stands on."""

import re
from importlib.resources import files

import pytest

CSS = files("untaught.report").joinpath("page.css").read_text("utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#\w{6});", block)) for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)[:2]
)


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_colour_has_a_dark_twin():
    assert set(LIGHT) == set(DARK) >= {"ink", "paper", "good", "bad", "c7"}


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(colours):
    for ink in ("ink", "soft", "good", "bad", "accent"):
        assert contrast(colours[ink], colours["paper"]) >= 4.5, ink
    for ink in ("ink", "soft"):
        assert contrast(colours[ink], colours["ground"]) >= 4.5, ink
    assert contrast(colours["warn-ink"], colours["warn"]) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_lines_have_the_contrast_of_graphics(colours):
    for index in range(8):
        assert contrast(colours[f"c{index}"], colours["paper"]) >= 3
