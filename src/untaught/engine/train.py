"""From settings to a finished run folder: the steps of a training in their order."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, broadcast_object_list
from torch import Tensor

from untaught.batch import Batch
from untaught.config import Settings, asked, load_toml, to_toml, validate
from untaught.data.base import fingerprints, require_depth
from untaught.data.diagnosis import Diagnosis
from untaught.data.folder import open_dataset
from untaught.data.split import GoodSplit, calibrated_by, split_products
from untaught.engine.calibrate import calibrate_products, calibrate_scores
from untaught.engine.checkpoint import FILE, load_checkpoint, restore_optimizer, save_checkpoint, save_tensors
from untaught.engine.examination import examined
from untaught.engine.features import FeatureCache
from untaught.engine.fit import Fit, Stopwatch, per_process
from untaught.engine.framing import cost_of_tiles, frame, limits_of
from untaught.engine.intake import Intake
from untaught.engine.predict import complete, make_method, model_settings, scorer
from untaught.engine.pretrain import school
from untaught.engine.provenance import make_card
from untaught.engine.schedule import Schedule, share_of_time
from untaught.engine.seed import seed_all
from untaught.engine.shares import Share, Shares
from untaught.engine.size import sized, taken_up
from untaught.engine.tensors import to_arrays
from untaught.errors import ConfigError, DataError, RunError
from untaught.files import make_folder, write_text
from untaught.inspector import score_image
from untaught.method import Method, Stage
from untaught.nn.precision import bf16_pays
from untaught.progress import Progress, Report, silent
from untaught.records import Sample, Split
from untaught.run import Run, run_folder

Slots = dict[int, dict[str, Any]]
SPLITS: tuple[Split, ...] = ("train", "validation")  # of the good images a training sees
MEASURED = 64  # drawn defects at least on which a stage is measured: few images are drawn on several times


def unheard(diagnosis: Diagnosis) -> None:
    """Nobody listens: the findings are in the run's card all the same."""


def train(
    settings: Settings | str,
    out: Path | str | None = None,
    *,
    resume: bool = False,
    report: Report = silent,
    diagnosed: Callable[[Diagnosis], None] = unheard,
    **values: Any,
) -> Run:
    """Train a detector on the good images of a data set and leave a run folder.

    Args:
        settings: what to train on what; or a method's name, with the rest by keyword.
        out: the run folder; must not hold a run yet. Default: a new one under runs/.
        resume: go on with an interrupted training in `out`; its end is the same, bit for bit, as without the
            interruption (on the same CPU with as many threads).
        report: told of the progress.
        diagnosed: told before the first epoch what the doctor says of the data.
        values: fields of `Settings`, `backbone` and `weights`: `train("stfpm", data="parts", epochs=3)`.

    Returns:
        The finished run.

    Raises:
        UntaughtError: the data, the settings or the folder do not allow it; nothing is left half-written.
    """
    if isinstance(settings, Settings) and values:
        came = f"settings, and {', '.join(values)} beside them"
        raise ConfigError(came, "either", "put them into the settings, or name the method in place of the settings")
    if "method" in values:
        raise ConfigError(f"two methods, {settings} and {values['method']}", "one", "leave `method` out of the rest")
    wanted = settings if isinstance(settings, Settings) else asked({"method": settings, **values})
    with run_folder(out, wanted.name, "train", resume=resume) as folder:
        training = Training(wanted, folder, resume, report, diagnosed)
        training.settings = taken_up(wanted, training.out) if resume else wanted
        if not finished(training.settings, training.out, resume):
            training.execute()
        return Run(training.out)


def finished(settings: Settings, out: Path, resume: bool) -> bool:
    """Whether `resume` finds nothing left to do.

    Raises:
        RunError: the folder belongs to something else.
    """
    state, card, begun = out / "checkpoint" / FILE, out / "card.json", out / "settings.toml"
    if not resume:
        if card.exists() or state.exists():
            what = "an unfinished training" if state.exists() else "a run"
            fix = "choose another --out, or add --resume to go on with an unfinished one"
            raise RunError(f"{out} holds {what} already", "a new folder", fix)
        return False
    if not begun.exists():
        return False
    # Both as a run is read, without presets: what a file does not hold, None among it, is the class's default.
    both = validate(Settings, load_toml(begun), str(begun)), complete(settings)
    models = [model_settings(one, str(begun)).model_dump(mode="json", exclude_none=True) for one in both]
    then, now = (one.model_copy(update={"model": model}) for one, model in zip(both, models, strict=True))
    if to_toml(then) != to_toml(now):
        differ = [key for key in Settings.model_fields if getattr(then, key) != getattr(now, key)]
        came = f"{out} was begun with other settings ({', '.join(differ)})"
        raise RunError(came, "the same settings", "repeat the first command and add --resume")
    return card.exists() and not state.exists()


@dataclass
class Position:
    """How far a training has come: all that a checkpoint keeps beside tensors."""

    stage: int = 0
    epoch: int = 0
    history: list[float] = field(default_factory=list)
    settled: int | None = None
    why: str = ""
    stopped: dict[str, str] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    measured: dict[str, dict[str, float]] = field(default_factory=dict)
    precision: dict[str, str] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    data: str = ""
    state: str = ""
    teacher: str = ""
    began: float = 0.0
    """Seconds spent when the stage began."""


@dataclass
class Training:
    """One training run; `execute` is its order of events."""

    settings: Settings
    out: Path
    resume: bool = False
    report: Report = silent
    diagnosed: Callable[[Diagnosis], None] = unheard
    diagnosis: Diagnosis | None = None

    def __post_init__(self) -> None:
        self.accelerator = Accelerator(cpu=not torch.cuda.is_available())
        self.main = bool(self.accelerator.is_main_process)
        if self.accelerator.num_processes > 1:  # the first has made the folder
            self.out = Path(broadcast_object_list([str(self.out)])[0])
        self.report = self.report if self.main else silent
        self.at, self.slots = Position(), cast("Slots | None", None)

    def execute(self) -> None:
        """Data, method, stages, score scale, thresholds, files."""
        self.clock = Stopwatch()
        self._open()
        self._school()
        for left in self.out.glob(".*.tmp") if self.main else ():
            left.unlink(missing_ok=True)  # of a killed process
        with self._held_out() as (images, rows):
            self._begin()
            stages = list(self.method.stages())
            for number in range(self.at.stage, len(stages)):
                self._train(number, stages)
            self._settle()
            if self.main:
                self._finish(images, rows)
        self.accelerator.wait_for_everyone()

    def _open(self) -> None:
        self.dataset = open_dataset(self.settings.data)
        good = {item.name: item for item in self.dataset.samples if item.split != "test" and not item.defective}
        self.hashes, self.copies = fingerprints(self.dataset, good.values(), limits_of(self.settings))
        kept = sorted(set(good) - set(self.copies))
        own = {split: [name for name in kept if good[name].split == split] for split in SPLITS}
        products = {name: good[name].product for name in kept}
        parts = split_products({name: products[name] for name in own["train"]}, self.settings.seed)
        names = calibrated_by(parts, own["validation"], products)
        self.split: dict[str, list[Sample]] = {
            part: [good[name] for name in getattr(names, part)] for part in GoodSplit._fields
        }
        self.settings = complete(sized(self.settings, self.dataset, self.split["train"]))
        seed_all(self.settings.seed, "method")
        self.method: Method = make_method(self.settings).to(self.accelerator.device)
        self.method.to(memory_format=torch.channels_last)
        self.recipe = frame(self.settings, self.method, self.dataset, self.split["train"])
        if self.settings.tile is not None:
            cost = cost_of_tiles(self.recipe, self.method, len(self.split["train"]))
            self.report(Progress("tiles", 1, 1, cost))
        every = [sample for part in self.split.values() for sample in part]
        if self.recipe.depth is not None:
            require_depth(self.dataset, every)
        skip = self.settings.on_bad_image == "skip"
        self.intake = Intake(self.dataset, self.recipe, skip, self.method.inputs, every=every)
        self.shares = Shares(self.settings, self.method, self.intake, self.hashes, self.accelerator, self.report)

    def _school(self) -> None:
        """Teachers that have to learn first, found or made; what that takes is not counted as this training's."""
        begun = self.clock()
        with self.accelerator.main_process_first():
            school(self.method, self.report, self.accelerator.device)
        self.clock.spent -= self.clock() - begun

    @contextmanager
    def _held_out(self) -> Iterator[tuple[FeatureCache, list[int]]]:
        """The calibration images, decoded once, and which of them are whole; on the main process."""
        samples = self.split["calibration"] if self.main else []
        cache = self.shares.cache(len(samples), "calibration", half=False)
        self.intake.fill(cache, samples, task="read held-out images", report=self.report)
        rows = [row for row, sample in enumerate(samples) if sample.name not in self.intake.broken]
        if lost := {sample.product for sample in samples} - {samples[row].product for row in rows}:
            of = f" of {', '.join(sorted(lost))}" if any(lost) else ""
            came = f"none of the good images{of} held out for the threshold decodes"
            raise DataError(came, "images that decode", "look at the data with `untaught doctor`")
        try:
            yield cache, rows
        finally:
            cache.close(delete=not self.settings.cache.keep)

    def _begin(self) -> None:
        """Take up a checkpoint, or have everything that can fail on bad data behind us before a file is written."""
        self.checkpoint = self.out / "checkpoint"
        if self.resume and (self.checkpoint / FILE).exists():
            progress, self.slots = load_checkpoint(self.checkpoint, self.method)
            self.at = Position(**progress)
            self.clock.spent += self.at.seconds
            if self.at.data != self._data():
                came = (
                    f"the good images in {self.settings.data} or the region to look at changed since the training began"
                )
                fix = "restore them, or train again into a new folder"
                raise RunError(came, f"those that {self.out} was begun with", fix)
            if self.at.teacher != self.method.backbone.sha256:
                raise RunError(
                    f"the teacher is another than when the training in {self.out} began",
                    f"the one with sha256 {self.at.teacher}",
                    "train again into a new folder",
                )

    def _train(self, number: int, stages: Sequence[Stage]) -> None:
        stage = stages[number]
        if self.at.epoch == 0:
            self.at.began = self.clock()
            if self.accelerator.num_processes > 1:  # their clocks differ, and so would the epochs they end after
                self.at.began = broadcast_object_list([self.at.began])[0]
        if number and not self.at.state:
            self.at.state = state_hash(self.method)
        self.shares.state = self.at.state
        train, monitor = self.shares.of(stage, self.split)
        if self.main and self.diagnosis is None:
            self.diagnosis = examined(self.dataset, self.intake, self.report)
            self.diagnosed(self.diagnosis)
        if self.main and not self.checkpoint.exists():
            write_text(self.out / "settings.toml", to_toml(self.settings))
            make_folder(self.checkpoint)
        steps = train.steps(per_process(stage, self.accelerator))
        schedule = Schedule(stage, steps, self.settings.epochs, began=self.at.began)
        if self.settings.minutes is not None:
            left = max(0.0, 60 * self.settings.minutes - self.at.began)
            schedule.seconds = left * share_of_time(stages[number:], steps, self.settings.epochs)
        schedule.history, schedule.settled, schedule.stopped = self.at.history, self.at.settled, self.at.why
        bf16 = self._precision(stage) == "bf16"
        fit = Fit(self.method, stage, train, monitor, self.accelerator, schedule, self.settings.seed, bf16)
        fit.epoch, fit.clock, fit.report, fit.log = self.at.epoch, self.clock, self.report, self.at.log.append
        fit.checkpoint = self._checkpointer(number, fit)
        if self.slots is None and fit.epoch == 0:
            self.method.eval()
            self.method.prepare(stage, self._plain(train), self._sum)
        slots, self.slots = self.slots, None
        fit.run(lambda optimizer: restore_optimizer(optimizer, slots) if slots else None)
        self.at.stopped[stage.name], self.at.epochs[stage.name] = schedule.stopped, fit.epoch
        self._measure(stage, monitor)
        self._save(number, fit, None)
        self.at.stage, self.at.epoch, self.at.history, self.at.settled, self.at.why = number + 1, 0, [], None, ""
        self.at.state = ""
        self.monitor = monitor

    def _precision(self, stage: Stage) -> str:
        """What a stage's steps are computed in, the same for all processes, and after an interruption as before."""
        wanted = "bf16" if bf16_wanted(self.settings, stage, self.accelerator.device) else "fp32"
        if self.accelerator.num_processes > 1:
            wanted = broadcast_object_list([wanted])[0]
        if self.at.epoch == 0:
            return self.at.precision.setdefault(stage.name, wanted)
        return self.at.precision.get(stage.name, wanted)  # checkpoints of before that tell nothing of it

    def _plain(self, share: Share) -> Iterator[Batch]:
        """Every image once as it is, where the method computes; nothing is drawn on them."""
        return (batch.to(self.accelerator.device) for batch in replace(share, drawer=None).in_order())

    def _measure(self, stage: Stage, monitor: Share) -> None:
        if stage.measure is not None and self.main:
            batches = (batch.to(self.accelerator.device) for batch in monitor.rounds(MEASURED))
            with torch.no_grad():
                self.at.measured[stage.name] = dict(stage.measure(batches))

    def _data(self) -> str:
        told = [sorted(self.hashes.items()), self.recipe.model_dump_json()]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def _checkpointer(self, number: int, fit: Fit) -> Any:
        """Saves now and then: not more often than asked for, and at most a twentieth of the time; 0 asks for all."""
        last, cost = self.clock(), 0.0

        def save(optimizer: torch.optim.Optimizer) -> None:
            nonlocal last, cost
            begun = self.clock()
            asked = self.settings.checkpoint_seconds
            if begun - last >= (max(asked, 20 * cost) if asked else 0.0):
                self._save(number, fit, optimizer)
                last = self.clock()
                cost = last - begun

        return save

    def _save(self, number: int, fit: Fit, optimizer: torch.optim.Optimizer | None) -> None:
        if not self.main:
            return
        schedule, at = fit.schedule, self.at
        at.stage, at.epoch, at.seconds, at.data = number, fit.epoch, self.clock(), self._data()
        at.teacher = self.method.backbone.sha256
        at.history, at.settled, at.why = schedule.history, schedule.settled, schedule.stopped
        save_checkpoint(self.checkpoint, self.method, optimizer, asdict(at))
        write_text(self.out / "log.jsonl", "".join(json.dumps(row) + "\n" for row in at.log))

    def _sum(self, tensor: Tensor) -> Tensor:
        return cast("Tensor", self.accelerator.reduce(tensor, "sum"))

    def _settle(self) -> None:
        """The score scale, by the main process for all."""
        self.method.eval()
        if self.main:
            self.method.settle(self._plain(self.monitor), lambda tensor: tensor)
        if self.accelerator.num_processes > 1:
            for tensor in self.method.state_dict().values():
                tensor.copy_(broadcast(tensor.contiguous()))
        self.shares.close()

    def _finish(self, images: FeatureCache, rows: list[int]) -> None:
        """Thresholds, weights, card; the checkpoint goes last, so that until then the training can be resumed."""
        pairs, score = [], scorer(self.method, self.accelerator.device)
        rows = [row for row in rows if self.split["calibration"][row].name not in self.intake.copies]
        for number, row in enumerate(rows):
            recipe = self.recipe.of(self.split["calibration"][row].product)
            given = {name: rows[0] for name, rows in to_arrays(images.gather([row])).items()}
            scored = score_image(score, given, recipe)
            pairs.append((scored.score, float(scored.map.max())))
            self.report(Progress("calibrate", number + 1, len(rows)))
        promise = (self.settings.false_reject, self.settings.threshold)
        named = [self.split["calibration"][row].product for row in rows]
        save_tensors(self.out / "weights.safetensors", self.method.state_dict())
        card = make_card(self, calibrate_scores(pairs, *promise), calibrate_products(pairs, named, *promise))
        write_text(self.out / "card.json", card.model_dump_json(indent=2))
        shutil.rmtree(self.checkpoint)


def state_hash(method: Method) -> str:
    """Sha256 of all that a method has learned so far."""
    told = hashlib.sha256()
    for name, tensor in sorted(method.state_dict().items()):
        told.update(name.encode())
        told.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return told.hexdigest()


def bf16_wanted(settings: Settings, stage: Stage, device: torch.device) -> bool:
    """Whether a stage trains in bfloat16: where asked for, or where it is right for the stage and pays."""
    return stage.mixed and bf16_pays(device) if settings.precision == "auto" else settings.precision == "bf16"
