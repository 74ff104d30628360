"""Several products in one model, each looked at within a region of its own."""

import json
import shutil
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import untaught
from untaught.config import Settings
from untaught.data.toy import Toy
from untaught.engine.calibrate import calibrate
from untaught.engine.drawn import detect_drawn, held_out
from untaught.engine.evaluate import evaluate
from untaught.engine.framing import regions
from untaught.engine.predict import Detector
from untaught.engine.shares import Inside
from untaught.engine.train import train
from untaught.errors import ConfigError, DataError
from untaught.export.exporter import export_run
from untaught.report.page import render_page
from untaught.run import Run

UPPER = [[0, 0], [64, 0], [64, 40], [0, 40]]
OUTSIDE = {"arm": np.s_[44:], "base": np.s_[:, :20]}


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """Two lines of the same two products; in the second everything outside their regions is noise."""
    folder = tmp_path_factory.mktemp("lines")
    rng = np.random.default_rng(0)
    for seed, name in enumerate(OUTSIDE, start=1):
        Toy(seed=seed, train=16, test_good=3, test_bad=5, size=64).write(folder / "a" / name)
        for path in sorted((folder / "a" / name).rglob("*.png")):
            pixels = np.asarray(Image.open(path)).copy()
            if "ground_truth" not in path.parts:
                pixels[OUTSIDE[name]] = rng.integers(0, 255, pixels[OUTSIDE[name]].shape)
            target = folder / "b" / path.relative_to(folder / "a")
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(target)
    for kind in ("roi", "ignore"):
        (folder / kind).mkdir()
    (folder / "roi" / "arm.json").write_text(json.dumps(UPPER))
    mask = np.zeros((64, 64), np.uint8)
    mask[:, :24] = 255
    Image.fromarray(mask).save(folder / "ignore" / "base.png")
    return folder


def asked(lines, name, **changes):
    given = {"roi": lines / "roi", "ignore": lines / "ignore", "image_size": 64, "epochs": 1, **changes}
    return Settings(method="reverse_distillation", data=str(lines / name), false_reject=0.2, **given)


@pytest.fixture(scope="module")
def runs(lines, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return {name: train(asked(lines, name), out / name) for name in "ab"}


def images(lines, line, product):
    return sorted((lines / line / product / "test").rglob("*.png"))[::3]


def test_the_card_holds_the_region_of_each(runs):
    recipe = runs["a"].card.recipe
    assert recipe.area is None
    assert list(recipe.areas) == ["arm", "base"]
    arm, base = (area.inside for area in recipe.areas.values())
    assert arm[:40].all()
    assert not arm[40:].any()
    assert base[:, 24:].all()
    assert not base[:, :24].any()
    assert recipe.areas["arm"].fill != recipe.areas["base"].fill


def test_nothing_outside_reaches_weights_thresholds_or_scores(runs, lines):
    weights = [load_file(run.folder / "weights.safetensors") for run in runs.values()]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    cards = [run.card for run in runs.values()]
    assert (cards[0].calibration, cards[0].products) == (cards[1].calibration, cards[1].products)
    detectors = {name: untaught.load(run.folder) for name, run in runs.items()}
    for product, (rows, columns) in {"arm": (np.s_[40:], np.s_[:]), "base": (np.s_[:], np.s_[:24])}.items():
        said = {name: detectors[name].inspect(images(lines, name, product), product) for name in "ab"}
        for one, two in zip(said["a"], said["b"], strict=True):
            assert one.score == two.score
            assert np.array_equal(one.map, two.map)
            assert np.unique(one.map[rows, columns]).size == 1, "silent outside"


def test_a_product_must_be_named(runs, lines):
    detector = untaught.load(runs["a"].folder)
    with pytest.raises(ConfigError, match="one of arm, base"):
        detector.inspect(images(lines, "a", "arm")[0])
    shutil.copytree(lines / "a" / "arm", lines / "widget")
    with pytest.raises(ConfigError, match="to evaluate, call its folder so"):
        evaluate(runs["a"].folder, str(lines / "widget"))


def test_evaluation_report_and_drawn_defects_look_where_they_shall(runs, lines):
    folder = runs["a"].folder
    result = evaluate(folder, str(lines / "a"))
    alone = evaluate(folder, str(lines / "a" / "arm"))
    assert result.products["arm"].pixel_auroc == alone.pixel_auroc
    page = render_page([Run(folder)])
    assert "Looked at of arm" in page
    assert "Looked at of base" in page
    for row in detect_drawn(Run(folder), sizes=(0.1, 0.2), draws=10):
        assert row.image.startswith(("arm/", "base/"))


def test_a_product_whose_defects_all_lie_outside_has_no_figures_of_pixels(runs, lines, tmp_path):
    line = shutil.copytree(lines / "a", tmp_path / "a")
    for path in (line / "arm" / "ground_truth").rglob("*.png"):
        mask = np.zeros((64, 64), np.uint8)
        mask[50:60, 10:20] = 255
        Image.fromarray(mask).save(path)
    folder = shutil.copytree(runs["a"].folder, tmp_path / "run")
    result = evaluate(folder, str(line))
    assert result.products["arm"].pixel_auroc is None
    assert result.products["arm"].image_auroc is not None
    assert None not in (result.products["base"].pixel_auroc, result.pixel_auroc)
    assert evaluate(folder, str(line / "arm")).pixel_auroc is None
    assert "arm" in render_page([Run(folder)])


def test_a_product_that_only_copies_another_is_named(lines, tmp_path):
    shutil.copytree(lines / "a", tmp_path / "a")
    shutil.copytree(lines / "a" / "arm", tmp_path / "a" / "cup")
    with pytest.raises(DataError, match="good images of cup are copies"):
        train(asked(lines, "a").model_copy(update={"data": str(tmp_path / "a")}), tmp_path / "run")


def test_the_exported_file_looks_where_the_run_does(runs, lines, tmp_path):
    bundle = export_run(runs["a"], tmp_path / "line.untaught")
    assert {golden.product for golden in bundle.card.golden} <= {"arm", "base"}
    assert any("recipe.areas" in step for step in bundle.card.preparation)
    predictor, detector = untaught.load(bundle.path, "onnxruntime"), untaught.load(runs["a"].folder)
    for product in OUTSIDE:
        for path in images(lines, "b", product):
            says, said = predictor.inspect(path, product), detector.inspect(path, product)
            assert says.score == pytest.approx(said.score, rel=1e-4)
            assert says.reject == said.reject
    with pytest.raises(ConfigError, match="one of arm, base"):
        predictor.inspect(path)


def test_new_good_images_of_one_product_are_read_as_its_own(runs, lines, tmp_path):
    Toy(seed=9, train=6, size=64).write(tmp_path / "later")
    shutil.copytree(runs["b"].folder, tmp_path / "run")
    known = runs["b"].card.products["base"]
    wanted = runs["b"].card.recipe.areas["arm"].inside
    assert calibrate(tmp_path / "run", str(tmp_path / "later"), product="arm").image.n == 6
    assert Run(tmp_path / "run").card.products["base"] == known
    _, products, images = held_out(Detector(Run(tmp_path / "run")), str(tmp_path / "later"), 9)
    assert products == ["arm"] * 6, "as the run's card says, whatever their folder is called"
    assert all(len(np.unique(image[~wanted], axis=0)) == 1 for image in images)
    export_run(tmp_path / "run", tmp_path / "x.untaught", data=[str(lines / "b"), str(tmp_path / "later")])


def test_one_file_is_for_all_and_a_folder_may_be_of_one(lines):
    sizes = {"arm": {(64, 64): 3}, "base": {(96, 64): 2}}
    native = {name: Counter(its) for name, its in sizes.items()}
    shares = lines / "shares.json"
    shares.write_text(json.dumps([[0, 0], [1, 0], [1, 0.5], [0, 0.5]]))
    (alike,) = regions(asked(lines, "a", roi=shares, ignore=None), "a", native, (64, 64)).values()
    assert alike[:32].all()
    assert not alike[32:].any()
    with pytest.raises(ConfigError, match="images differ in size"):
        regions(asked(lines, "a", roi=lines / "roi" / "arm.json", ignore=None), "a", native, (64, 64))
    mixed = regions(asked(lines, "a", ignore=shares), "a", native, (64, 64))
    assert mixed["arm"][32:40].all()
    assert not mixed["arm"][:32].any()
    assert mixed["base"][32:].all()
    (single,) = regions(asked(lines, "a/arm", ignore=None), "arm", {"": native["arm"]}, (64, 64)).values()
    assert single[:40].all()
    assert not single[40:].any()


def test_tiles_are_looked_at_where_their_image_is():
    masks = torch.arange(2 * 3).reshape(2, 3, 1, 1, 1)
    inside = Inside(masks, torch.tensor([1, 0, 1]))
    assert inside.of(torch.tensor([0, 2, 3, 8])).flatten().tolist() == [3, 5, 0, 5]


def test_overlap_without_tiles_is_refused(lines, tmp_path):
    with pytest.raises(ConfigError, match="--overlap 8 without tiles"):
        train(asked(lines, "a", overlap=8), tmp_path / "run")
