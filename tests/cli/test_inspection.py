"""Which depth file goes with which image, and what comes of it."""

import numpy as np
import pytest
from PIL import Image

from untaught.cli.inspection import with_depth, write_overlay
from untaught.errors import DataError
from untaught.image import DepthRecipe, Recipe, WithDepth
from untaught.records import Prediction

RECIPE = Recipe(height=16, depth=DepthRecipe())


@pytest.fixture
def folder(tmp_path):
    for name in ("1", "2"):
        Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(tmp_path / f"{name}.png")
    Image.fromarray(np.full((20, 30), 500, np.uint16)).save(tmp_path / "2_depth.png")
    (tmp_path / "apart").mkdir()
    distance = np.full((20, 30), 0.5, np.float32)
    distance[5:15, 8:20] = np.linspace(0.45, 0.48, 12)
    np.save(tmp_path / "apart" / "1.npy", distance)
    return tmp_path


def test_depth_files_are_not_inspected_and_found_by_name(folder):
    one, two, depth = (folder / name for name in ("1.png", "2.png", "2_depth.png"))
    files = [one, two, depth]
    assert list(with_depth(files, None, Recipe(height=16))) == files
    assert list(with_depth(files, None, RECIPE)) == [WithDepth(one), WithDepth(two)]
    assert list(with_depth(files, folder / "apart", RECIPE)) == [
        WithDepth(one, folder / "apart" / "1.npy"),
        WithDepth(two),
    ]
    assert list(with_depth([two], depth, RECIPE)) == [WithDepth(two, depth)]


def test_depth_that_cannot_be_paired(folder):
    files = [folder / "1.png", folder / "2.png"]
    with pytest.raises(DataError, match="one depth file for 2 images"):
        list(with_depth(files, folder / "2_depth.png", RECIPE))
    with pytest.raises(DataError, match="trained with depth"):
        list(with_depth(files, folder / "2_depth.png", Recipe(height=16)))


def test_the_overlay_shows_depth_beside_the_image(folder):
    answer = Prediction("1.png", 1.0, 0.5, False, (30, 20), np.zeros((16, 16), np.float32))
    source = WithDepth(folder / "1.png", folder / "apart" / "1.npy")
    write_overlay(RECIPE, 1.0, source, answer, folder / "with.png")
    write_overlay(Recipe(height=16), 1.0, folder / "1.png", answer, folder / "without.png")
    both, alone = Image.open(folder / "with.png"), Image.open(folder / "without.png")
    assert (both.size, alone.size) == ((60, 20), (30, 20))
    assert np.array_equal(np.asarray(both)[:, :30], np.asarray(alone))
    assert np.asarray(both)[:, 30:].std() > 10
