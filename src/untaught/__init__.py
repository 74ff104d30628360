"""Unsupervised visual anomaly detection by student-teacher distillation.

A student is taught, on images of good parts only, to answer as a frozen teacher does. Where it cannot, nobody taught
it that: a defect. The names below are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from untaught.engine.predict import Detector

_HOMES = {
    "Calibration": "untaught.calibration",
    "Detector": "untaught.engine.predict",
    "Method": "untaught.method",
    "MethodConfig": "untaught.method",
    "Prediction": "untaught.records",
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
    "evaluate": "untaught.engine.evaluate",
    "examine": "untaught.data.doctor",
    "method_names": "untaught.registry",
    "open_dataset": "untaught.data.folder",
    "train": "untaught.engine.train",
    "write_report": "untaught.report.page",
}

__all__ = sorted([*_HOMES, "load"])


def load(run: str | Path) -> Detector:
    """Open a run folder for inspection: `untaught.load(run).inspect(image)`.

    Raises:
        RunError: the run is missing, unfinished or damaged.
    """
    from untaught.engine.predict import Detector

    return Detector(run)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'untaught' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
