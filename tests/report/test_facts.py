import numpy as np
import pytest

from untaught.errors import RunError
from untaught.image import Area, Recipe, Tiling
from untaught.report.facts import _input, all_settings, differing, read_settings, run_facts, training_facts


def test_settings_are_dotted(make_run):
    run = make_run(evaluated=False)
    assert ("cache.memory", "2.0") in read_settings(run.folder)
    (run.folder / "settings.toml").unlink()
    assert read_settings(run.folder) == []


def test_damaged_settings_are_one_clear_error(make_run):
    run = make_run(evaluated=False)
    (run.folder / "settings.toml").write_text("= 3")
    with pytest.raises(RunError, match=r"settings\.toml cannot be read"):
        read_settings(run.folder)


def test_lists_of_the_same_images_have_the_same_hash_in_any_order(make_run):
    run = make_run(evaluated=False)

    def trained_on():
        return dict({facts.title: facts.items for facts in run_facts(run)}["Data"])["Trained on"]

    before = trained_on()
    run.card.data.train.reverse()
    assert trained_on() == before
    run.card.data.train.pop()
    assert trained_on() != before


def test_stages_say_why_they_ended(make_run):
    card = make_run(evaluated=False).card
    assert dict(training_facts(card))["Stopped after"].replace("\xa0", " ") == "30 epochs: no gain in 8 epochs"
    card.training.epochs["second"] = 1
    assert dict(training_facts(card))["Stage second"].replace("\xa0", " ") == "1 epoch: –"


def test_only_what_differs():
    assert differing([{"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}]) == [("b", ["2", "3"]), ("c", ["–", "4"])]


def test_what_a_stage_measured_of_itself_is_shown(make_run):
    card = make_run(evaluated=False).card
    card.training.measured["amplify"] = {"gate AUROC": 0.98765, "gate on good images": 0.0123}
    shown = dict(training_facts(card))["Stage amplify, held out"]
    assert shown == "gate AUROC 0.988, gate on good images 0.0123"


def test_what_is_looked_at_is_told():
    inside = np.zeros((96, 128), np.bool_)
    inside[:, :64] = True
    recipe = Recipe(height=96, width=128, tiling=Tiling(side=64, overlap=16), area=Area.of(inside, (1, 2, 3)))
    told = dict(_input(recipe))
    assert told["Picture"] == "128 × 96 px"
    assert told["Tiles"] == "6 of 64 × 64 px, 16 px shared at least"
    assert told["Looked at"].startswith("50.0")
    assert list(dict(_input(Recipe(height=64)))) == ["Picture"]


def test_what_is_not_as_usual_stands_first_and_what_has_no_say_nowhere(make_run):
    run = make_run(evaluated=False)
    text = (
        'method = "reverse_distillation"\nepochs = 3\noverlap = 32\nwhite = 65535\nrelief = 0.007\n\n[model]\na = 1\n'
    )
    (run.folder / "settings.toml").write_text(text)
    (method, *_) = run_facts(run)
    assert dict(method.items) == {"Name": "reverse_distillation", "Preset": "lite", "Seed": "0", "epochs": "3"}
    told = dict(all_settings(run))
    assert set(told) == {"image score", "method", "epochs", "white", "model.a"}
    assert told["image score"] == run.card.reduction


def test_only_what_was_left_out_is_called_so(make_run):
    run = make_run(evaluated=False)
    data = {facts.title: dict(facts.items) for facts in run_facts(run)}["Data"]
    assert not [name for name in data if "left out" in name]
    run.card.data.quarantined, run.card.data.copies = ["a.png"], ["b.png", "c.png"]
    data = {facts.title: dict(facts.items) for facts in run_facts(run)}["Data"]
    assert data["Did not decode, left out"] == "a.png"
    assert data["Exact copies, left out"] == "b.png, c.png"
