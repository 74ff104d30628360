"""What a training says of its data before the first epoch."""

import json
import shutil
import sys

import pytest
from PIL import Image

from untaught.cli.main import main
from untaught.config import Settings
from untaught.data.doctor import examine
from untaught.data.folder import open_dataset
from untaught.engine.examination import examined
from untaught.engine.intake import Intake
from untaught.engine.train import train
from untaught.errors import DataError
from untaught.image import Recipe, read_inputs
from untaught.progress import silent

RECIPE = Recipe(height=64)
SPOILED = {"leak", "near-leak", "contradiction", "empty-mask", "broken-image", "one-coloured"}


@pytest.fixture
def line(product, tmp_path):
    """The product with one fault of every kind that spoils an evaluation."""
    data = shutil.copytree(product, tmp_path / "data")
    good, test = sorted((data / "train" / "good").iterdir()), data / "test"
    shutil.copy(good[0], test / "good" / "leak.png")
    Image.open(good[1]).save(test / "good" / "again.jpg", quality=90)
    shutil.copy(next((test / "dent").iterdir()), data / "train" / "good" / "contradiction.png")
    Image.new("L", (64, 64)).save(next((data / "ground_truth" / "hole").iterdir()))
    Image.new("RGB", (64, 64), (3, 3, 3)).save(data / "train" / "good" / "black.png")
    (test / "good" / "broken.png").write_text("torn")
    return data


def test_a_glance_finds_what_the_doctor_finds_and_reads_no_training_image_again(line, monkeypatch):
    dataset = open_dataset(line)
    learned = [sample for sample in dataset.samples if sample.split == "train"]
    intake = Intake(dataset, RECIPE)
    assert sum(given is not None for given in intake.decode(learned)) == len(learned)
    read = []
    monkeypatch.setattr("untaught.data.look.read_inputs", lambda *given: read.append(given[0]) or read_inputs(*given))
    diagnosis = examined(dataset, intake, silent)
    assert len(read) == len(dataset.samples) - len(learned)
    found = {finding.code: finding for finding in diagnosis.findings}
    assert set(found) >= SPOILED
    thorough = {finding.code: finding for finding in examine(dataset).findings if finding.code != "moving-parts"}
    assert {code: set(finding.names) for code, finding in found.items()} == {
        code: set(finding.names) for code, finding in thorough.items()
    }
    assert diagnosis.counts == examine(dataset).counts


def test_training_tells_keeps_and_goes_on(line, tmp_path, monkeypatch, capsys):
    (line / "train" / "good" / "torn.png").write_text("torn")
    options = ["--image-size", "64", "--epochs", "1", "--false-reject", "0.1", "--on-bad-image", "skip", "--quiet"]
    arguments = ["train", "reverse_distillation", "--data", str(line), *options, "--out", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", ["untaught", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    told = capsys.readouterr().err
    for name in ("leak.png", "again.jpg", "contradiction.png", "broken.png", "torn.png", "black.png"):
        assert name in told
    assert told.count("--on-bad-image skip") == 1  # for the broken test image; the good one is left out, as was asked
    data = json.loads((tmp_path / "run" / "card.json").read_text())["data"]
    assert data["quarantined"] == ["train/good/torn.png"]
    assert "an unknown format" in data["reasons"]["train/good/torn.png"]
    assert {finding["code"] for finding in data["findings"]} >= SPOILED
    assert "In the data: " in (tmp_path / "run" / "report.html").read_text()


def test_a_broken_good_image_that_is_left_out_spoils_no_figure(product, tmp_path, monkeypatch, capsys):
    data = shutil.copytree(product, tmp_path / "data")
    (data / "train" / "good" / "torn.png").write_text("torn")
    options = ["--image-size", "64", "--epochs", "1", "--on-bad-image", "skip", "--quiet"]
    arguments = ["train", "reverse_distillation", "--data", str(data), *options, "--out", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", ["untaught", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    told = capsys.readouterr().err
    assert "left out, as was asked for: 1 of 59" in told
    assert "train/good/torn.png: an unknown format" in told
    assert "spoil" not in told
    assert "--on-bad-image" not in told


def test_all_broken_images_are_named_at_once_whatever_they_were_meant_for(product, tmp_path):
    data = shutil.copytree(product, tmp_path / "data")
    names = [f"torn {number}.png" for number in range(12)]  # some of them to calibrate, some to train on
    for number, name in enumerate(names):
        (data / "train" / "good" / name).write_text(f"no image {number}")
    settings = Settings(method="reverse_distillation", data=str(data), image_size=64, epochs=1)
    with pytest.raises(DataError) as caught:
        train(settings, tmp_path / "run")
    assert all(name in caught.value.came for name in names)
    assert "12 image(s)" in caught.value.came
    assert not (tmp_path / "run").exists()
