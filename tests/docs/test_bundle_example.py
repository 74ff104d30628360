"""The example for other languages, run by node where it and its two packages are there."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.bundle.test_bundle import card_with, repacked
from tests.export.test_graph import Both, pictures

import untaught
from untaught.bundle.archive import read_parts
from untaught.bundle.bundle import CARD
from untaught.data.toy import draw
from untaught.export.golden import golden_parts
from untaught.export.graph import graph_record, to_onnx
from untaught.image import Area, DepthRecipe, Recipe, Tiling, read
from untaught.inspector import score_image
from untaught.runtime.session import open_session

EXAMPLE = Path(__file__).parents[2] / "docs" / "guide" / "bundle.mjs"
# A folder in which `npm install onnxruntime-node pngjs` was run; no test downloads anything.
PACKAGES = Path(os.environ.get("UNTAUGHT_NODE", "."))
READY = shutil.which("node") and (PACKAGES / "node_modules" / "onnxruntime-node").is_dir()
pytestmark = pytest.mark.skipif(
    not READY, reason="needs node, and UNTAUGHT_NODE=folder with onnxruntime-node and pngjs"
)


def node(bundle, *pictures):
    # node 20 may wait for ever for a compiler thread where it ends by an error while one is at work
    command = ["node", "--no-concurrent-recompilation", EXAMPLE, bundle, *pictures]
    return subprocess.run(command, cwd=PACKAGES, capture_output=True, text=True, check=False, timeout=300)


def told(done):
    """Verdict and score of each line."""
    assert done.returncode == 0, done.stderr
    return [(line.split()[0], float(line.split()[1])) for line in done.stdout.splitlines()]


def with_recipe(file, path, recipe, inputs, score, product="", **parts):
    """The file with another recipe, and an answer to its picture as the only golden one."""
    record, files = golden_parts(
        0, "drawn", product, inputs, score_image(score, inputs, recipe.of(product)), reject=False
    )
    limit = {"calibration": json.loads(read_parts(file)[CARD])["calibration"], **parts.pop("card", {})}
    limit["calibration"]["image"]["value"] = record.score + 1e-3 * abs(record.score)  # rounding must not decide
    told = {"recipe": json.loads(recipe.model_dump_json()), "golden": [record.model_dump()], **limit}
    old = dict.fromkeys(name for name in read_parts(file) if name.startswith("golden/"))
    return repacked(file, path, **{**old, **files, **parts, CARD: card_with(file, **told)})


def test_javascript_reads_proves_and_inspects_a_bundle(bundle_file, product, tmp_path):
    images = sorted((product / "test").rglob("*.png"))[:4]
    lines = told(node(bundle_file, *images))
    assert [verdict for verdict, _ in lines[:3]] == ["accept"] * 3
    ours = untaught.load(bundle_file, "onnxruntime").inspect(images)
    assert [verdict for verdict, _ in lines[3:]] == [one.verdict for one in ours]
    assert [score for _, score in lines[3:]] == pytest.approx([one.score for one in ours], rel=1e-4)
    changed = repacked(bundle_file, tmp_path / "changed.untaught", resum=False, **{"golden/0_map.f32": bytes(16384)})
    refused = node(changed)
    assert refused.returncode == 1
    assert "golden/0_map.f32 is not the one that was exported" in refused.stderr


def test_javascript_prepares_a_picture_cuts_it_and_looks_only_where_it_shall(bundle_file, tmp_path):
    from PIL import Image

    inside = np.zeros((140, 120), np.bool_)
    inside[20:130, 10:100] = True
    tiling = Tiling(side=64, overlap=16, box=(20, 10, 130, 100))
    recipe = Recipe(height=140, width=120, tiling=tiling, area=Area.of(inside, (90, 80, 70)))
    Image.fromarray(draw([0, 0, 0], 160, "scratch")[0]).save(tmp_path / "x.png")
    inputs = {"image": read(tmp_path / "x.png", recipe)}
    score = untaught.load(bundle_file, "onnxruntime").score
    file = with_recipe(bundle_file, tmp_path / "tiles.untaught", recipe, inputs, score)
    untaught.load(file, "onnxruntime")
    golden, inspected = told(node(file, tmp_path / "x.png"))
    assert inspected[1] == pytest.approx(golden[1], rel=1e-4)
    each = recipe.model_copy(update={"area": None, "areas": {"ring": recipe.area, "cap": Area.of(~inside, (9, 9, 9))}})
    known = {"products": dict.fromkeys(("cap", "ring"), json.loads(read_parts(file)[CARD])["calibration"])}
    file = with_recipe(bundle_file, tmp_path / "each.untaught", each, inputs, score, "ring", card=known)
    untaught.load(file, "onnxruntime")
    assert told(node(file, "--product", "ring", tmp_path / "x.png")) == [golden, inspected]
    assert "--product ring or cap" in node(file, tmp_path / "x.png").stderr
    assert "no product cup" in node(file, "--product", "cup", tmp_path / "x.png").stderr


def test_javascript_feeds_two_inputs(bundle_file, tmp_path):
    method, recipe = Both().eval(), Recipe(height=32, width=48, depth=DepthRecipe())
    model = to_onnx(method, (32, 48))
    inputs = {name: batch[0] for name, batch in pictures(method, 1).items()}
    graph = graph_record(method, "", (32, 48), "fp32").model_dump()
    file = with_recipe(
        bundle_file, tmp_path / "x.untaught", recipe, inputs, open_session(model, "onnxruntime"),
        card={"graph": graph}, **{"model.onnx": model},
    )  # fmt: skip
    untaught.load(file, "onnxruntime")
    assert len(told(node(file))) == 1
    assert "depth" in node(file, tmp_path / "x.png").stderr
