import shutil

import pytest

import untaught
from untaught.data.toy import Toy
from untaught.engine.calibrate import calibrate
from untaught.errors import DataError
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


def test_images_that_were_trained_on_are_refused(run, product):
    with pytest.raises(DataError, match="were trained on"):
        calibrate(run, str(product / "train" / "good"))


def test_only_the_training_images_of_a_data_set_are_taken(run, tmp_path):
    Toy(seed=13, train=12, test_good=5, test_bad=5, size=64).write(tmp_path / "new")
    assert len(calibrate(run, str(tmp_path / "new"), 0.1).scores) == 12
