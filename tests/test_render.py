import numpy as np
import pytest
from PIL import Image

from untaught.regions import find_regions
from untaught.render import Scale, bar_ticks, colour_bar, colour_table, draw_contours, heat_map, overlay

SCALE = Scale(0.0, 2.0, 10.0)


def oklab_lightness(rgb):
    """L of OKLab from sRGB, by the published matrices, the other way round than in the code."""
    value = rgb / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    matrix = [
        (0.4122214708, 0.5363325363, 0.0514459929),
        (0.2119034982, 0.6806995451, 0.1073969566),
        (0.0883024619, 0.2817188376, 0.6299787005),
    ]
    return np.cbrt(linear @ np.array(matrix).T) @ (0.2104542553, 0.7936177850, -0.0040720468)


def test_lightness_rises_evenly():
    steps = np.diff(oklab_lightness(colour_table()[::5]))
    assert steps.min() > 0
    assert steps.std() < 0.25 * steps.mean()


def test_colours_cannot_be_changed_by_a_user():
    with pytest.raises(ValueError, match="read-only"):
        colour_table()[0] = 0


def test_threshold_is_the_middle_of_the_scale():
    shown = SCALE.display(np.array([-5.0, 0.0, 1.0, 2.0, 6.0, 10.0, 99.0]))
    assert shown.tolist() == [0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0]


@pytest.mark.parametrize(("threshold", "typical"), [(1.5, 0.0), (-3.0, -8.0), (0.0, 0.0), (2.0, 2.0), (-2.0, 5.0)])
def test_scale_around_any_threshold_rises(threshold, typical):
    scale = Scale.around(threshold, typical)
    assert scale.low < scale.threshold == threshold < scale.high


def test_heat_map_takes_its_colours_from_the_table():
    picture = heat_map(np.array([[0.0, 2.0, 10.0, np.nan]], np.float32), SCALE)
    assert picture.dtype == np.uint8
    assert picture[0, [0, 2]].tolist() == colour_table()[[0, 255]].tolist()
    assert picture[0, 3].tolist() == [128, 128, 128]


def test_overlay_leaves_ordinary_pixels_alone_and_marks_the_others():
    image = np.full((40, 60, 3), 90, np.uint8)
    scores = np.zeros((20, 20), np.float32)
    scores[5:10, 5:10] = 8.0
    picture = overlay(image, scores, SCALE)
    assert picture.shape == image.shape
    assert (picture[30:, 40:] == 90).all()
    assert np.abs(picture[15, 22].astype(int) - 90).max() > 50
    assert (image == 90).all()


def test_overlay_takes_a_picture_and_a_threshold():
    picture = overlay(Image.new("RGB", (8, 8), (9, 9, 9)), np.full((4, 4), 0.9, np.float32), 1.0)
    assert picture.tolist() == np.full((8, 8, 3), 9).tolist()


def test_contours_are_drawn_around_regions_and_stay_inside_the_image():
    image = np.full((50, 50, 3), 90, np.uint8)
    scores = np.zeros((50, 50), np.float32)
    scores[20:30, 10:50] = 5.0
    drawn = draw_contours(image, find_regions(scores, 1.0, (50, 50)))
    assert (drawn[20, 15:45] == 255).all()
    assert (drawn[20:30, 49] == 255).all()
    assert (drawn[25, 20:40] == 90).all()
    assert (drawn[:15] == 90).all()


def test_drawing_nothing_gives_a_copy():
    image = np.zeros((4, 4, 3), np.uint8)
    drawn = draw_contours(image, [])
    assert np.array_equal(drawn, image)
    assert not np.shares_memory(drawn, image)


@pytest.mark.parametrize(
    "scale", [SCALE, Scale.around(0.61, 0.0), Scale.around(-4e-5, -9e-5), Scale.around(13000.0, 12500.0)]
)
def test_bar_names_the_threshold_and_round_values(scale):
    ticks = bar_ticks(scale)
    assert 3 <= len(ticks) <= 9
    assert ticks == sorted(ticks)
    assert any(tick == pytest.approx(scale.threshold, rel=0.01) for tick in ticks)
    assert all(scale.low <= tick <= scale.high or tick == pytest.approx(scale.threshold, rel=0.01) for tick in ticks)


def test_bar_runs_from_dark_to_light_with_a_mark_in_the_middle():
    bar = colour_bar(SCALE, 300, 44)
    assert bar.shape == (44, 300, 3)
    assert bar[4, 0].tolist() == colour_table()[0].tolist()
    assert bar[4, -1].tolist() == colour_table()[255].tolist()
    assert (bar[4, 149:151] == 255).all()
    assert (bar[24:] < 128).any()
