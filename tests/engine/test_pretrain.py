import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from untaught.config import Settings
from untaught.engine import pretrain as module
from untaught.engine.checkpoint import load_tensors
from untaught.engine.photographs import packaged
from untaught.engine.predict import Detector
from untaught.engine.pretrain import current, pretrain, school
from untaught.engine.teachers import find_teacher, place, serves, take_teacher, workshop
from untaught.engine.train import train
from untaught.errors import RunError, WeightsError
from untaught.methods.uninformed_students import UninformedStudents

TINY = {
    "image_size": 64,
    "scales": [17],
    "network": {"width": 1 / 16, "descriptor": 8},
    "pretraining": {"steps": 4, "batch_size": 1},
    "training": {"steps": 4},
}


@pytest.fixture(autouse=True)
def _own_store(monkeypatch, tmp_path):
    monkeypatch.setenv("UNTAUGHT_CACHE", str(tmp_path / "cache"))


def make(**settings):
    torch.manual_seed(0)
    return UninformedStudents(UninformedStudents.configure(**TINY | settings), untrained=True)


def pretraining_of(**settings):
    return make(**settings).pretrainings()[0]


def test_a_teacher_learns_what_the_large_network_says():
    asked = pretraining_of(pretraining={"steps": 20, "batch_size": 1})
    first, losses = [], []

    def watched(lesson, image):
        first.append(image)
        found = asked.loss(lesson, first[0])
        losses.append(found["knowledge"].item())
        return found

    card = pretrain(dataclasses.replace(asked, loss=watched), packaged())
    assert losses[-1] < 0.8 * losses[0]
    assert card.images == 18
    assert card.steps == 20
    assert card.backbone.sha256
    assert set(card.losses) == {"teaching", "knowledge", "compactness"}
    assert not torch.equal(first[0], first[1])
    assert load_tensors(place(asked))[0].keys() == asked.module.state_dict().keys()


def test_patch_by_patch_all_three_losses_are_used():
    settings = {"dense": False, "matching": 1.0, "compactness": 1.0, "steps": 2, "batch_size": 3}
    asked = pretraining_of(pretraining=settings)
    assert asked.crop == 17 + 8
    card = pretrain(asked, packaged())
    parts = [card.losses[name] for name in ("knowledge", "matching", "compactness")]
    assert card.losses["teaching"] == pytest.approx(sum(parts), rel=1e-4)
    assert all(part > 0 for part in parts)


def test_an_interrupted_pretraining_ends_with_the_same_weights(monkeypatch):
    asked = pretraining_of()
    pretrain(asked, packaged())
    whole, _ = load_tensors(place(asked))
    place(asked).unlink()
    monkeypatch.setattr(module, "SAVE_SECONDS", 0.0)
    steps = []

    def stop(progress):
        steps.append(progress.done)
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(asked, packaged(), report=stop)
    assert find_teacher(asked) is None
    pretrain(asked, packaged(), report=lambda progress: steps.append(progress.done))
    assert steps == [1, 2, 2, 3, 4]
    resumed, _ = load_tensors(place(asked))
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())
    assert not place(asked).with_suffix(".partial").exists()


def test_what_was_begun_otherwise_is_not_gone_on_with(monkeypatch):
    monkeypatch.setattr(module, "SAVE_SECONDS", 0.0)

    def stop(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(pretraining_of(), packaged(), report=stop)
    done = []
    pretrain(pretraining_of(), packaged(), seed=1, report=lambda progress: done.append(progress.done))
    assert done[0] == 1


def test_the_learning_rate_falls_over_the_last_share_of_the_steps():
    asked = pretraining_of(pretraining={"steps": 4, "batch_size": 1, "decay": 0.5})
    made, rates = [], []

    def build(parameters):
        made.append(asked.optimizer(parameters))
        return made[0]

    pretrain(
        dataclasses.replace(asked, optimizer=build),
        packaged(),
        report=lambda _: rates.append([group["lr"] for group in made[0].param_groups]),
    )
    assert np.allclose(np.array(rates) / rates[0], np.array([[1, 1, 1, 0.5]]).T)


def test_what_is_torn_is_begun_anew():
    asked = pretraining_of()
    workshop(asked).mkdir(parents=True)
    (workshop(asked) / "state.safetensors").write_bytes(b"torn")
    assert pretrain(asked, packaged()).steps == 4


def test_of_two_at_once_one_teaches_and_the_other_waits(monkeypatch):
    monkeypatch.setattr("untaught.lock.PATIENCE", 0.05)
    begun, go, tasks = threading.Event(), threading.Event(), []

    def slow(progress):
        begun.set()
        assert go.wait(60)

    def waits(progress):
        tasks.append(progress)
        go.set()

    one, two = make(), make()
    with ThreadPoolExecutor() as others:
        first = others.submit(school, one, slow)
        assert begun.wait(60)
        with pytest.raises(RunError, match=r"at work on .*teacher patch17, process"):
            pretrain(pretraining_of(), packaged())
        school(two, waits)
        first.result()
    assert {(told.done, told.note) for told in tasks} == {(0, "another process is making it")}
    assert one.backbone == two.backbone


def test_a_method_is_schooled_once_and_knows_by_whom():
    tasks = []
    one, two = make(), make()
    school(one, lambda progress: tasks.append((progress.done, progress.total, progress.note)))
    assert "18 photographs" in tasks[-1][2]
    assert "untaught pretrain-teacher" in tasks[-1][2]
    count = len(tasks)
    school(two, lambda progress: tasks.append((progress.done, progress.total, progress.note)))
    assert len(tasks) == count + 1
    assert one.backbone == two.backbone
    assert one.backbone.sha256 == find_teacher(one.pretrainings()[0]).sha256
    assert torch.equal(next(one.teacher(17).parameters()), next(two.teacher(17).parameters()))


def test_settings_have_teachers_of_their_own_and_steps_do_not_matter():
    names = {place(pretraining_of(**change)).name for change in ({}, {"network": {"width": 0.1}}, {"students": 5})}
    assert len(names) == 2
    assert place(pretraining_of(pretraining={"steps": 9, "batch_size": 1})) == place(pretraining_of())


def test_a_teacher_with_fewer_steps_serves_only_if_it_learned_from_the_users_photographs():
    asked, more = pretraining_of(), pretraining_of(pretraining={"steps": 5, "batch_size": 1})
    card = pretrain(asked, packaged())
    assert serves(card, asked)
    assert not serves(card, more)
    assert serves(card.model_copy(update={"photographs": "my/folder"}), more)
    assert current(asked, packaged(), 0) == card
    assert current(asked, packaged(), 1) is None
    assert current(more, packaged(), 0) is None


def test_a_damaged_teacher_is_refused():
    asked = pretraining_of()
    pretrain(asked, packaged())
    data = place(asked).read_bytes()
    place(asked).write_bytes(data[:-4] + b"\0\1\2\3")
    with pytest.raises(RunError, match="do not belong together"):
        find_teacher(asked)
    place(asked).write_bytes(data)
    take_teacher(asked)


def test_without_the_large_networks_weights_nothing_is_begun(tmp_path):
    with pytest.raises(WeightsError):
        pretrain(pretraining_of(weights=str(tmp_path / "none.safetensors")), packaged())
    assert not (tmp_path / "cache" / "teachers").exists()


def test_a_run_holds_its_teacher(product, tmp_path):
    settings = Settings(method="uninformed_students", data=str(product), model=TINY, false_reject=0.1)
    run = train(settings, tmp_path / "run")
    assert run.card.backbone.name.startswith("patch17-")
    assert "18 photographs (scikit-image)" in run.card.backbone.source
    for file in (tmp_path / "cache" / "teachers").iterdir():
        file.unlink()
    image = next((product / "test" / "good").iterdir())
    assert Detector(run).inspect(image).map.shape == (64, 64)


def test_tiny_images_are_learned_with_the_largest_patch(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(8):
        path = tmp_path / "digits" / "good" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(path)
    model = TINY | {"image_size": 32, "scales": [65], "pretraining": {"steps": 1, "batch_size": 1}}
    run = train(Settings(method="uninformed_students", data=str(tmp_path / "digits"), model=model), tmp_path / "run")
    assert Detector(run).inspect(np.zeros((8, 8), np.uint8)).map.shape == (32, 32)
