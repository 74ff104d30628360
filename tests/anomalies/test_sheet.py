import numpy as np
import pytest

from untaught.anomalies.base import Pair
from untaught.anomalies.draw import Drawer
from untaught.anomalies.settings import KINDS, AnomalySettings
from untaught.anomalies.sheet import close_up, outlined, preview
from untaught.data.toy import draw

IMAGES = [draw([0, 0, number], 64)[0] for number in range(3)]


@pytest.mark.parametrize("kinds", [dict.fromkeys(KINDS, 1.0), {"scar": 1.0, "perlin": 0.0}])
def test_a_sheet_has_two_rows_an_image_and_a_column_a_kind(kinds):
    sheet = preview(IMAGES, Drawer(AnomalySettings(kinds=kinds, clean=1.0)), 0)
    columns = 2 + sum(weight > 0 for weight in kinds.values())
    assert sheet.size == (columns * (64 + 6) + 6, 6 * (64 + 22 + 6) + 6)
    again = preview(IMAGES, Drawer(AnomalySettings(kinds=kinds)), 0)
    assert np.array_equal(np.asarray(sheet), np.asarray(again)), "each kind is shown, however rarely it is drawn"
    other = preview(IMAGES, Drawer(AnomalySettings(kinds=kinds)), 1)
    assert not np.array_equal(np.asarray(sheet), np.asarray(other))
    assert np.array_equal(np.asarray(sheet)[6:70, 6:70], IMAGES[0])


def test_the_line_around_an_anomaly_leaves_what_is_masked_to_be_seen():
    image, mask = np.full((64, 64, 3), 90, np.uint8), np.zeros((64, 64), bool)
    mask[20:30, 40:50] = True
    drawn = outlined(image, mask)
    assert np.array_equal(drawn[mask], image[mask])
    changed = (drawn != image).any(axis=2)
    assert changed.any()
    assert not changed[:15].any()


def test_a_close_up_shows_the_place_before_and_after():
    image, mask = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), bool)
    mask[30:34, 30:34] = True
    tile = close_up(Pair(image, np.where(mask[..., None], np.uint8(255), image), mask, "perlin"))
    assert tile.pixels.shape == image.shape
    assert tile.pixels[:, :30].max() == 0
    assert tile.pixels[:, 34:].max() == 255
    assert tile.caption == "before and after, x 2.7"
    clean = close_up(Pair(image, image, np.zeros((64, 64), bool), "good"))
    assert clean.caption == ""


def test_the_foreground_is_previewed():
    image = np.full((64, 64, 3), 30, np.uint8)
    image[16:48, 16:48] = 200
    everywhere, object_ = (
        np.asarray(preview([image], Drawer(AnomalySettings(kinds={"scar": 1}, foreground=way)), 0))[6:70, 76:140]
        for way in ("none", "otsu")
    )
    assert np.array_equal(everywhere, image)
    assert (object_ != image).any(axis=2)[14:18, 20:40].any(), "an outline where the object begins"
