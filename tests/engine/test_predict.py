import shutil
import tomllib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

import untaught
from untaught.config import Settings, to_toml, validate
from untaught.engine.predict import complete, configuration
from untaught.errors import ImageError, RunError
from untaught.registry import method_class, method_names
from untaught.run import Run


@pytest.fixture(scope="module")
def detector(run_folder):
    return untaught.load(run_folder)


@pytest.fixture(scope="module")
def files(product):
    return sorted((product / "test").rglob("*.png"))


def test_every_kind_of_source_gives_the_same_answer(detector, files):
    path = files[0]
    expected = detector.inspect(path)
    picture = Image.open(path)
    for source in (str(path), path.read_bytes(), np.asarray(picture), picture):
        answer = detector.inspect(source)
        assert answer.score == expected.score
        assert np.array_equal(answer.map, expected.map)


def test_an_answer_does_not_depend_on_its_company(detector, files):
    together = detector.inspect(list(files))
    for path, answer in zip(files, together, strict=True):
        alone = detector.inspect(path)
        assert alone.score == answer.score
        assert np.array_equal(alone.map, answer.map)


def test_threads_give_the_same_answers(detector, files):
    expected = [answer.score for answer in detector.inspect(list(files))]
    with ThreadPoolExecutor(4) as pool:
        assert [answer.score for answer in pool.map(detector.inspect, files)] == expected


def test_the_verdict_follows_from_the_score(detector, files):
    threshold = detector.run.card.calibration.image.value
    for answer in detector.inspect(list(files)):
        assert answer.reject == (answer.score > threshold)
        assert 0 < answer.p_value <= 1
        assert answer.map.shape == (64, 64)
        assert answer.size == (64, 64)


def test_a_bad_image_is_an_error_or_an_answer_in_its_place(detector, files, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    with pytest.raises(ImageError, match=r"bad\.png"):
        detector.inspect([files[0], bad])
    kinds = [type(answer).__name__ for answer in detector.stream_all([files[0], bad, files[1]])]
    assert kinds == ["Prediction", "ImageError", "Prediction"]


def test_changed_weights_are_refused(run_folder, tmp_path):
    import shutil

    shutil.copytree(run_folder, tmp_path / "run")
    path = tmp_path / "run" / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(RunError, match="changed"):
        untaught.load(tmp_path / "run")


@pytest.mark.parametrize("damage", ["missing", "no card", "newer", "unfinished"])
def test_a_damaged_run_is_one_clear_error(run_folder, tmp_path, damage):
    import json
    import shutil

    folder = tmp_path / "run"
    if damage != "missing":
        shutil.copytree(run_folder, folder)
    if damage == "no card":
        (folder / "card.json").unlink()
    if damage == "newer":
        card = json.loads((folder / "card.json").read_text())
        (folder / "card.json").write_text(json.dumps({**card, "schema_version": 99}))
    if damage == "unfinished":
        (folder / "checkpoint").mkdir()
        (folder / "checkpoint" / "state.safetensors").write_bytes(b"")
    words = {
        "missing": "not a folder",
        "no card": "cannot be read",
        "newer": "schema version 99",
        "unfinished": "--resume",
    }
    with pytest.raises(RunError, match=words[damage]):
        untaught.load(folder)


def test_a_run_does_not_depend_on_what_a_preset_says_later(run_folder, files, monkeypatch):
    before = untaught.load(run_folder).inspect(files[0]).score
    kind = method_class(Run(run_folder).card.method)
    monkeypatch.setitem(kind.presets, "lite", {"map": {"top": 0.5}})
    assert untaught.load(run_folder).inspect(files[0]).score == before


def test_a_setting_that_a_run_does_not_know_is_as_it_was_before_there_was_one(run_folder, tmp_path, monkeypatch):
    copy = shutil.copytree(run_folder, tmp_path / "run")
    settings = (copy / "settings.toml").read_text()
    assert "foreign = 2.0" in settings
    (copy / "settings.toml").write_text(settings.replace("foreign = 2.0", ""))
    kind = method_class(Run(copy).card.method)
    changed = {**kind.presets["lite"], "map": {**kind.presets["lite"]["map"], "foreign": 7.0}}
    monkeypatch.setitem(kind.presets, "lite", changed)
    assert kind.configure("lite").map.foreign == 7.0
    assert untaught.load(copy).method.config.map.foreign == 2.0


def test_weights_of_another_build_are_one_clear_error(run_folder, tmp_path):
    copy = shutil.copytree(run_folder, tmp_path / "run")
    settings = (copy / "settings.toml").read_text()
    (copy / "settings.toml").write_text(settings.replace("embedding = ", "embedding = 1"))
    with pytest.raises(RunError, match="are not those of reverse_distillation as installed"):
        untaught.load(copy)


@pytest.mark.parametrize(
    ("method", "preset"), [(name, preset) for name in method_names() for preset in method_class(name).presets]
)
def test_completed_settings_are_the_same_settings(method, preset):
    settings = Settings(method=method, data="toy", preset=preset)
    full = validate(Settings, tomllib.loads(to_toml(complete(settings))))
    assert configuration(full) == configuration(settings)
    assert complete(full) == full


@pytest.mark.parametrize("frame", ["white", "black", "noise"])
def test_a_frame_without_a_part_is_rejected(detector, frame):
    shown = {
        "white": np.full((96, 96, 3), 255, np.uint8),
        "black": np.zeros((96, 96, 3), np.uint8),
        "noise": np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8),
    }
    assert detector.inspect(shown[frame]).reject
