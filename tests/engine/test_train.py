import fnmatch
import itertools
import multiprocessing
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.conftest import SMALL

from untaught.batch import Batch
from untaught.config import Settings, to_toml
from untaught.engine.fit import Stopwatch
from untaught.engine.predict import complete
from untaught.engine.train import finished, train
from untaught.errors import DataError, RunError
from untaught.methods.aand import Aand
from untaught.registry import method_names
from untaught.run import Run


def settings(data, **changes):
    return Settings(method="reverse_distillation", data=str(data), **{**SMALL, **changes})


def weights(folder):
    return load_file(folder / "weights.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_run_folder_is_complete(run_folder):
    names = {path.name for path in run_folder.iterdir()}
    assert names == {
        "settings.toml",
        "weights.safetensors",
        "card.json",
        "log.jsonl",
        "evaluation.json",
        "gallery.npz",
        "report.html",
    }


def test_no_image_serves_two_purposes(run_folder, product):
    data = Run(run_folder).card.data
    parts = [[item.name for item in getattr(data, part)] for part in ("train", "monitor", "calibration")]
    assert (
        sum(len(part) for part in parts)
        == len(set().union(*parts))
        == len(list((product / "train" / "good").iterdir()))
    )
    assert all(parts)


def test_the_log_has_a_row_for_each_epoch(run_folder):
    rows = Run(run_folder).log()
    assert [row["epoch"] for row in rows] == list(range(1, SMALL["epochs"] + 1))
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_the_same_seed_gives_the_same_weights_and_another_does_not(run_folder, product, tmp_path):
    train(settings(product), tmp_path / "again")
    train(settings(product, seed=1), tmp_path / "other")
    assert same(weights(tmp_path / "again"), weights(run_folder))
    assert not same(weights(tmp_path / "other"), weights(run_folder))


def test_a_cache_on_disk_changes_nothing_and_leaves_nothing(run_folder, product, tmp_path):
    train(settings(product, cache={"memory": 0.0, "folder": tmp_path / "cache"}), tmp_path / "run")
    assert same(weights(tmp_path / "run"), weights(run_folder))
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_broken_image_ends_training_with_its_name_and_nothing_written(product, tmp_path):
    data = copy(product, tmp_path / "data")
    (data / "train" / "good" / "zz bad.png").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"zz bad\.png"):
        train(settings(data), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_broken_image_can_be_skipped_and_is_listed(product, tmp_path):
    data = copy(product, tmp_path / "data")
    for number in range(3):
        (data / "train" / "good" / f"zz {number}.png").write_text(f"not an image {number}")
    run = train(settings(data, on_bad_image="skip"), tmp_path / "run")
    assert [name.rsplit("/", 1)[-1] for name in run.card.data.quarantined] == ["zz 0.png", "zz 1.png", "zz 2.png"]
    listed = {item.name for part in ("train", "monitor", "calibration") for item in getattr(run.card.data, part)}
    assert not listed & set(run.card.data.quarantined)


def test_a_folder_with_a_run_is_not_overwritten(run_folder, product):
    with pytest.raises(RunError, match="holds a run already"):
        train(settings(product), run_folder)


def test_resuming_with_other_settings_is_refused(run_folder, product):
    with pytest.raises(RunError, match="seed"):
        train(settings(product, seed=5, false_reject=0.1), run_folder, resume=True)


def test_resuming_a_finished_run_changes_nothing(run_folder, product):
    before = (run_folder / "card.json").read_bytes()
    train(settings(product, false_reject=0.1), run_folder, resume=True)
    assert (run_folder / "card.json").read_bytes() == before


def test_a_training_begun_before_a_preset_got_a_setting_is_not_taken_up_with_it(product, tmp_path):
    wanted = Settings(method="aand", data=str(product), image_size=64, epochs=1)
    (tmp_path / "settings.toml").write_text(to_toml(complete(wanted)))
    assert not finished(wanted, tmp_path, resume=True)
    older = complete(wanted)
    del older.model["amplifier"]["closed"]
    (tmp_path / "settings.toml").write_text(to_toml(older))
    with pytest.raises(RunError, match=r"begun with other settings \(model\)"):
        finished(wanted, tmp_path, resume=True)


@pytest.mark.parametrize("preset", ["lite", "paper"])
@pytest.mark.parametrize("method", method_names())
def test_the_same_settings_are_taken_up_again_and_a_change_is_named(method, preset, product, tmp_path):
    wanted = Settings(method=method, preset=preset, data=str(product))
    (tmp_path / "settings.toml").write_text(to_toml(complete(wanted)))
    assert not finished(wanted, tmp_path, resume=True)
    with pytest.raises(RunError, match=r"begun with other settings \(seed\)"):
        finished(wanted.model_copy(update={"seed": 5}), tmp_path, resume=True)


def moments(rng):
    """One of every phase of a training: what it tells of, or does to files, and which of these is the last."""
    return [
        ("read held-out images", 1),
        ("teacher features (train)", rng.randint(1, 3)),
        ("teacher features (monitor)", 1),
        ("examine", rng.randint(1, 58)),
        ("os.rename settings.toml", 1),
        ("train distil", rng.randint(1, 12)),
        ("os.rename state.safetensors", rng.randint(1, 3)),
        ("train distil", rng.randint(1, 12)),
        ("os.rename log.jsonl", rng.randint(1, 3)),
        ("os.remove *.bin", rng.randint(1, 10)),  # the features are no longer needed
        ("calibrate", rng.randint(1, 3)),
        ("os.rename weights.safetensors", 1),
        ("os.rename card.json", 1),
        ("shutil.rmtree checkpoint", 1),
    ]


def train_until(moment, number, wanted, folder):
    """Train, or go on, up to a moment; there the process kills itself, so that nothing more of it is done."""
    left = itertools.count(number - 1, -1)

    def met(happens):
        if fnmatch.fnmatchcase(happens, moment.replace("[", "[[]")) and next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event, arguments):
        if event in ("os.rename", "os.remove", "shutil.rmtree"):
            met(f"{event} {Path(os.fsdecode(arguments[event == 'os.rename'])).name}")

    sys.addaudithook(hook)
    train(wanted, folder, resume=True, report=lambda progress: met(progress.task))


def test_a_training_killed_in_every_phase_ends_with_the_same_weights_and_card(product, tmp_path):
    small = {"student": {"widths": (8, 8, 8, 16), "embedding": 8}}
    cache = {"memory": 0.0, "folder": tmp_path / "cache"}  # on disk, where a killed process leaves it
    wanted = settings(product, epochs=12, checkpoint_seconds=0.0, model=small, cache=cache)
    train(wanted, tmp_path / "whole")
    target, seed = tmp_path / "killed", time.time_ns()
    server = multiprocessing.get_context("forkserver")  # torch is imported once, every training is a process of its own
    server.set_forkserver_preload([train.__module__])
    for moment in moments(random.Random(seed)):
        process = server.Process(target=train_until, args=(*moment, wanted, target))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL, f"seed {seed}: {moment} never came"
        assert (target / "card.json").exists() == (moment[0] == "shutil.rmtree checkpoint")
    train(wanted, target, resume=True)
    assert same(weights(target), weights(tmp_path / "whole")), f"seed {seed}"
    of_time = {"created": True, "training": {"seconds"}}
    card, whole = (Run(folder).card.model_dump(exclude=of_time) for folder in (target, tmp_path / "whole"))
    assert card == whole, f"seed {seed}"
    log, known = ([row | {"seconds": 0} for row in Run(folder).log()] for folder in (target, tmp_path / "whole"))
    assert log == known, f"seed {seed}"
    assert {path.name for path in target.iterdir()} == {path.name for path in (tmp_path / "whole").iterdir()}
    assert not list((tmp_path / "cache").iterdir())


def copy(source, target):
    import shutil

    shutil.copytree(source, target)
    return target


def test_of_exact_copies_one_is_used(product, tmp_path):
    data = copy(product, tmp_path / "data")
    good = data / "train" / "good"
    for path in sorted(good.iterdir()):
        path.with_name(f"copy {path.name}").write_bytes(path.read_bytes())
    card = train(settings(data), tmp_path / "run").card
    hashes = [item.sha256 for part in ("train", "monitor", "calibration") for item in getattr(card.data, part)]
    assert len(hashes) == len(set(hashes)) == len(list(good.iterdir())) // 2
    assert len(card.data.copies) == len(hashes)


@pytest.mark.parametrize("keep", [False, True])
def test_of_copies_saved_anew_one_is_used_and_none_is_held_out_and_learned(product, tmp_path, keep):
    from PIL import Image

    data = copy(product, tmp_path / "data")
    good = sorted((data / "train" / "good").iterdir())
    for path in good:
        with Image.open(path) as image:
            image.save(path.with_name(f"saved anew {path.stem}.bmp"))
    cache = {"keep": keep, "folder": str(tmp_path / "cache")}
    runs = [train(settings(data, epochs=1, cache=cache), tmp_path / f"run {number}") for number in range(1 + keep)]
    for run in runs:  # the second finds the features of the first
        parts = run.card.data.train, run.card.data.monitor, run.card.data.calibration
        pictures = [item.picture for part in parts for item in part]
        assert len(pictures) == len(set(pictures)) == len(good)
        assert len(run.card.data.copies) == len(good)
        assert run.card.training.images == len(run.card.data.train)
        assert run.card.calibration.image.n == len(run.card.data.calibration) > 10
        assert run.card.data == runs[0].card.data
        assert same(weights(run.folder), weights(runs[0].folder))


def test_resuming_with_other_images_is_refused(product, tmp_path):
    data = copy(product, tmp_path / "data")
    from untaught.engine.train import Training

    class StopError(Exception):
        pass

    def stop(progress):
        if progress.task.startswith("train") and progress.done > 12:
            raise StopError

    wanted = settings(data, checkpoint_seconds=0.0)
    with pytest.raises(StopError):
        Training(wanted, tmp_path / "run", report=stop).execute()
    next((data / "train" / "good").iterdir()).unlink()
    with pytest.raises(RunError, match="changed"):
        train(wanted, tmp_path / "run", resume=True)


def test_shares_make_as_many_steps_and_none_runs_empty():
    from untaught.engine.features import FeatureCache
    from untaught.engine.shares import Share

    cache = FeatureCache(3, budget=1e9)
    cache.fill(lambda rows: {"x": torch.tensor([[float(row)] for row in rows])}, lambda rows: None, lambda: True)
    share = Share(cache, range(3), range(3), largest=4, smallest=3)
    batches = [batch.index.tolist() for batch in share.epoch(1, 0)]
    assert len(batches) == 3
    assert sorted(number for batch in batches for number in batch) == [0, 1, 2]


def test_a_method_is_given_batches_where_it_computes_and_nothing_is_drawn_for_nothing(product, tmp_path, monkeypatch):
    moved, given = [], []
    to, prepare, settle = Batch.to, Aand.prepare, Aand.settle

    def watched(batch, device):
        moved.append(to(batch, device))
        return moved[-1]

    def seen(batches):
        for batch in batches:
            given.append(batch)
            yield batch

    monkeypatch.setattr(Batch, "to", watched)
    monkeypatch.setattr(Aand, "prepare", lambda self, stage, its, reduce: prepare(self, stage, seen(its), reduce))
    monkeypatch.setattr(Aand, "settle", lambda self, its, reduce: settle(self, seen(its), reduce))
    train(Settings(method="aand", data=str(product), image_size=64, epochs=1), tmp_path / "run")
    assert given
    assert all(any(batch is other for other in moved) for batch in given), "a processor's batch, a GPU's method"
    assert all(batch.defect is None for batch in given)


def test_a_time_budget_is_shared_among_stages(product, tmp_path, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(Stopwatch, "__call__", lambda self: float(next(ticks)))
    run = train(Settings(method="aand", data=str(product), image_size=64, minutes=1.0), tmp_path / "run")
    stopped, epochs = run.card.training.stopped, run.card.training.epochs
    assert all("time budget" in why for why in stopped.values()), stopped
    assert min(epochs.values()) > 3, epochs
    assert "250 steps are the least that is usual" in stopped["distil"]


@pytest.mark.parametrize(("began", "later"), [(True, False), (False, True)])
def test_a_training_ends_in_the_precision_it_began_in(product, tmp_path, monkeypatch, began, later):
    from untaught.engine import train as module
    from untaught.engine.train import Training

    class StopError(Exception):
        pass

    def stop(progress):
        if progress.task.startswith("train") and progress.done > 0.6 * progress.total:
            raise StopError

    wanted = settings(product, epochs=3, checkpoint_seconds=0.0)
    monkeypatch.setattr(module, "bf16_pays", lambda device: began)
    train(wanted, tmp_path / "whole")
    with pytest.raises(StopError):
        Training(wanted, tmp_path / "run", report=stop).execute()
    monkeypatch.setattr(module, "bf16_pays", lambda device: later)
    run = train(wanted, tmp_path / "run", resume=True)
    assert run.card.training.precision == {"distil": "bf16" if began else "fp32"}
    assert same(weights(run.folder), weights(tmp_path / "whole"))
    other = train(wanted, tmp_path / "other")
    assert not same(weights(other.folder), weights(run.folder))
