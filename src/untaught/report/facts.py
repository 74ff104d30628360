"""What a run was made of: settings, data lists, weights, training, versions, machine."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from untaught.config import Settings
from untaught.errors import RunError
from untaught.image import Area, Recipe
from untaught.report.words import NONE, duration, percent, plural
from untaught.run import Card, FileRecord, Run, WeightsRecord


@dataclass(frozen=True, slots=True)
class Facts:
    """Named values under a title."""

    title: str
    items: Sequence[tuple[str, str]]


def run_facts(run: Run) -> list[Facts]:
    """All that the report says of how a run came about.

    Raises:
        RunError: settings.toml is damaged.
    """
    card = run.card
    return [
        Facts("Method", _method(run)),
        Facts("Data", _data(card)),
        Facts("Input", _input(card.recipe)),
        Facts("Backbone", _weights(card.backbone)),
        Facts("Weights of this run", _weights(card.weights)),
        Facts("Software", sorted(card.versions.items())),
        Facts("Machine", list(card.machine.items())),
    ]


def _method(run: Run) -> list[tuple[str, str]]:
    """What matters first, and the house's settings that are not its defaults."""
    card, usual = run.card, {name: field.default for name, field in Settings.model_fields.items()}
    told = {"method", "data", "preset", "seed", "image_size", "backbone"}
    other = [
        (key, value)
        for key, value in read_settings(run.folder)
        if "." not in key and key not in told and value != str(usual.get(key))
    ]
    return [("Name", card.method), ("Preset", card.preset), ("Seed", str(card.seed)), *other]


def all_settings(run: Run) -> list[tuple[str, str]]:
    """How the score is drawn, and every setting that has a say in this run."""
    recipe = run.card.recipe
    idle = {"overlap"} if recipe.tiling is None else set()
    idle |= {"depth_unit", "relief"} if recipe.depth is None else set()
    settings = [(key, value) for key, value in read_settings(run.folder) if key not in idle]
    return [("image score", run.card.reduction), *settings]


def read_settings(folder: Path) -> list[tuple[str, str]]:
    """The resolved settings as dotted key and value; empty where there is no settings.toml.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / "settings.toml"
    if not path.exists():
        return []
    try:
        return list(_flat(tomllib.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path} cannot be read ({error})", "the settings of a run", "restore the file or delete it"
        ) from None


def _flat(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def training_facts(card: Card) -> list[tuple[str, str]]:
    """What training took and why each stage ended."""
    training = card.training
    stages = [
        (stage, f"{plural(epochs, 'epoch')}: {training.stopped.get(stage, NONE)}")
        for stage, epochs in training.epochs.items()
    ]
    return [
        ("Time", duration(training.seconds)),
        ("Images", f"{training.images:,}"),
        ("Trained parameters", f"{training.parameters:,}"),
        ("Processes", str(training.processes)),
        *((f"Stage {stage}" if len(stages) > 1 else "Stopped after", why) for stage, why in stages),
        *((f"Stage {stage}, held out", named(figures)) for stage, figures in training.measured.items()),
    ]


def named(figures: Mapping[str, float]) -> str:
    """Figures with their names in one line."""
    return ", ".join(f"{name} {value:.3g}" for name, value in figures.items())


def differing(settings: Sequence[Mapping[str, str]]) -> list[tuple[str, list[str]]]:
    """Keys whose values are not the same in all, with the value in each."""
    keys = dict.fromkeys(key for values in settings for key in values)
    rows = [(key, [values.get(key, NONE) for values in settings]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def _data(card: Card) -> list[tuple[str, str]]:
    data = card.data
    lists = [("Trained on", data.train), ("Steering the stop", data.monitor), ("Calibrated on", data.calibration)]
    lists += [("Thresholds that still stand set on", data.earlier)] if data.earlier else []
    facts = [("Source", data.spec), ("Layout", data.layout)]
    facts += [(name, f"{plural(len(files), 'image')}{_digest(files)}") for name, files in lists]
    left = (("Did not decode, left out", data.quarantined), ("Exact copies, left out", data.copies))
    return facts + [(name, ", ".join(names)) for name, names in left if names]


def _input(recipe: Recipe) -> list[tuple[str, str]]:
    facts = [("Picture", f"{recipe.width} × {recipe.height} px")]
    if recipe.tiling is not None:
        side = recipe.tiling.side
        facts.append(("Tiles", f"{recipe.tiles} of {side} × {side} px, {recipe.tiling.overlap} px shared at least"))
    areas: dict[str, Area | None] = {f"Looked at of {product}": area for product, area in recipe.areas.items()} or {
        "Looked at": recipe.area
    }
    for name, area in areas.items():
        if area is not None:
            share = percent(float(area.inside.mean()))
            facts.append((name, f"{share} of the picture (mask {area.sha256[:16]})"))
    return facts


def _digest(files: Sequence[FileRecord]) -> str:
    """A short hash over names and hashes of a list: two lists are the same images exactly where it is the same."""
    if not files:
        return ""
    lines = sorted(f"{file.sha256}  {file.name}\n" for file in files)
    return f" (list {hashlib.sha256(''.join(lines).encode('utf-8', 'surrogatepass')).hexdigest()[:16]})"


def _weights(record: WeightsRecord) -> list[tuple[str, str]]:
    facts = [("Name", record.name), ("Source", record.source), ("sha256", record.sha256), ("Licence", record.licence)]
    return [(name, value) for name, value in facts if value]
