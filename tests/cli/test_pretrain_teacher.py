"""`untaught pretrain-teacher` as a user types it."""

import json
from functools import partial

import pytest
from PIL import Image

SMALL = ["--patch", "17", "--steps", "2", "--set", "network.width=0.0625", "--set", "pretraining.batch_size=2"]


@pytest.fixture
def run(run, monkeypatch, tmp_path):
    monkeypatch.setenv("UNTAUGHT_CACHE", str(tmp_path / "cache"))
    return partial(run, "pretrain-teacher")


def test_without_a_folder_it_says_what_it_takes_and_what_would_be_better(run):
    code, out, err = run(*SMALL)
    assert code == 0
    assert "18 photographs of scikit-image" in err
    assert "more and more varied" in err
    assert out.strip().endswith(".safetensors")
    assert "is there already" in run(*SMALL)[2]


def test_a_folder_takes_the_place_of_what_is_there(run, tmp_path):
    run(*SMALL)
    (tmp_path / "photos").mkdir()
    for number in range(3):
        Image.radial_gradient("L").rotate(10 * number).save(tmp_path / "photos" / f"{number}.png")
    code, out, _ = run(*SMALL, "--images", tmp_path / "photos", "--json")
    (card,) = json.loads(out)
    assert code == 0
    assert card["images"] == 3
    assert card["photographs"] == str(tmp_path / "photos")
    assert card["steps"] == 2


def test_torn_photographs_are_named_before_anything_is_learned(run, tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(4):
        Image.effect_noise((90, 80), 50).save(tmp_path / "photos" / f"{number}.png")
    for number in (1, 2):
        path = tmp_path / "photos" / f"{number}.png"
        path.write_bytes(path.read_bytes()[:4000])
    code, _, err = run(*SMALL, "--images", tmp_path / "photos")
    assert code == 2
    assert "2 of 4 photographs cannot be used" in err
    assert all(f"{number}.png: damaged" in err for number in (1, 2))
    assert not (tmp_path / "cache" / "teachers").exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["reverse_distillation"], "no teacher of its own"),
        (["--patch", "16"], "scales"),
        (["--images", "/nowhere"], "no such folder"),
        (["uninformed_student"], "did you mean"),
    ],
)
def test_what_cannot_be_done_ends_with_code_2_and_leaves_nothing(run, tmp_path, arguments, word):
    code, _, err = run(*arguments)
    assert code == 2
    assert word in err
    assert not (tmp_path / "cache" / "teachers").exists()
