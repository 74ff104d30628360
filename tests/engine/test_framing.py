"""Training in tiles and within a region of interest: what is learned, what is said, what nobody looks at."""

import json
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import untaught
from untaught.config import Settings
from untaught.data.folder import open_dataset
from untaught.data.toy import Toy
from untaught.engine.evaluate import evaluate
from untaught.engine.framing import enlarged, plan, recipe_of, usual, window
from untaught.engine.train import train
from untaught.errors import ConfigError
from untaught.image import DepthRecipe, Tiling, read
from untaught.image.tiles import cut
from untaught.render import overlay
from untaught.report.page import render_page

ROI = [[0, 0], [96, 0], [96, 64], [0, 64]]


def settings(data, **changes):
    values = {"tile": 64, "overlap": 16, "epochs": 1, "false_reject": 0.2, **changes}
    return Settings(method="reverse_distillation", data=str(data), **values)


def test_depth_is_read_as_the_settings_say():
    given = settings("parts", depth_unit=0.01, relief=0.002)
    looks = recipe_of(given, SimpleNamespace(inputs=("image", "depth")), (64, 32))
    assert looks.depth == DepthRecipe(unit=0.01, relief=0.002)
    assert recipe_of(given, SimpleNamespace(inputs=("image",)), (64, 32)).depth is None


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A product of 96 px, and the same one with another lower third in every picture."""
    folder = tmp_path_factory.mktemp("wide")
    Toy(seed=3, train=20, test_good=3, test_bad=5, size=96).write(folder / "a")
    rng = np.random.default_rng(0)
    for path in sorted((folder / "a").rglob("*.png")):
        pixels = np.asarray(Image.open(path)).copy()
        if "ground_truth" not in path.parts:
            pixels[70:] = rng.integers(0, 255, pixels[70:].shape)
        target = folder / "b" / path.relative_to(folder / "a")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(target)
    (folder / "roi.json").write_text(json.dumps(ROI))
    return folder


@pytest.fixture(scope="module")
def runs(wide, tmp_path_factory):
    """A run in tiles and within a region on each of the two products."""
    out, said = tmp_path_factory.mktemp("runs"), []
    made = [train(settings(wide / name, roi=wide / "roi.json"), out / name, report=said.append) for name in "ab"]
    return SimpleNamespace(a=made[0], b=made[1], said=said)


def test_every_tile_of_every_image_is_learned_from(runs):
    note = next(step.note for step in runs.said if step.task == "tiles")
    count = len(runs.a.card.data.train)
    assert f"images of 96 x 96 px in 2 tiles of 64 px: {2 * count} tiles to learn from" in note
    steps = [step for step in runs.said if step.task.startswith("train ")]
    assert steps[0].total == -(-2 * count // 8), "batches of eight tiles, one epoch"


def test_the_card_says_it_all(runs):
    recipe = runs.a.card.recipe
    assert (recipe.height, recipe.width, recipe.tiling) == (96, 96, Tiling(side=64, overlap=16, box=(0, 0, 64, 96)))
    assert recipe.area.inside[:64].all()
    assert not recipe.area.inside[64:].any()
    assert runs.a.card.reduction.startswith("highest of 2 tiles, each scored by: mean of the highest")


def test_nothing_outside_the_region_reaches_weights_thresholds_or_scores(runs, wide):
    weights = [load_file(run.folder / "weights.safetensors") for run in (runs.a, runs.b)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert runs.a.card.calibration == runs.b.card.calibration
    one, two = untaught.load(runs.a.folder), untaught.load(runs.b.folder)
    for path in sorted((wide / "a/test").rglob("*.png"))[:3]:
        other = wide / "b" / path.relative_to(wide / "a")
        first, second = one.inspect(path), two.inspect(other)
        assert first.score == second.score
        assert np.array_equal(first.map, second.map)
        inside = one.recipe.area.inside
        assert np.all(first.map[~inside] == first.map[inside].min())


def test_figures_leave_out_what_nobody_looks_at(runs, wide):
    results = [evaluate(run, str(wide / name)) for run, name in ((runs.a, "a"), (runs.b, "b"))]
    assert (results[0].pixel_auroc, results[0].aupro) == (results[1].pixel_auroc, results[1].aupro)
    page = render_page([runs.a])
    assert 'class="bound"' in page
    assert "highest of 2 tiles" in page


def test_no_seam_in_the_map_of_a_smooth_image(runs):
    """A slow gradient: where tiles begin and end the map changes no more than elsewhere."""
    detector = untaught.load(runs.a.folder)
    y, x = np.mgrid[:96, :96]
    picture = np.stack([90 + x // 2, 100 + y // 3, 120 - x // 4], axis=2).astype(np.uint8)
    steps = np.abs(np.diff(detector.inspect(picture).map[:62], axis=1))
    seams = steps[:, [31, 32, 62, 63]]  # tiles are 0..63 and 32..95
    assert seams.max() <= 1.5 * np.quantile(steps, 0.99)
    tiles = cut(read(picture, detector.recipe), detector.recipe.tiling)
    left, right = detector.score({"image": tiles})[0][:2]
    assert np.abs(left[:62, 63] - right[:62, 31]).max() > 2 * seams.max(), "the tiles themselves disagree there"


def test_an_overlay_shows_the_region(runs, wide):
    detector = untaught.load(runs.a.folder)
    image = np.zeros((96, 96, 3), np.uint8)
    plain = overlay(image, np.zeros((96, 96), np.float32), 1.0)
    bounded = overlay(
        image, np.zeros((96, 96), np.float32), 1.0, bounds=[np.array([[0, 0], [96, 0], [96, 64], [0, 64]])]
    )
    changed = (plain != bounded).any(axis=2)
    assert changed[62:66, 10:86].any(axis=0).all(), "along the lower edge"
    assert not changed[10:55, 10:86].any()
    assert detector.recipe.area.at((192, 192)).sum() == 4 * detector.recipe.area.inside.sum()


def test_a_small_region_is_shown_as_large_as_the_input(wide, tmp_path):
    (tmp_path / "corner.json").write_text("[[0.1, 0.2], [0.5, 0.2], [0.5, 0.45], [0.1, 0.45]]")
    asked = settings(wide / "a", tile=None, overlap=32, image_size=64, roi=tmp_path / "corner.json")
    run = train(asked, tmp_path / "r")
    recipe = run.card.recipe
    assert (recipe.width, recipe.height, recipe.tiles) == (151, 240, 1)
    top, left, bottom, right = recipe.tiling.box
    assert (bottom - top, right - left) == (64, 64)
    share = recipe.area.inside[top:bottom, left:right].mean()
    assert share > 0.85
    assert share == recipe.area.inside.sum() / 64**2, "all of it is in the window"
    assert run.card.reduction.startswith("mean of the highest")
    answer = untaught.load(run.folder).inspect(next((wide / "a/test/good").iterdir()))
    assert answer.map.shape == (240, 151)
    assert answer.size == (96, 96)


@pytest.mark.parametrize(
    ("box", "width", "height"),
    [
        ((0, 0, 96, 96), 96, 96),
        ((10, 10, 90, 90), 113, 113),
        ((0, 0, 10, 96), 96, 837),
        ((5, 5, 6, 6), 1536, 1536),
    ],
)
def test_how_large_a_picture_is_made_for_its_region(box, width, height):
    inside = np.zeros((96, 96), np.bool_)
    inside[box[0] : box[2], box[1] : box[3]] = True
    assert enlarged(inside, 96) == (width, height)


def test_the_window_is_a_tile_at_least_and_stays_in_the_picture():
    inside = np.zeros((200, 300), np.bool_)
    inside[190:, 100:250] = True
    assert window(inside, 64) == (136, 100, 200, 250)
    inside[:] = False
    inside[100:104, 3:5] = True
    assert window(inside, 64) == (70, 0, 134, 64)


@pytest.mark.parametrize(
    ("tile", "size", "picture", "cut"),
    [
        ("auto", (640, 480), (512, 512), False),
        ("auto", (1000, 800), (1000, 800), True),
        ("auto", (1000, 256), (2000, 512), True),
        ("auto", (6000, 100), (512, 512), False),
        (256, (512, 512), (512, 512), True),
        (64, (64, 64), (64, 64), True),
    ],
)
def test_the_plan(tile, size, picture, cut):
    side = 512 if tile == "auto" else tile
    tiling = Tiling(side=side, overlap=32) if cut else None
    assert plan(settings("toy", tile=tile, overlap=32), side, size) == (picture, tiling)


def test_tiles_that_share_more_than_half_are_refused():
    with pytest.raises(ConfigError, match="at most half"):
        plan(settings("toy", tile=64, overlap=33), 64, (100, 100))


def test_the_usual_size_is_the_median():
    assert usual(Counter({(100, 80): 3, (300, 200): 2})) == (100, 80)
    with pytest.raises(ConfigError, match="can be read"):
        usual(Counter())


def test_tiles_larger_than_the_images_are_refused(wide, tmp_path):
    with pytest.raises(ConfigError, match="--tile 96 or less"):
        train(settings(wide / "a", tile=128), tmp_path / "r")
    with pytest.raises(ConfigError, match="one of them"):
        train(settings(wide / "a", image_size=128), tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_auto_shows_small_images_whole(wide, tmp_path):
    said = []
    run = train(settings(wide / "a", tile="auto", image_size=96, epochs=1), tmp_path / "r", report=said.append)
    assert run.card.recipe.tiling is None
    assert any(step.note == "images are shown whole, at 96 x 96 px" for step in said)


def test_the_fill_is_the_mean_colour_inside(runs, wide):
    dataset = open_dataset(wide / "a")
    area = runs.a.card.recipe.area
    images = np.stack([np.asarray(Image.open(dataset.source(sample))) for sample in dataset.samples[:16]])
    assert np.abs(images[:, area.inside].mean(axis=(0, 1)) - area.fill).max() < 6
