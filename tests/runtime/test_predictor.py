"""The exported file beside the run it was made from."""

import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from tests.bundle.test_bundle import card_with, repacked

import untaught
from untaught.bundle.bundle import CARD
from untaught.errors import BundleError, ConfigError, ImageError
from untaught.inspector import MANY

BACKENDS = ["onnxruntime", "openvino"]


@pytest.fixture(scope="module", params=BACKENDS)
def predictor(request, bundle_file):
    return untaught.load(bundle_file, request.param, threads=1)


@pytest.fixture(scope="module")
def detector(run_folder):
    return untaught.load(run_folder)


@pytest.fixture(scope="module")
def files(product):
    return sorted((product / "test").rglob("*.png"))


def test_the_file_answers_as_the_run_does_also_to_the_images_that_made_the_thresholds(
    predictor, detector, product, files
):
    everything = files + sorted((product / "train").rglob("*.png"))
    ours, theirs = predictor.inspect(everything), detector.inspect(everything)
    largest = max(abs(answer.score) for answer in theirs)
    highest = max(answer.map.max() for answer in theirs)
    for one, two in zip(ours, theirs, strict=True):
        assert (one.name, one.size, one.reject, one.p_value) == (two.name, two.size, two.reject, two.p_value)
        assert abs(one.score - two.score) <= 1e-4 * largest
        assert np.abs(one.map - two.map).max() <= 1e-4 * highest
        assert len(one.regions) == len(two.regions)


def test_every_kind_of_source_gives_the_same_answer(predictor, files):
    path = files[0]
    picture, expected = Image.open(path), predictor.inspect(path)
    for source in (str(path), path.read_bytes(), np.asarray(picture), picture):
        answer = predictor.inspect(source)
        assert answer.score == expected.score
        assert np.array_equal(answer.map, expected.map)
    frames = (np.asarray(Image.open(path)) for path in files[:3])
    assert [answer.score for answer in predictor.stream(frames)] == [
        predictor.inspect(path).score for path in files[:3]
    ]


def test_threads_give_the_same_answers(predictor, files):
    alone = [predictor.inspect(path) for path in files]
    with ThreadPoolExecutor(4) as pool:
        for one, two in zip(alone, pool.map(predictor.inspect, files), strict=True):
            assert one.score == two.score
            assert np.array_equal(one.map, two.map)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_team_of_sessions_answers_bit_for_bit_as_one_session_does(bundle_file, files, backend):
    predictor = untaught.load(bundle_file, backend, threads=2)
    many = (files * MANY)[:MANY]
    for path, answer in zip(many, predictor.inspect(many), strict=True):
        alone = predictor.inspect(path)
        assert (answer.score, answer.reject, answer.name) == (alone.score, alone.reject, str(path))
        assert np.array_equal(answer.map, alone.map)
    team, size = predictor.team()
    assert size == 2
    assert team is predictor.team()[0], "opened once"
    assert team is not predictor.session


def test_an_answer_is_its_own_and_not_the_sessions_memory(predictor, files):
    first = predictor.inspect(files[0])
    kept = first.map.copy()
    predictor.inspect(files[-1])
    assert np.array_equal(first.map, kept)


def test_a_batch_gives_what_its_images_give_alone(predictor):
    batch = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    maps, scores = predictor.session({"image": batch})
    for number in range(3):
        map_, score = predictor.session({"image": batch[number : number + 1]})
        assert np.abs(map_[0] - maps[number]).max() <= 1e-5 * maps.max()
        assert abs(score[0] - scores[number]) <= 1e-5 * abs(scores).max()


def test_a_bad_image_is_named(predictor):
    with pytest.raises(ImageError, match="encoded image"):
        predictor.inspect(b"no image")


def test_the_self_test_notices_another_graph_than_the_one_that_was_proven(bundle_file, tmp_path):
    import onnx
    from onnx import numpy_helper

    from untaught.bundle.archive import read_parts

    model = onnx.load_from_string(read_parts(bundle_file)["model.onnx"])
    weight = max(model.graph.initializer, key=lambda item: len(item.raw_data))
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 1.01, weight.name))
    other = repacked(bundle_file, tmp_path / "other.untaught", **{"model.onnx": model.SerializeToString()})
    with pytest.raises(BundleError, match=r"fails its own test in onnxruntime.*off by"):
        untaught.load(other, "onnxruntime")
    untaught.load(other, "onnxruntime", self_test=False)


def test_the_self_test_notices_a_moved_threshold_and_answers_that_are_no_numbers(bundle_file, tmp_path):
    card = json.loads(card_with(bundle_file))
    card["calibration"]["image"]["value"] = min(golden["score"] for golden in card["golden"]) - 1
    moved = repacked(bundle_file, tmp_path / "moved.untaught", **{CARD: json.dumps(card).encode()})
    with pytest.raises(BundleError, match="fails its own test"):
        untaught.load(moved, "onnxruntime")
    nan = np.full((64, 64), np.nan, "<f4").tobytes()
    with pytest.raises(BundleError, match="fails its own test"):
        untaught.load(repacked(bundle_file, tmp_path / "nan.untaught", **{"golden/0_map.f32": nan}), "onnxruntime")


def test_options_that_cannot_be_are_refused(bundle_file, run_folder, monkeypatch):
    with pytest.raises(ConfigError, match="tensorrt"):
        untaught.load(bundle_file, "tensorrt")
    with pytest.raises(ConfigError, match="at least 1"):
        untaught.load(bundle_file, threads=0)
    with pytest.raises(ConfigError, match="exported files"):
        untaught.load(run_folder, "openvino")
    monkeypatch.setattr("untaught.runtime.session.installed", lambda: ["onnxruntime"])
    assert untaught.load(bundle_file).session.backend == "onnxruntime"
    with pytest.raises(ConfigError, match="pip install openvino"):
        untaught.load(bundle_file, "openvino")


def test_a_graph_that_no_runtime_takes_is_one_clear_error(bundle_file, tmp_path):
    import onnx

    empty = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [])).SerializeToString()
    bad = repacked(bundle_file, tmp_path / "bad.untaught", **{"model.onnx": empty})
    for backend in BACKENDS:
        with pytest.raises(BundleError, match=f"{backend} .*"):
            untaught.load(bad, backend)


WITHOUT_TORCH = """
import sys
for banned in ("torch", "torchvision", "timm", "accelerate", "safetensors", "jaxtyping", "onnx", "onnxscript",
               "openvino", "cryptography", "scipy", "sklearn"):
    sys.modules[banned] = None
sys.argv = ["untaught", "inspect", *sys.argv[1:]]
from untaught.cli.main import main
main()
"""


def test_a_bundle_inspects_where_torch_is_missing(bundle_file, detector, files, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-c", WITHOUT_TORCH, str(bundle_file), *map(str, files[:3])]
    done = subprocess.run(
        [*command, "--json", "--out", str(out), "--overlays"], check=True, capture_output=True, text=True
    )
    rows = json.loads(done.stdout)
    for row, expected in zip(rows, detector.inspect(files[:3]), strict=True):
        assert row["verdict"] == expected.verdict
        assert row["score"] == pytest.approx(expected.score, rel=1e-3)
    assert len(list(out.glob("*.png"))) == 3
    assert Image.open(io.BytesIO(next(out.glob("*.png")).read_bytes())).size == (64, 64)


def test_the_runtime_reports_to_nobody(bundle_file, tmp_path):
    """ONNX Runtime keeps an identifier of the machine and a queue of reports in the cache folder where it is let."""
    places = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    told = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    line = "import sys, untaught; untaught.load(sys.argv[1], 'onnxruntime')"
    subprocess.run([sys.executable, "-c", line, str(bundle_file)], check=True, env={**told, **places}, timeout=300)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
