"""The run folder: what training leaves behind, readable without torch.

RUN/settings.toml      resolved settings
RUN/weights.safetensors
RUN/card.json          method, preset, recipe, data lists and hashes, calibration, metrics, versions, seed, machine
RUN/log.jsonl          one line an epoch
RUN/evaluation.json    the last evaluation: figures, curves, one row an image     RUN/gallery.npz   its pictures
RUN/drawn.json         what the run finds of drawn defects
RUN/report.html
RUN/checkpoint/        only while training
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from untaught.calibration import Calibration
from untaught.errors import ConfigError, RunError, UntaughtError
from untaught.files import not_written, write_text
from untaught.image import Recipe
from untaught.lock import alone, anew
from untaught.migrations import Step, read_card
from untaught.records import Finding, Result

SCHEMA = 4
READ = ("settings.toml", "card.json", "log.jsonl", "evaluation.json", "gallery.npz", "drawn.json")
STEPS: Mapping[int, Step] = {  # from each older schema, what makes the next one of it
    1: lambda values: values,  # the recipe got areas of single products, which may be left out
    2: lambda values: values,  # the data got images of earlier thresholds that still stand, which may be left out
    3: lambda values: values,  # the training got the precision of its stages, which may be left out
}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)  # a threshold of no number would accept everything


class FileRecord(_Part):
    """One image of a list: its name in the data set and the sha256 of its file or pixels."""

    name: str
    sha256: str
    picture: str = Field(
        default="", description="hash of the decoded picture as the model is given it; none where it has one colour"
    )


class DataRecord(_Part):
    """Which images were used for what. No image stands in two lists."""

    spec: str
    name: str
    layout: str
    train: list[FileRecord] = Field(default_factory=list)
    monitor: list[FileRecord] = Field(default_factory=list, description="good images that steer the stopping rule")
    calibration: list[FileRecord] = Field(default_factory=list, description="good images that only set the thresholds")
    earlier: list[FileRecord] = Field(
        default_factory=list, description="good images that set, before `calibration`, a threshold that still stands"
    )
    copies: list[str] = Field(default_factory=list, description="exact copies of other images, left out")
    calibration_copies: list[str] = Field(
        default_factory=list, description="exact copies left out when the thresholds were set anew"
    )
    quarantined: list[str] = Field(default_factory=list, description="images that did not decode and were left out")
    reasons: dict[str, str] = Field(default_factory=dict, description="why, of each that was left out")
    findings: list[Finding] = Field(default_factory=list, description="what the doctor said before the first epoch")


class WeightsRecord(_Part):
    """Weights by origin and sha256."""

    name: str
    source: str
    sha256: str
    licence: str = ""


class TrainingRecord(_Part):
    """What training took. `seconds` counts from the first decode to the saved weights."""

    seconds: float
    epochs: dict[str, int] = Field(description="epochs run, by stage")
    stopped: dict[str, str] = Field(description="why each stage ended, in words")
    measured: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="figures of a stage on held-out good images when it ended, by stage"
    )
    images: int
    parameters: int = Field(description="trained parameters")
    processes: int = 1
    precision: dict[str, str] = Field(
        default_factory=dict, description="of the student's steps, bf16 or fp32, by stage; none: not recorded"
    )


class Card(_Part):
    """All that is known of a run but its weights."""

    schema_version: int = SCHEMA
    name: str
    method: str
    preset: str
    reduction: str = Field(description="how the image score is drawn from the map, in words")
    created: str = Field(description="ISO 8601, UTC")
    seed: int
    recipe: Recipe
    data: DataRecord
    backbone: WeightsRecord
    weights: WeightsRecord
    training: TrainingRecord
    calibration: Calibration = Field(description="of all products together where there are several")
    products: dict[str, Calibration] = Field(
        default_factory=dict, description="of each product where there are several"
    )
    metrics: dict[str, Result] = Field(default_factory=dict, description="results by data set")
    versions: dict[str, str] = Field(default_factory=dict)
    machine: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _of_the_same_products(self) -> Self:
        if self.recipe.areas and self.recipe.areas.keys() != self.products.keys():
            raise ValueError(f"thresholds of the products that have areas: {', '.join(self.recipe.areas)}")
        return self

    def product_of(self, name: str) -> str:
        """Which product an image shows that stands in `data` under this name; empty where no product is told."""
        first = name.partition("/")[0]
        return first if first in self.products else ""

    def calibrated(self) -> set[str]:
        """The products that the images of the thresholds show; with an empty name where some show none of the run's."""
        return {self.product_of(item.name) for item in self.data.calibration}


class Run:
    """A finished run folder.

    Raises:
        RunError: there is no such folder, it is unfinished, damaged or of a newer schema.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.card = self._read_card()

    def _read_card(self) -> Card:
        path = self.folder / "card.json"
        if not self.folder.is_dir():
            raise RunError(f"{self.folder} is not a folder", "a run folder made by `untaught train`", "check the path")
        if (self.folder / "checkpoint" / "state.safetensors").exists() or (not path.exists() and self._begun()):
            raise RunError(
                f"{self.folder} holds an unfinished training",
                "a finished run",
                "finish it: add --resume to the same train command",
            )
        try:
            return read_card(path.read_bytes(), Card, {"schema_version": (SCHEMA, STEPS)}, str(path))
        except OSError as error:
            raise RunError(
                f"{path} cannot be read ({error})", "the card of a finished run", "train again, or give another folder"
            ) from None
        except UntaughtError as error:
            raise RunError(error.came, error.expected, error.fix) from None

    def _begun(self) -> bool:
        return (self.folder / "checkpoint").exists()

    @contextlib.contextmanager
    def alone(self, task: str) -> Iterator[None]:
        """Keep other commands from changing the run meanwhile; its card is read anew, as one may just have done so.

        Args:
            task: what is done, in a word.

        Raises:
            RunError: another command is at work on the run.
        """
        with alone(self.folder, task):
            self.renew()
            yield

    def renew(self) -> None:
        """Read the card anew, as another command may have written it."""
        self.card = self._read_card()

    def versions(self) -> dict[str, tuple[int, int]]:
        """Which version of each file that a report reads is there.

        Every file is replaced as a whole, and at any one moment those that are there belong together
        (`forget_evaluation`). So what was read between two equal answers does, whoever is at work on the run.
        """
        found = {}
        for name in READ:
            with contextlib.suppress(FileNotFoundError):
                status = (self.folder / name).stat()
                found[name] = (status.st_ino, status.st_mtime_ns)
        return found

    def save_card(self) -> None:
        """Write the card, whole or not at all."""
        write_text(self.folder / "card.json", self.card.model_dump_json(indent=2))

    def forget_evaluation(self, *others: str) -> None:
        """Remove the rows and pictures of the last evaluation, and other files by name.

        The rows go first and are written last, so that whatever is cut short leaves no rows of one evaluation beside
        pictures or figures of another.

        Raises:
            RunError: the folder cannot be written.
        """
        for name in ("evaluation.json", "gallery.npz", *others):
            try:
                (self.folder / name).unlink(missing_ok=True)
            except OSError as error:
                raise not_written(self.folder / name, error) from None

    def log(self) -> list[dict[str, Any]]:
        """The training log, one dictionary an epoch: `stage`, `epoch`, `loss`, `seconds`, `held_out` if measured."""
        path = self.folder / "log.jsonl"
        return [_parsed(line, path) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    def evaluation(self) -> dict[str, Any] | None:
        """The last evaluation (`data`, `curves`, `rows`), or None before the first."""
        return self._table("evaluation.json")

    def drawn(self) -> dict[str, Any] | None:
        """What the run finds of drawn defects (`data`, `images`, `side`, `rows`), or None where it was not asked."""
        return self._table("drawn.json")

    def _table(self, name: str) -> dict[str, Any] | None:
        path = self.folder / name
        return _parsed(path.read_text("utf-8"), path) if path.exists() else None


def opened(run: object) -> Run:
    """A run by its folder, as it is, or that of a detector made of it.

    Raises:
        RunError: there is no such folder, it is unfinished or damaged.
        ConfigError: it is none of these.
    """
    run = getattr(run, "run", run)
    if isinstance(run, Run):
        return run
    if isinstance(run, str | Path):
        return Run(run)
    expected = "a run folder as text or path, or what was opened of one"
    raise ConfigError(f"{run!r} in place of a run", expected, "name the folder that `untaught train` wrote")


@contextlib.contextmanager
def run_folder(out: str | Path | None, name: str, task: str, *, resume: bool = False) -> Iterator[Path]:
    """Where a run goes, kept from others meanwhile: `out`, else a new folder below runs/, `name` or that numbered.

    Raises:
        ConfigError: a training is to be resumed and nobody says where; `out` is no path.
        RunError: somebody else is at work on the folder, or it cannot be written.
    """
    if isinstance(out, str | Path):
        with alone(Path(out), task):
            yield Path(out)
        return
    if out is not None:
        raise ConfigError(f"{out!r} in place of a run folder", "text or a path", "name a new folder")
    if resume:
        raise ConfigError("--resume came without --out", "the folder of the interrupted training", "add --out RUN")
    with anew(Path("runs"), name, task) as folder:
        yield folder


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise RunError(f"{path} is damaged ({error})", "JSON", "remove the file, or evaluate again") from None
    return found
