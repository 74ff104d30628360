"""The functions of the facade take what the commands of their names take."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import untaught
from untaught.data.toy import Toy
from untaught.errors import CalibrationError, ConfigError, DataError, ImageError, MetricError, RunError, UntaughtError
from untaught.image import Recipe, WithDepth, decode
from untaught.inspector import Inspector

TINY = {"image_size": 64, "epochs": 1}


@pytest.fixture
def folder(run_folder, tmp_path):
    return Path(shutil.copytree(run_folder, tmp_path / "run"))


def test_a_run_is_named_by_text_by_path_or_as_it_was_opened(folder, product):
    opened = untaught.load(folder)
    expected = untaught.evaluate(untaught.Run(folder), str(product)).image_auroc
    assert untaught.evaluate(str(folder), product).image_auroc == expected
    assert untaught.evaluate(opened, [product]).image_auroc == expected
    assert untaught.report(str(folder)) == untaught.report(opened) == folder / "report.html"
    assert untaught.load(opened) is opened
    image = next((product / "test" / "good").glob("*.png"))
    scores = [untaught.inspect(run, image).score for run in (str(folder), untaught.Run(folder), opened)]
    assert len(set(scores)) == 1


def test_thresholds_are_set_anew_as_on_the_command_line(folder, tmp_path):
    Toy(seed=9, train=24, test_good=0, test_bad=0, size=64).write(tmp_path / "new")
    good = tmp_path / "new" / "train" / "good"
    assert untaught.calibrate(str(folder), good, 0.2).kind == "conformal"
    assert untaught.calibrate(folder, str(good), false_reject=0.001, tail=True).kind == "tail"
    assert untaught.calibrate(untaught.load(folder), [good]).kind == "tail"
    assert untaught.calibrate(folder, good, tail=False).kind == "conformal"


def test_a_training_is_asked_by_name(product, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = untaught.train("reverse_distillation", data=product, backbone="resnet18", weights=weights(tmp_path), **TINY)
    assert run.folder == Path("runs") / f"{product.name}-reverse_distillation"
    assert run.card.training.epochs == {"distil": 1}
    assert run.card.backbone.name.startswith("resnet18")


def weights(folder):
    import timm
    from safetensors.torch import save_file

    save_file(timm.create_model("resnet18", pretrained=False).state_dict(), folder / "resnet18.safetensors")
    return folder / "resnet18.safetensors"


def test_a_rate_that_is_none_is_said_before_anything_is_opened(tmp_path):
    for rate in (2, 0, "x"):
        with pytest.raises(CalibrationError, match=f"the wanted false-reject rate is {rate}"):
            untaught.calibrate(tmp_path / "nothing", tmp_path / "nothing", rate)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda run: untaught.evaluate(5, "toy"), ConfigError, "5 in place of a run"),
        (lambda run: untaught.calibrate(None, "toy"), ConfigError, "None in place of a run"),
        (lambda run: untaught.report([run]), ConfigError, "in place of a run"),
        (lambda run: untaught.load(5), ConfigError, "5 in place of a run"),
        (lambda run: untaught.inspect(5, "x"), ConfigError, "5 in place of a run"),
        (lambda run: untaught.export_run(5), ConfigError, "5 in place of a run"),
        (lambda run: untaught.evaluate(run, 5), DataError, "5 in place of a data set"),
        (lambda run: untaught.evaluate(run, []), DataError, r"\[\] in place of a data set"),
        (lambda run: untaught.evaluate(run, "toy", limit="x"), MetricError, "the limit of AUPRO is x"),
        (lambda run: untaught.doctor(5), DataError, "5 in place of a data set"),
        (lambda run: untaught.train("reverse_distillation"), ConfigError, "`data` is missing"),
        (lambda run: untaught.train(5, data="toy"), ConfigError, "`method` is 5"),
        (lambda run: untaught.train("x", data="toy", epoch=3), ConfigError, "unknown key `epoch`"),
        (lambda run: untaught.train("x", data=5), ConfigError, "`data` is 5"),
        (lambda run: untaught.train("x", 5, data="toy"), ConfigError, "5 in place of a run folder"),
        (lambda run: untaught.train("x", data="toy", resume=True), ConfigError, "--resume came without --out"),
        (lambda run: untaught.demo(5), ConfigError, "5 in place of a run folder"),
    ],
)
def test_what_is_of_a_wrong_type_is_one_clear_error(call, kind, words, run_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=words) as caught:
        call(run_folder)
    assert isinstance(caught.value, UntaughtError)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_said_before_any_data_is_opened(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        untaught.train("reverse_distillation", tmp_path / "file" / "run", data=tmp_path / "nothing")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_settings_and_more_beside_them_are_refused():
    settings = untaught.Settings(method="x", data=Path("parts"))
    assert settings.data == "parts"
    with pytest.raises(ConfigError, match="settings, and epochs beside them"):
        untaught.train(settings, "out", epochs=3)


def test_a_second_method_by_keyword_is_refused():
    with pytest.raises(ConfigError, match="two methods, stfpm and aand"):
        untaught.train("stfpm", method="aand", data="toy")


@pytest.mark.parametrize("option", [{"key": "key.pem"}, {"threads": 1}, {"self_test": False}, {"backend": "openvino"}])
def test_what_is_open_already_takes_no_options(option):
    opened = Inspector(Recipe(height=8, width=8), None, scored)
    assert untaught.load(opened) is opened
    with pytest.raises(ConfigError, match="open already"):
        untaught.load(opened, **option)


def scored(inputs):
    return np.ones((1, 8, 8), np.float32), inputs["image"].mean((1, 2, 3)).astype(np.float32)


def test_images_come_in_tuples_too_and_as_any_kind_of_bytes(tmp_path, product):
    calibration = untaught.Calibration.from_scores([0.1, 0.2], [0.1, 0.2], 0.5)
    inspector = Inspector(Recipe(height=8), calibration, scored)
    one, two = sorted((product / "test" / "good").glob("*.png"))[:2]
    assert [answer.score for answer in inspector.inspect((one, two))] == [
        answer.score for answer in inspector.inspect([one, two])
    ]
    told = inspector.inspect(one.read_bytes()).score
    for kind in (bytearray, memoryview):
        assert inspector.inspect(kind(one.read_bytes())).score == told
        assert decode(kind(one.read_bytes())).size == decode(one).size
    assert inspector.inspect(WithDepth(one)).score == told
    with pytest.raises(ImageError, match="float"):
        inspector.inspect(1.5)
