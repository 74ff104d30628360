"""The example for other languages, run by node where it and its two packages are there."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.bundle.test_bundle import repacked

EXAMPLE = Path(__file__).parents[2] / "docs" / "guide" / "bundle.mjs"
# A folder in which `npm install onnxruntime-node pngjs` was run; no test downloads anything.
PACKAGES = Path(os.environ.get("UNTAUGHT_NODE", "."))
READY = shutil.which("node") and (PACKAGES / "node_modules" / "onnxruntime-node").is_dir()


def node(bundle):
    return subprocess.run(["node", EXAMPLE, bundle], cwd=PACKAGES, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not READY, reason="needs node, and UNTAUGHT_NODE=folder with onnxruntime-node and pngjs")
def test_javascript_reads_proves_and_inspects_a_bundle(bundle_file, tmp_path):
    done = node(bundle_file)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["accept"] * 3
    changed = repacked(bundle_file, tmp_path / "changed.untaught", resum=False, **{"golden/0_map.f32": bytes(16384)})
    refused = node(changed)
    assert refused.returncode == 1
    assert "golden/0_map.f32 is not the one that was exported" in refused.stderr
