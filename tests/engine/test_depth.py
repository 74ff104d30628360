"""Depth from the files to the verdict: trained, evaluated, inspected, shown."""

import shutil

import numpy as np
import pytest
from PIL import Image

from untaught import load
from untaught.config import Settings
from untaught.data.toy3d import Toy3D
from untaught.engine.calibrate import calibrate
from untaught.engine.drawn import detect_drawn
from untaught.engine.evaluate import evaluate
from untaught.engine.train import train
from untaught.errors import ConfigError, DataError, ImageError
from untaught.report.page import write_report
from untaught.run import Run

MODEL = {
    "image_size": 64,
    "flow": {"width": 8, "training": {"steps": 4}},
    "student": {"width": 8, "blocks": 1, "training": {"steps": 4}},
}


def settings(data, **model):
    return Settings(method="asymmetric", data=str(data), preset="lite-3d", model=MODEL | model, false_reject=0.2)


@pytest.fixture(scope="module")
def covers(tmp_path_factory):
    """Drawn covers in a folder, five of the good ones as a validation split."""
    folder = tmp_path_factory.mktemp("line") / "covers"
    Toy3D(train=17, test_good=2, test_bad=4, size=64).write(folder)
    for kind, suffix in (("rgb", "png"), ("xyz", "npy")):
        home = folder / "validation" / "good" / kind
        home.mkdir(parents=True)
        for number in range(12, 17):
            shutil.move(folder / "train" / "good" / kind / f"{number:03}.{suffix}", home)
    return folder


@pytest.fixture(scope="module")
def run(covers, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "covers"
    train(settings(covers), out)
    evaluate(Run(out), str(covers))
    return out


def test_the_validation_split_calibrates_and_all_the_rest_is_learned(run):
    card = Run(run).card
    assert [item.name for item in card.data.calibration] == [f"validation/good/rgb/{n:03}.png" for n in range(12, 17)]
    assert len(card.data.train) + len(card.data.monitor) == 12
    assert card.recipe.depth is not None
    assert len(card.calibration.scores) == 5


def test_calibration_scored_what_inspection_scores(run, covers):
    home = covers / "validation" / "good"
    answers = load(run).inspect([home / "rgb" / f"{number:03}.png" for number in range(12, 17)])
    assert np.allclose(sorted(answer.score for answer in answers), sorted(Run(run).card.calibration.scores), rtol=1e-5)


def test_depth_is_found_beside_the_image_or_given(run, covers):
    detector = load(run)
    image, depth = covers / "test/dent/rgb/000.png", covers / "test/dent/xyz/000.npy"
    found = detector.inspect(image)
    for given in (depth, str(depth), depth.read_bytes(), np.load(depth)):
        assert detector.inspect(np.asarray(Image.open(image)), depth=given).score == found.score
    (one,) = detector.inspect([image], depth=[np.load(depth)])
    assert one.score == found.score
    flat = np.where(np.load(depth) > 0, 0.5, 0).astype(np.float32)
    assert detector.inspect(image, depth=flat).score != found.score
    plate = detector.inspect(image, depth=np.full((64, 64), 0.6, np.float32))
    assert plate.score > found.score  # no part at all is no reason to pass
    with pytest.raises(ImageError, match=r"depth beside the image"):
        detector.inspect(np.asarray(Image.open(image)))
    with pytest.raises(ImageError, match=r"32 x 64 px with an image of 64 x 64"):
        detector.inspect(image, depth=np.load(depth)[:, :32])


def test_a_run_on_colour_takes_no_depth(covers, tmp_path):
    out = tmp_path / "run"
    train(settings(covers, input="rgb"), out)
    assert Run(out).card.recipe.depth is None
    image = covers / "test/dent/rgb/000.png"
    assert load(out).inspect(image).score > 0
    with pytest.raises(ConfigError, match="trained with depth"):
        load(out).inspect(image, depth=np.ones((64, 64), np.float32))


def test_parts_too_flat_to_stand_out_are_learned_from_the_whole_picture(covers, tmp_path):
    data = tmp_path / "covers"
    shutil.copytree(covers, data)
    for path in data.rglob("*.npy"):
        noise = np.random.default_rng(0).normal(0, 1e-4, (64, 64))
        np.save(path, (0.6 + noise).astype(np.float32))
    train(settings(data), tmp_path / "run")
    assert min(Run(tmp_path / "run").card.calibration.scores) > 0


@pytest.mark.parametrize("harm", ["missing", "mismatched"])
def test_missing_and_mismatched_depth_is_one_clear_error(covers, tmp_path, harm):
    data = tmp_path / "covers"
    shutil.copytree(covers, data)
    for number in (1, 2):
        path = data / "train" / "good" / "xyz" / f"{number:03}.npy"
        if harm == "missing":
            path.unlink()
        else:
            np.save(path, np.load(path)[:, :40])
    with pytest.raises(DataError) as caught:
        train(settings(data), tmp_path / "run")
    for number in (1, 2):
        assert f"train/good/rgb/{number:03}.png" in str(caught.value)
    assert ("no depth file" if harm == "missing" else "40 x 64 px with an image of 64 x 64 px") in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_evaluation_keeps_depth_for_the_report(run):
    with np.load(run / "gallery.npz", allow_pickle=False) as gallery:
        pictures = [gallery[name] for name in gallery if name.startswith("depth_")]
        assert len(pictures) == len([name for name in gallery if name.startswith("image_")])
    assert all(picture.dtype == np.uint8 and picture.std() > 10 for picture in pictures)
    page = write_report([Run(run)], run / "report.html").read_text("utf-8")
    assert "depth, near is bright" in page


def test_calibrating_anew_wants_depth_too(run, covers, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    data = Toy3D(seed=9, train=5, test_good=0, test_bad=0, size=64).write(tmp_path / "more")
    assert calibrate(Run(copy), str(data)).image.n == 5
    shutil.rmtree(data / "train" / "good" / "xyz")
    with pytest.raises(DataError, match="no depth file"):
        calibrate(Run(copy), str(data))


def test_nothing_is_drawn_where_depth_is_looked_at(run):
    with pytest.raises(DataError, match="looks at depth"):
        detect_drawn(Run(run))
