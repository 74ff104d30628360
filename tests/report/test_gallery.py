import base64
import io

import numpy as np
import pytest
from PIL import Image

from untaught.report.evaluation import read_evaluation, read_gallery
from untaught.report.gallery import display_scale, gallery_groups, view_gallery


def picture(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_cards_hold_image_heat_and_mask(make_run):
    run = make_run(evaluation={"strength": 3.0})
    gallery = view_gallery(run, read_evaluation(run).rows)
    caught = next(group for group in gallery.groups if group.key == "caught")
    card = caught.cards[0]
    assert picture(card.image).size == picture(card.heat).size == (96, 96)
    mask = np.asarray(picture(card.mask).convert("RGBA"))
    assert 0 < (mask[..., 3] > 0).mean() < 0.2
    assert "M" in card.contours
    assert gallery.kinds == ["good", "hole", "scratch", "stain"]


def test_empty_groups_are_told_only_of_mistakes(make_run):
    run = make_run(evaluation={"strength": 9.0, "each": 1, "good": 2})
    groups = gallery_groups([row for row in read_evaluation(run).rows if row.reject], {}, display_scale({}, 1.0))
    assert [group.key for group in groups] == ["miss", "false reject"]
    assert groups[0].note == "Every defective part was rejected."
    assert groups[0].cards == []


def test_one_scale_for_all(make_run):
    run = make_run()
    scale = display_scale(read_gallery(run.folder), run.card.calibration.pixel.value)
    assert scale.threshold == run.card.calibration.pixel.value
    assert scale.low == pytest.approx(0.0, abs=0.1)


def test_scale_of_maps_above_the_threshold_still_rises():
    scale = display_scale({"map_0": np.full((4, 4), 9.0, np.float16)}, 2.0)
    assert scale.low < scale.threshold < scale.high


def test_an_accepted_part_with_a_region_says_how_that_can_be(make_run):
    run = make_run(evaluation={"strength": 3.0})
    rows = [row.model_copy(update={"reject": False}) for row in read_evaluation(run).rows if row.defective]
    (misses, *_) = gallery_groups(rows, read_gallery(run.folder), display_scale({}, 1.0))
    marked = [card for card in misses.cards if card.regions]
    assert len(marked) > 1
    assert all(card.at_odds.startswith("good by its score;") for card in marked)
    assert misses.note.endswith(f" {len(marked)} of {len(rows)} show a region all the same.")
