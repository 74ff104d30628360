"""Every method, preset and input kind as one file: it answers as its run does, says how it is fed, changes nothing.

The cases are those of the registry: a new method, preset or input kind is asked by itself. A preset is made small where
that leaves its graph the kind it is: pictures of 64 px, one epoch, a step of pretraining, and timm's smallest backbone
of the same family, with random weights: `test_efficientnet` up to its last group of blocks, or `test_resnet` with
students of the blocks that suit the preset's own backbone, one a stage. `NARROW` says which networks are narrower.
"""

from dataclasses import replace
from hashlib import sha256
from typing import get_args

import numpy as np
import pytest
import timm
from safetensors.torch import save_file

import untaught
from untaught.config import Settings, merge
from untaught.data.toy3d import Toy3D
from untaught.engine.train import train
from untaught.export.exporter import export_run
from untaught.nn.blocks import FORMS, form_of
from untaught.registry import method_class, method_names

SIZE = 64
NARROW = {
    "asymmetric": {"flow": {"width": 8}, "student": {"width": 8, "blocks": 1}},
    "uninformed_students": {
        "network": {"width": 0.125, "descriptor": 32}, "pretraining": {"steps": 1, "batch_size": 2}
    },
}  # fmt: skip
ENDS = {"image": ("uint8", ["batch", SIZE, SIZE, 3]), "depth": ("float32", ["batch", SIZE, SIZE, 2])}
KINDS = {"": ["image"], "rgb": ["image"], "depth": ["depth"], "both": ["image", "depth"]}


def cases():
    """Method, preset and input kind, empty where a method has but one; of equal settings the first."""
    for name in method_names():
        method, seen = method_class(name), []
        field = method.Config.model_fields.get("input")
        for preset in method.presets:
            for kind in get_args(field.annotation) if field else [""]:
                config = method.configure(preset, **({"input": kind} if kind else {}))
                if config not in seen:
                    seen.append(config)
                    yield pytest.param(name, preset, kind, id="-".join(filter(None, (name, preset, kind))))


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """Two products in colour and depth."""
    folder = tmp_path_factory.mktemp("line")
    for seed, product in enumerate(("arm", "base")):
        Toy3D(seed=seed, train=12, test_good=1, test_bad=2, size=SIZE).write(folder / product)
    return folder


@pytest.fixture(scope="module")
def backbones(tmp_path_factory):
    """By family the smallest backbone and a file of weights for it."""
    folder, found = tmp_path_factory.mktemp("weights"), {}
    for family in ("efficientnet", "resnet"):
        name = f"test_{family}"
        found[family] = {"backbone": name, "weights": folder / f"{name}.safetensors"}
        save_file(timm.create_model(name).state_dict(), found[family]["weights"])
    return found


def small(name, preset, kind, backbones, monkeypatch):
    """The settings over the preset's, as told above."""
    config = method_class(name).configure(preset)
    family = next(family for family in backbones if family in config.backbone)
    monkeypatch.setitem(FORMS, "test_resnet", replace(form_of(config.backbone), depths=(1, 1, 1), embedding=1))
    given = {"image_size": SIZE, **backbones[family], **({"input": kind} if kind else {})}
    if getattr(config, "groups", None):
        given["groups"] = 5
    return merge(NARROW.get(name, {}), given)


def hashes(folder):
    return {path: sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def near(ours, theirs):
    """Within what export allows, as a share of the largest."""
    one, two = np.asarray(ours), np.asarray(theirs)
    return one.shape == two.shape and np.abs(one - two).max() <= 1e-4 * np.abs(two).max()


@pytest.mark.parametrize(("name", "preset", "kind"), list(cases()))
def test_a_file_answers_as_its_run(name, preset, kind, line, backbones, tmp_path, monkeypatch):
    model = small(name, preset, kind, backbones, monkeypatch)
    settings = Settings(method=name, preset=preset, data=str(line), model=model, epochs=1, false_reject=0.4)
    run, file = train(settings, tmp_path / "run").folder, tmp_path / "x.untaught"
    before = hashes(run)
    card = export_run(run, file).card
    assert hashes(run) == before
    assert [(end.name, end.type, end.shape) for end in card.graph.inputs] == [
        (end, *ENDS[end]) for end in KINDS[kind]
    ]  # fmt: skip
    assert (card.method, card.preset, list(card.products)) == (name, preset, ["arm", "base"])

    detector, predictor = untaught.load(run), untaught.load(file, "onnxruntime", threads=1)
    pictures = sorted((line / "base" / "test").glob("*/rgb/*.png"))
    theirs, ours = (who.inspect(pictures, "base") for who in (detector, predictor))
    assert [one.verdict for one in ours] == [one.verdict for one in theirs]
    assert near([one.score for one in ours], [one.score for one in theirs])
    assert near([one.map for one in ours], [one.map for one in theirs])

    every = [{end: array[None] for end, array in detector.decode(picture).inputs.items()} for picture in pictures]
    batch = {end: np.concatenate([inputs[end] for inputs in every]) for end in KINDS[kind]}
    together, alone = predictor.score(batch), [predictor.score(inputs) for inputs in every]
    for said, one_by_one, expected in zip(together, zip(*alone, strict=True), detector.score(batch), strict=True):
        assert near(said, np.concatenate(one_by_one))
        assert near(said, expected)
