"""A run in tiles within a region beside its exported file; other kinds are asked in tests/contracts/test_bundles.py."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import untaught
from untaught.config import Settings
from untaught.data.toy import Toy
from untaught.engine.train import train
from untaught.export.exporter import export_run


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A run on pictures in tiles, looked at within a polygon but for a corner of it; its file, and test images."""
    folder = tmp_path_factory.mktemp("regions")
    Toy(seed=3, train=12, test_good=1, test_bad=5, size=96).write(folder / "parts")
    (folder / "roi.json").write_text(json.dumps([[8, 8], [96, 8], [96, 80], [8, 80]]))
    (folder / "ignore.json").write_text(json.dumps([[70, 8], [96, 8], [96, 30], [70, 30]]))
    areas = {"roi": folder / "roi.json", "ignore": folder / "ignore.json"}
    cut = {"tile": 64, "overlap": 16, "epochs": 1, "false_reject": 0.4, **areas}
    train(Settings(method="reverse_distillation", data=str(folder / "parts"), **cut), folder / "run")
    export_run(folder / "run", folder / "x.untaught")
    files = sorted((folder / "parts").glob("test/*/*.png"))
    return SimpleNamespace(run=folder / "run", file=folder / "x.untaught", files=files)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_the_file_answers_as_the_run_does(pair, backend):
    detector, predictor = untaught.load(pair.run), untaught.load(pair.file, backend, threads=1)
    assert predictor.recipe == detector.recipe
    theirs, ours = (who.inspect(pair.files) for who in (detector, predictor))
    largest, highest = max(abs(one.score) for one in theirs), max(np.abs(one.map).max() for one in theirs)
    for one, two in zip(ours, theirs, strict=True):
        told = [(who.name, who.size, who.reject, who.p_value, len(who.regions)) for who in (one, two)]
        assert told[0] == told[1]
        assert abs(one.score - two.score) <= 1e-4 * largest
        assert np.abs(one.map - two.map).max() <= 1e-4 * highest


@pytest.mark.slow
def test_the_file_carries_tiles_and_region(pair):
    card = untaught.Bundle(pair.file).card
    assert (card.recipe.tiling.side, card.recipe.tiling.overlap) == (64, 16)
    inside = card.recipe.area.inside
    assert inside[40, 40]
    assert not inside[84, 40]  # beyond the polygon
    assert not inside[20, 84]  # ignored
    answer = untaught.load(pair.file, "onnxruntime").inspect(pair.files[0])
    assert answer.map[~inside].max() == answer.map[inside].min()


@pytest.mark.slow
def test_the_command_line_answers_as_the_run_does(pair, monkeypatch, capsys):
    from untaught.cli.main import main

    words = ["untaught", "inspect", str(pair.file), *map(str, pair.files), "--json", "--backend", "onnxruntime"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    rows = json.loads(capsys.readouterr().out)
    for row, answer in zip(rows, untaught.load(pair.run).inspect(pair.files), strict=True):
        assert row["verdict"] == answer.verdict
        assert row["score"] == pytest.approx(answer.score, rel=1e-3)
