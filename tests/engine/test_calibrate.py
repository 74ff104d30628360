import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image

import untaught
from untaught.data.toy import Toy
from untaught.engine.calibrate import calibrate, calibrate_products, calibrate_scores
from untaught.errors import DataError, RunError
from untaught.run import Run


@pytest.fixture
def run(run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    return Run(tmp_path / "run")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("new")
    Toy(seed=9, train=24, test_good=0, test_bad=0, size=64).write(folder)
    return folder / "train" / "good"


def test_the_new_threshold_is_the_one_the_new_scores_ask_for(run, good):
    calibration = calibrate(run, str(good), 0.2)
    scores = sorted(answer.score for answer in untaught.load(run.folder).inspect(sorted(good.iterdir())))
    assert calibration.image.value == scores[19]  # ceil(25 * 0.8) = 20th of 24
    assert calibration.image.guaranteed
    assert Run(run.folder).card.calibration == calibration
    assert len(Run(run.folder).card.data.calibration) == 24


def test_figures_at_the_old_threshold_are_forgotten(run, good):
    calibrate(run, str(good))
    again = Run(run.folder)
    assert again.card.metrics == {}
    assert again.evaluation() is None


def test_cut_short_before_the_card_is_written_no_figures_of_another_threshold_are_left(run, good, monkeypatch):
    old = run.card.calibration

    def fails():
        raise RunError("the disk is full")

    monkeypatch.setattr(run, "save_card", fails)
    with pytest.raises(RunError, match="full"):
        calibrate(run, str(good), 0.2)
    again = Run(run.folder)
    assert again.card.calibration == old
    assert again.evaluation() is None


def test_images_that_were_trained_on_are_refused(run, product):
    folder = str(product / "train" / "good")
    with pytest.raises(DataError, match="were trained on") as caught:
        calibrate(run, [folder])
    assert f"images in {folder} were" in caught.value.came


def test_copies_of_an_image_promise_no_more_than_the_image(run, good, tmp_path):
    """120 copies of one part would else promise 1 %."""
    first, second = sorted(good.iterdir())[:2]
    (tmp_path / "copies").mkdir()
    for number in range(120):
        shutil.copy(first, tmp_path / "copies" / f"{number:03}.png")
    shutil.copy(second, tmp_path / "copies" / "other.png")
    Image.open(second).save(tmp_path / "copies" / "saved anew.bmp")
    calibration = calibrate(run, str(tmp_path / "copies"), 0.01)
    assert calibration.image.n == 2
    assert calibration.image.rate == pytest.approx(1 / 3)
    data = Run(run.folder).card.data
    assert [item.name for item in data.calibration] == ["000.png", "other.png"]
    assert data.calibration_copies == [f"{number:03}.png" for number in range(1, 120)] + ["saved anew.bmp"]


def test_only_the_training_images_of_a_data_set_are_taken(run, tmp_path):
    Toy(seed=13, train=12, test_good=5, test_bad=5, size=64).write(tmp_path / "new")
    assert len(calibrate(run, str(tmp_path / "new"), 0.1).scores) == 12


def test_both_promises_hold_for_products_whose_scores_differ_and_only_their_own_one_for_each():
    """Over many random splits: a product's threshold for its parts, that of all together for parts in their shares."""
    rng, rate, splits = np.random.default_rng(0), 0.1, 400
    pools = {"calm": rng.normal(0, 1, 300), "wild": rng.normal(2, 3, 300), "few": rng.normal(1, 1, 90)}
    held = {"calm": 40, "wild": 40, "few": 12}  # the shares of the pools
    rejected, judged = Counter(), Counter()
    for _ in range(splits):
        parts = {name: np.split(rng.permutation(pool), [held[name]]) for name, pool in pools.items()}
        scores = [(score, score, name) for name, (kept, _) in parts.items() for score in kept.tolist()]
        pairs, names = [item[:2] for item in scores], [item[2] for item in scores]
        each, together = calibrate_products(pairs, names, rate, "conformal"), calibrate_scores(pairs, rate, "conformal")
        for name, (_, new) in parts.items():
            rejected[name] += int((new > each[name].image.value).sum())
            rejected["any"] += int((new > together.image.value).sum())
            rejected[f"any, {name}"] += int((new > together.image.value).sum())
            for key in (name, "any", f"any, {name}"):
                judged[key] += len(new)
    measured = {key: rejected[key] / judged[key] for key in judged}
    for name, n in {**held, "any": sum(held.values())}.items():
        promised = rate if (n + 1) * rate >= 1 else 1 / (n + 1)
        assert promised - 1.2 / (n + 1) < measured[name] < promised + 0.004, name
    assert measured["any, wild"] > 2 * rate  # all together promise nothing for a product of its own
