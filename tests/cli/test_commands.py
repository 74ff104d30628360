"""Every command as a user types it, in this process; how errors end."""

import json
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from untaught.cli.listing import cost
from untaught.data.toy import Toy
from untaught.engine.evaluate import KEYS


@pytest.fixture
def copy(run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    return tmp_path / "run"


def test_list_names_the_methods(run):
    code, out, _ = run("list")
    assert code == 0
    assert "reverse_distillation" in out
    assert json.loads(run("list", "--json")[1])[0]["card"]


def test_doctor_of_a_sound_set_and_of_a_leak(run, product, tmp_path):
    assert run("doctor", product, "--quiet")[0] == 0
    shutil.copytree(product, tmp_path / "data")
    shutil.copy(next((tmp_path / "data/train/good").iterdir()), tmp_path / "data/test/good/copy.png")
    code, out, _ = run("doctor", tmp_path / "data", "--quiet")
    assert code == 1
    assert "copy.png" in out
    assert json.loads(run("doctor", tmp_path / "data", "--json")[1])["spoiled"] is True


def test_train_writes_a_run_and_says_where(run, product, tmp_path):
    arguments = ["--data", product, "--image-size", 64, "--epochs", 1, "--false-reject", 0.1, "--set", "threshold=tail"]
    code, out, err = run("train", "reverse_distillation", *arguments, "--out", tmp_path / "r")
    assert code == 0
    assert out.strip() == str(tmp_path / "r")
    assert "false-reject" in err
    assert (tmp_path / "r" / "report.html").exists()
    settings = (tmp_path / "r" / "settings.toml").read_text()
    assert 'threshold = "tail"' in settings


def test_train_answers_in_json(run, product, tmp_path):
    arguments = ["--data", product, "--image-size", 64, "--epochs", 1, "--out", tmp_path / "r", "--json"]
    answer = json.loads(run("train", "reverse_distillation", *arguments)[1])
    assert answer["training"]["epochs"] == {"distil": 1}
    assert answer["run"] == str(tmp_path / "r")


def test_evaluate_prints_one_object_with_all_keys(run, copy, product):
    code, out, _ = run("evaluate", copy, "--data", product, "--json")
    table = json.loads(out)
    assert code == 0
    assert set(table) == {*KEYS, "kinds"}


def test_evaluate_for_people(run, copy, product):
    code, out, _ = run("evaluate", copy, "--data", product)
    assert code == 0
    assert "AUPRO" in out
    assert str(copy / "report.html") in out


def test_inspect_files_folders_and_patterns(run, copy, product, tmp_path):
    good = product / "test" / "good"
    code, out, _ = run("inspect", copy, good, "--quiet")
    assert code == 0
    assert len(out.splitlines()) == 8
    rows = json.loads(run("inspect", copy, good / "00*.png", "--json")[1])
    assert len(rows) == 8
    assert set(rows[0]) == {"name", "score", "p_value", "verdict", "regions", "seconds"}
    code, _, _ = run(
        "inspect", copy, good, "--overlays", "--out", tmp_path / "o", "--jsonl", tmp_path / "r.jsonl", "-q"
    )
    assert code == 0
    assert len(list((tmp_path / "o").glob("*.png"))) == 8
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 8
    with Image.open(next((tmp_path / "o").glob("*.png"))) as picture:
        assert picture.width >= 64


def test_inspect_goes_on_after_a_bad_image_and_says_so(run, copy, product, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("text")
    code, out, err = run("inspect", copy, bad, product / "test" / "good" / "000.png")
    assert code == 2
    assert "bad.png" in out
    assert "accept" in out or "reject" in out
    assert "1 of 2" in err


def test_calibrate_says_what_is_promised(run, copy, tmp_path):
    Toy(seed=11, train=9, test_good=0, test_bad=0, size=64).write(tmp_path / "new")
    code, out, _ = run("calibrate", copy, "--good", tmp_path / "new/train/good", "--false-reject", 0.1)
    assert code == 0
    assert "10 %" in out
    answer = json.loads(run("calibrate", copy, "--good", tmp_path / "new/train/good", "--json")[1])
    assert answer["image"]["n"] == 9


def test_report_of_one_run_and_of_two(run, copy, run_folder, tmp_path):
    assert run("report", copy)[1].strip() == str(copy / "report.html")
    code, _, _ = run("report", copy, run_folder, "--out", tmp_path / "both.html")
    assert code == 0
    assert (tmp_path / "both.html").read_text().count("<svg") > 0


BAD = {
    "unknown method": (["train", "revers_distillation", "--data", "toy"], "did you mean reverse_distillation"),
    "unknown preset": (["train", "reverse_distillation", "--data", "toy", "--preset", "papr"], "no preset"),
    "unknown key": (["train", "reverse_distillation", "--data", "toy", "--set", "cache.memroy=1"], "memory"),
    "unknown model key": (["train", "reverse_distillation", "--data", "toy", "--set", "model.leels=[8]"], "levels"),
    "unknown backbone": (["train", "reverse_distillation", "--data", "toy", "--backbone", "resnet19"], "resnet18"),
    "missing data": (["train", "reverse_distillation", "--data", "/no/such/folder"], "/no/such/folder"),
    "missing run": (["evaluate", "/no/such/run", "--data", "toy"], "run folder"),
    "resume without out": (["train", "reverse_distillation", "--data", "toy", "--resume"], "--out"),
    "bad pair": (["train", "reverse_distillation", "--data", "toy", "--set", "x"], "key=value"),
    "missing weights": (
        ["train", "reverse_distillation", "--data", "toy", "--weights", "/no/file.safetensors"],
        "/no/file.safetensors",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_a_user_can_mend_is_one_message_and_exit_code_2(run, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, words = BAD[name]
    code, out, err = run(*arguments)
    assert code == 2
    assert words in err
    assert "Traceback" not in err
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_errors_are_json_too_where_json_is_asked_for(run):
    code, out, _ = run("evaluate", "/no/such/run", "--data", "toy", "--json")
    assert code == 2
    assert json.loads(out)["error"] == "RunError"


def test_without_the_extra_there_is_one_message(run, monkeypatch):
    monkeypatch.delitem(sys.modules, "untaught.engine.train", raising=False)

    class Missing:
        def find_spec(self, name, path=None, target=None):
            if name == "untaught.engine.train":
                raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    code, _, err = run("train", "reverse_distillation", "--data", "toy")
    assert code == 2
    assert "pip install 'untaught[train]'" in err


def test_help_imports_neither_torch_nor_numpy():
    code = (
        "import sys; from untaught.cli import main; print([m for m in ('torch', 'timm', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_an_interrupted_training_says_how_to_go_on(run, product, tmp_path, monkeypatch):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("untaught.engine.train.train", interrupted)
    code, _, err = run("train", "reverse_distillation", "--data", product, "--out", tmp_path / "r")
    assert code == 130
    assert "--resume" in err


def test_list_tells_what_was_measured_and_invents_nothing():
    row = {"seeds": [0], "images": 178, "train_cpu_seconds": 75.2, "ms_per_image": 41.0}
    told = cost({"parameters": 1_400_000, "products": {"screw": {}, "bottle": row}})
    assert told == "1.4 M trained parameters, trained in 75 s on 178 images of bottle, 41 ms an image"
    assert cost(None) == "not measured yet"
    assert cost({"parameters": 2_000_000, "products": {"screw": {"images": 3}}}) == "2.0 M trained parameters"


def test_a_sheet_of_drawn_defects_is_a_picture(run, product, tmp_path):
    out = tmp_path / "sheet.png"
    words = ["anomalies", "preview", product, "--out", out, "--rows", 2, "--size", 64, "--set"]
    code, said, _ = run(*words, "kinds={scar=1,deform=1}", "--quiet")
    assert (code, said.strip()) == (0, str(out))
    with Image.open(out) as sheet:
        assert (sheet.format, sheet.width) == ("PNG", 4 * (64 + 6) + 6)
    before = out.read_bytes()
    code, _, err = run(*words, "opacity=2")
    assert code == 2
    assert "opacity" in err
    assert out.read_bytes() == before
    assert run("anomalies", "preview", tmp_path / "nowhere", "--out", out)[0] == 2


def test_drawn_defects_are_counted_and_reported_as_synthetic(run, copy):
    code, answer, _ = run("anomalies", "detect", copy, "--draws", "2", "--set", "kinds={scar=1}", "--json")
    assert code == 0
    rows = json.loads(answer)["rows"]
    assert rows
    assert {row["kind"] for row in rows} == {"scar"}
    assert "Drawn defects (synthetic)" in (copy / "report.html").read_text()


@pytest.mark.parametrize("idle", ["size=[0.1,0.3]", "clean=0.5"])
def test_a_setting_that_would_do_nothing_is_refused(run, copy, idle):
    before = (copy / "report.html").read_bytes()
    code, _, err = run("anomalies", "detect", copy, "--draws", "2", "--set", idle)
    assert code == 2
    assert idle.partition("=")[0] in err
    assert (copy / "report.html").read_bytes() == before


def test_several_data_sets_are_several_products(run, tmp_path):
    from untaught.data.toy import Toy

    for seed, name in enumerate(("arm", "base")):
        Toy(seed=seed, train=5, test_good=1, test_bad=5, size=32).write(tmp_path / name)
    code, out, _ = run("doctor", tmp_path / "arm", tmp_path / "base", "--json")
    assert (code, list(json.loads(out)["products"])) == (0, ["arm", "base"])
    text = run("doctor", tmp_path)[1]
    assert "2 products" in text
    assert text.count("train: 5 good") == 2
    assert "base: good images to learn from: 5" in text
