"""Where a figure comes from: the card of a run, versions, machine, hashes."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from untaught.calibration import Calibration
from untaught.image import Recipe
from untaught.nn.precision import processor
from untaught.run import Card, DataRecord, FileRecord, TrainingRecord, WeightsRecord

if TYPE_CHECKING:
    from untaught.engine.train import Training

PACKAGES = ("untaught", "torch", "timm", "accelerate", "numpy", "pillow")


def make_card(training: Training, calibration: Calibration, products: dict[str, Calibration]) -> Card:
    """The card of a training whose weights are saved; `products` holds the calibration of each of several products."""
    settings, method, dataset, at = training.settings, training.method, training.dataset, training.at
    broken, seen, copies = training.intake.broken, training.intake.seen, training.intake.copies
    spec = settings.data if isinstance(settings.data, str) else ", ".join(settings.data)
    parts = {
        part: [
            FileRecord(name=item.name, sha256=training.hashes[item.name], picture=seen[item.name].digest)
            for item in samples
            if item.name not in {*broken, *copies}
        ]
        for part, samples in training.split.items()
    }
    trained = {id(item): item.numel() for stage in method.stages() for item in stage.parameters}
    return Card(
        name=dataset.name, method=settings.method, preset=settings.preset,
        reduction=reduction(method.reduction, training.recipe),
        created=datetime.now(UTC).isoformat(timespec="seconds"), seed=settings.seed, recipe=training.recipe,
        data=DataRecord(
            spec=spec, name=dataset.name, layout=dataset.layout, calibration_copies=[],
            copies=sorted({*training.copies, *copies}),
            quarantined=sorted(broken), reasons={name: broken[name].came for name in sorted(broken)},
            findings=[] if training.diagnosis is None else list(training.diagnosis.findings), **parts
        ),
        backbone=method.backbone,
        weights=WeightsRecord(
            name="weights.safetensors", source="this training", sha256=file_hash(training.out / "weights.safetensors")
        ),
        training=TrainingRecord(
            seconds=round(training.clock(), 3), epochs=at.epochs, stopped=at.stopped, measured=at.measured,
            images=len(parts["train"]), parameters=sum(trained.values()), processes=training.accelerator.num_processes,
            precision=at.precision,
        ),
        calibration=calibration, products=products, versions=versions(), machine=machine(),
    )  # fmt: skip


def reduction(own: str, recipe: Recipe) -> str:
    """How an image's score is drawn, in words."""
    return own if recipe.tiles == 1 else f"highest of {recipe.tiles} tiles, each scored by: {own}"


def file_hash(path: Path) -> str:
    """Sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Versions of everything that can change a result."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def machine() -> dict[str, str]:
    """What a figure of time depends on; of a processor also its widest instructions."""
    named = f"{processor()}, {torch.backends.cpu.get_cpu_capability()}"
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else named
    return {
        "system": platform.platform(),
        "device": device,
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
    }
