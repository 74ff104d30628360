"""Every kind of run beside its exported file: in tiles within a region, with depth, of several products."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import untaught
from untaught.config import Settings
from untaught.data.toy import Toy
from untaught.data.toy3d import Toy3D
from untaught.engine.train import train
from untaught.export.exporter import export_run

TINY = {
    "flow": {"width": 8, "training": {"steps": 2}},
    "student": {"width": 8, "blocks": 1, "training": {"steps": 2}},
}


def regions(folder):
    """Pictures in tiles, looked at within a polygon but for a corner of it."""
    Toy(seed=3, train=12, test_good=1, test_bad=5, size=96).write(folder / "parts")
    (folder / "roi.json").write_text(json.dumps([[8, 8], [96, 8], [96, 80], [8, 80]]))
    (folder / "ignore.json").write_text(json.dumps([[70, 8], [96, 8], [96, 30], [70, 30]]))
    areas = {"roi": folder / "roi.json", "ignore": folder / "ignore.json"}
    cut = {"tile": 64, "overlap": 16, "epochs": 1, "false_reject": 0.4, **areas}
    return Settings(method="reverse_distillation", data=str(folder / "parts"), **cut)


def depth(folder):
    """Covers in colour and depth: two inputs."""
    Toy3D(train=12, test_good=1, test_bad=4, size=64).write(folder / "parts")
    model = {**TINY, "image_size": 64, "input": "both"}
    return Settings(
        method="asymmetric", data=str(folder / "parts"), preset="lite-3d", model=model, false_reject=0.4
    )  # fmt: skip


def products(folder):
    """A line of two products."""
    for name, seed in (("arm", 1), ("base", 2)):
        Toy(seed=seed, train=12, test_good=1, test_bad=5, size=64).write(folder / "parts" / name)
    return Settings(
        method="reverse_distillation", data=str(folder / "parts"), image_size=64, epochs=1, false_reject=0.4
    )  # fmt: skip


KINDS = {
    "regions": (regions, "", "test/*/*.png"),
    "depth": (depth, "", "test/*/rgb/*.png"),
    "products": (products, "base", "base/test/*/*.png"),
}


@pytest.fixture(scope="module", params=KINDS)
def pair(request, tmp_path_factory):
    """A run, its file, and test images of the product `product`."""
    make, product, images = KINDS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    run = train(make(folder), folder / "run")
    export_run(run, folder / "x.untaught")
    files = sorted((folder / "parts").glob(images))
    return SimpleNamespace(
        kind=request.param, run=folder / "run", file=folder / "x.untaught", files=files, product=product
    )


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_the_file_answers_as_the_run_does(pair, backend):
    detector, predictor = untaught.load(pair.run), untaught.load(pair.file, backend, threads=1)
    assert predictor.recipe == detector.recipe
    assert set(predictor.bundle.card.graph.model_dump()["inputs"][0]) >= {"name", "type", "shape"}
    theirs, ours = (who.inspect(pair.files, pair.product) for who in (detector, predictor))
    largest, highest = max(abs(one.score) for one in theirs), max(np.abs(one.map).max() for one in theirs)
    for one, two in zip(ours, theirs, strict=True):
        told = [(who.name, who.size, who.reject, who.p_value, who.product, len(who.regions)) for who in (one, two)]
        assert told[0] == told[1]
        assert abs(one.score - two.score) <= 1e-4 * largest
        assert np.abs(one.map - two.map).max() <= 1e-4 * highest


@pytest.mark.slow
def test_the_file_carries_what_makes_its_kind(pair):
    card = untaught.Bundle(pair.file).card
    if pair.kind == "regions":
        assert (card.recipe.tiling.side, card.recipe.tiling.overlap) == (64, 16)
        inside = card.recipe.area.inside
        assert inside[40, 40]
        assert not inside[84, 40]  # beyond the polygon
        assert not inside[20, 84]  # ignored
        answer = untaught.load(pair.file, "onnxruntime").inspect(pair.files[0])
        assert answer.map[~inside].max() == answer.map[inside].min()
    elif pair.kind == "depth":
        assert [(one.name, one.type, one.shape[-1]) for one in card.graph.inputs] == [
            ("image", "uint8", 3), ("depth", "float32", 2)
        ]  # fmt: skip
    else:
        assert list(card.products) == ["arm", "base"]


@pytest.mark.slow
def test_the_command_line_answers_as_the_run_does(pair, monkeypatch, capsys):
    from untaught.cli.main import main

    words = ["untaught", "inspect", str(pair.file), *map(str, pair.files), "--json", "--backend", "onnxruntime"]
    monkeypatch.setattr("sys.argv", [*words, *(["--product", pair.product] if pair.product else [])])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    rows = json.loads(capsys.readouterr().out)
    for row, answer in zip(rows, untaught.load(pair.run).inspect(pair.files, pair.product), strict=True):
        assert (row["verdict"], row.get("product", "")) == (answer.verdict, pair.product)
        assert row["score"] == pytest.approx(answer.score, rel=1e-3)
