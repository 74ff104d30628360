"""The export of a run, step by step; the finished file is asked in tests/bundle and tests/runtime."""

import json
import shutil

import pytest

import untaught
from untaught.bundle.archive import SUMS, read_parts
from untaught.bundle.bundle import CARD, Bundle
from untaught.cli.main import main
from untaught.errors import BundleError, DataError, RunError
from untaught.export import exporter
from untaught.export.golden import choose
from untaught.export.held_out import find_held_out
from untaught.export.shrink import FIRST, to_int8
from untaught.inspector import score_image
from untaught.run import Run


def test_the_file_tells_how_it_was_proven(bundle_file, run_folder):
    card, run = Bundle(bundle_file).card, Run(run_folder).card
    assert card.held_out == len(run.data.calibration) + len(run.data.monitor)
    assert set(card.parity) == {"onnxruntime", "openvino"}
    for record in card.parity.values():
        assert 0 <= record.score <= 1e-4
        assert 0 < record.map <= 1e-4
    names = [item.name for item in run.data.calibration]
    assert card.golden
    assert {golden.name for golden in card.golden} <= set(names)
    assert [golden.score for golden in card.golden] == sorted(golden.score for golden in card.golden)
    assert card.calibration.image.value - run.calibration.image.value == pytest.approx(card.rounding["score"])


def test_golden_pictures_span_the_scores():
    assert choose([3.0, 1.0, 2.0, 5.0, 4.0]) == [1, 0, 3]
    assert choose([1.0]) == [0]


@pytest.fixture
def moved(run_folder, product, tmp_path):
    """The run of a product whose images went elsewhere and were renamed, all but the defective ones."""
    shutil.copytree(run_folder, tmp_path / "run")
    shutil.copytree(product, tmp_path / "there")
    for path in (tmp_path / "there" / "train" / "good").iterdir():
        path.rename(path.with_name(f"part_{path.name}"))
    settings = tmp_path / "run" / "settings.toml"
    settings.write_text(settings.read_text("utf-8").replace(str(product), str(tmp_path / "gone")), "utf-8")
    return tmp_path


def test_held_out_images_are_found_by_what_they_show(moved):
    found = find_held_out(Run(moved / "run"), [str(moved / "there")])
    assert len(found.calibration) == len(Run(moved / "run").card.data.calibration)
    assert all(sample.name.startswith("train/good/part_") for sample in found.samples)


def test_moved_or_changed_images_are_one_clear_error_that_says_what_to_do(moved, capsys, monkeypatch):
    out = moved / "x.untaught"
    monkeypatch.setattr("sys.argv", ["untaught", "export", str(moved / "run"), "--out", str(out), "--json"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    told = json.loads(capsys.readouterr().out)
    assert told["error"] == "DataError"
    assert "--data DIR" in told["fix"]
    assert not out.exists()
    run = Run(moved / "run")
    name = f"part_{run.card.data.calibration[0].name.rpartition('/')[2]}"
    (moved / "there" / "train" / "good" / name).unlink()
    with pytest.raises(DataError, match=r"1 of 10 held-out images are missing or changed"):
        find_held_out(run, [str(moved / "there")])


@pytest.fixture(scope="module")
def small_file(run_folder, tmp_path_factory):
    """The run exported in 8 bits, where more layers must stay in float32 than at first."""
    out = tmp_path_factory.mktemp("int8") / "bracket.untaught"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("untaught.export.gate.AUROC_DROP", 1.0)  # a few drawn parts say little
        asked = iter([False, True])
        patch.setattr(exporter, "bearable", lambda record: next(asked))
        tried = []
        patch.setattr(exporter, "to_int8", lambda *given: tried.append(given[2]) or to_int8(*given))
        exporter.export_run(run_folder, out, precision="int8")
    assert tried == list(FIRST)
    return out


def test_in_8_bits_the_fewest_layers_stay_in_float32_that_pass_the_gate(small_file, run_folder):
    card = Bundle(small_file).card
    assert card.graph.precision == "int8"
    assert card.drop.correlation >= 0.95
    predictor = untaught.load(small_file, "onnxruntime", threads=1)
    full = untaught.load(run_folder)
    golden = card.golden[-1]
    near = score_image(predictor.score, Bundle(small_file).golden_inputs(golden), card.recipe)
    exact = score_image(full.score, Bundle(small_file).golden_inputs(golden), card.recipe)
    assert near.score == pytest.approx(exact.score, rel=0.05)
    assert near.score != exact.score


def test_what_was_exported_before_changes_nothing(run_folder, bundle_file, tmp_path, monkeypatch):
    monkeypatch.setattr("untaught.export.gate.AUROC_DROP", 1.0)
    detector = untaught.load(run_folder)
    exporter.export_run(detector, tmp_path / "small", precision="fp16")
    exporter.export_run(detector, tmp_path / "again")
    first, again = read_parts(bundle_file), read_parts(tmp_path / "again")
    assert {name: data for name, data in first.items() if name not in (CARD, SUMS)} == {
        name: data for name, data in again.items() if name not in (CARD, SUMS)
    }
    cards = [json.loads(parts[CARD]) | {"exported": ""} for parts in (first, again)]
    assert cards[0] == cards[1]


def test_a_target_that_cannot_be_written_is_known_before_anything_is_computed(run_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(exporter, "Export", None)
    for out in (tmp_path, run_folder / "card.json" / "x.untaught"):
        with pytest.raises(RunError, match="cannot be written"):
            exporter.export_run(run_folder, out)


def test_where_no_form_passes_nothing_is_written(run_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("untaught.export.gate.CORRELATION", 1.1)
    monkeypatch.setattr(exporter, "FIRST", (3,))
    with pytest.raises(BundleError, match="maps correlate by 0"):
        exporter.export_run(run_folder, tmp_path / "x.untaught", precision="int8")
    assert not list(tmp_path.iterdir())
