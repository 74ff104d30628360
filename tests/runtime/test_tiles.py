"""Tiles and a region of interest without torch, beside the same with it."""

import numpy as np
import pytest

import untaught
from untaught.data.toy import draw
from untaught.image import Area, Recipe, Tiling, read
from untaught.inspector import score_image


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_the_file_answers_as_the_run_does_in_tiles_and_within_a_region(bundle_file, run_folder, backend):
    inside = np.zeros((140, 120), np.bool_)
    inside[20:130, 10:100] = True
    tiling = Tiling(side=64, overlap=16, box=(20, 10, 130, 100))
    recipe = Recipe(height=140, width=120, tiling=tiling, area=Area.of(inside, (90, 80, 70)))
    detector, predictor = untaught.load(run_folder), untaught.load(bundle_file, backend, threads=1)
    picture = read(draw([0, 0, 0], 160, "scratch")[0], recipe)
    ours, theirs = (score_image(who.score, {"image": picture}, recipe) for who in (predictor, detector))
    assert ours.score == pytest.approx(theirs.score, rel=1e-4)
    assert np.abs(ours.map - theirs.map).max() <= 1e-4 * theirs.map.max()
    assert np.all(ours.map[~inside] == ours.map[inside].min())
    picture[~inside] = 255
    assert recipe.area.paint(picture) is picture
    assert score_image(predictor.score, {"image": picture}, recipe).score == ours.score
