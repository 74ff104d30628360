"""Unsupervised visual anomaly detection by student-teacher distillation.

A student is taught, on images of good parts only, to answer as a frozen teacher does. Where it cannot, nobody taught
it that: a defect. The names below are imported when they are first used.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from untaught.inspector import Inspector
    from untaught.run import Run
    from untaught.runtime.session import Backend

# ONNX Runtime reads this once, when it is imported. Since 1.29 it otherwise keeps an identifier of the machine in the
# cache folder and reports sessions and models to its maker.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "Bundle": "untaught.bundle.bundle",
    "Calibration": "untaught.calibration",
    "Detector": "untaught.engine.predict",
    "Inspector": "untaught.inspector",
    "Method": "untaught.method",
    "MethodConfig": "untaught.method",
    "Prediction": "untaught.records",
    "Predictor": "untaught.runtime.predictor",
    "Recipe": "untaught.image",
    "Region": "untaught.records",
    "Result": "untaught.records",
    "Run": "untaught.run",
    "Sample": "untaught.records",
    "Settings": "untaught.config",
    "Stage": "untaught.method",
    "Threshold": "untaught.records",
    "UntaughtError": "untaught.errors",
    "calibrate": "untaught.engine.calibrate",
    "demo": "untaught.cli.demo:draw_train_measure",
    "doctor": "untaught.data.doctor",
    "evaluate": "untaught.engine.evaluate",
    "export_run": "untaught.export.exporter",
    "list": "untaught.registry:method_names",
    "newest": "untaught.image.frames",
    "open_dataset": "untaught.data.folder",
    "train": "untaught.engine.train",
}

__all__ = sorted([*_HOMES, "inspect", "load", "report"])


def load(
    source: str | Path | Run | Inspector,
    backend: Backend = "auto",
    threads: int | None = None,
    *,
    self_test: bool = True,
    key: str | Path | None = None,
) -> Inspector:
    """Open a run folder or an exported file for inspection: `untaught.load("bottle.untaught").inspect(image)`.

    Args:
        source: a run folder, which needs torch, or a file made by `untaught export`, which does not; what was opened
            already is given back.
        backend: for a file: `onnxruntime`, `openvino`, or `auto`: OpenVINO where it is installed.
        threads: for a file: threads that work on one image; None: as many as there are cores.
        self_test: for a file: answer its golden pictures first.
        key: for a file: PEM file with the public key that must have signed it.

    Raises:
        RunError: the run is missing, unfinished or damaged.
        BundleError: the file is not as it was exported, or does not answer here as it must.
        ConfigError: the backend is not there, the key cannot be read, or an option of files is given for a folder.
    """
    from pathlib import Path

    from untaught.inspector import Inspector

    if isinstance(source, Inspector):
        if (backend, threads, self_test, key) != ("auto", None, True, None):
            from untaught.errors import ConfigError

            came = "options for a run or file that is open already"
            raise ConfigError(came, "its path", "give the path with these options, or leave them out")
        return source
    if isinstance(source, str | Path) and Path(source).is_file():
        from untaught.runtime.predictor import Predictor

        return Predictor(source, backend, threads, self_test=self_test, key=key)
    if (backend, threads, key) != ("auto", None, None):
        from untaught.errors import ConfigError

        came = f"{source} is no file, and `backend`, `threads` and `key` are for exported files"
        raise ConfigError(came, "a file made by `untaught export`", "check the path, or leave the options out")
    from untaught.engine.predict import Detector

    return Detector(source)


def inspect(source: str | Path | Run | Inspector, image: Any, product: str = "", *, depth: Any = None) -> Any:
    """Inspect one image or a list of images with a run folder or an exported file.

    For more than one call keep what `load` gives: this opens `source` anew each time.

    Args:
        source: as `load` takes it.
        image: as `Inspector.inspect` takes it.
        product: likewise.
        depth: likewise.
    """
    return load(source).inspect(image, product, depth=depth)


def __getattr__(name: str) -> Any:
    if name == "report":  # the package of this name can be called as well
        return importlib.import_module("untaught.report")
    if name not in _HOMES:
        raise AttributeError(f"module 'untaught' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(importlib.import_module(module), attribute or name)


def __dir__() -> list[str]:
    return __all__
