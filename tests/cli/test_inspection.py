"""Which depth file goes with which image, and what comes of it."""

import json

import numpy as np
import pytest
import typer
from PIL import Image

from untaught.calibration import Calibration
from untaught.cli.inspection import as_line, inspect_images, with_depth, write_overlay
from untaught.errors import DataError, RunError
from untaught.image import DepthRecipe, Recipe, WithDepth
from untaught.inspector import Inspector
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


@pytest.fixture
def inspected(monkeypatch):
    """Which images a drawn inspector has seen; at the one called 2.png somebody presses Ctrl-C."""
    seen = []

    def score(inputs):
        seen.append(len(seen))
        return np.zeros((1, 16, 16), np.float32), np.ones(1, np.float32)

    class Drawn(Inspector):
        def stream_all(self, sources, names=None, products=None):
            for source in sources:
                if source.name == "2.png":
                    raise KeyboardInterrupt
                yield from super().stream_all([source])

    calibration = Calibration.from_scores([0.0] * 20, [0.0] * 20, 0.1, "conformal")
    monkeypatch.setattr("untaught.load", lambda *given, **options: Drawn(Recipe(height=16), calibration, score))
    return seen


def test_a_target_that_cannot_be_written_is_known_before_the_first_image(folder, inspected):
    with pytest.raises(RunError):
        inspect_images(folder, [str(folder / "1.png")], jsonl=folder / "1.png" / "rows.jsonl", quiet=True)
    assert inspected == []


def test_what_was_inspected_before_ctrl_c_is_kept(folder, inspected, capsys):
    with pytest.raises(typer.Exit) as end:
        inspect_images(folder, [str(folder / "1.png"), str(folder / "2.png")], jsonl=folder / "rows.jsonl")
    assert end.value.exit_code == 130
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    assert [row["name"] for row in rows] == [str(folder / "1.png")]
    assert "rows.jsonl" in capsys.readouterr().err


def test_an_image_beyond_the_limit_names_an_option_that_helps(folder, inspected, capsys):
    with pytest.raises(typer.Exit):
        inspect_images(folder, [str(folder / "1.png")], max_pixels=100)
    assert "inspect: --max-pixels N" in capsys.readouterr().out
    inspect_images(folder, [str(folder / "1.png")], max_pixels=600)
    assert "reject" in capsys.readouterr().out


def test_the_line_of_an_accepted_part_with_a_region_says_how_that_can_be():
    row = {"name": "1.png", "score": 0.5, "p_value": 0.1, "verdict": "accept", "regions": [{}], "seconds": 0.1}
    assert as_line(row).endswith("1.png  (good by its score; a region above the pixel threshold)")
    assert as_line(row | {"regions": []}).endswith("1.png")
    assert as_line(row | {"verdict": "reject"}).endswith("1.png")
