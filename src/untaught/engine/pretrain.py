"""The loop that teaches a teacher with photographs: steps, not epochs; every crop is new.

Random streams depend on seed, teacher and step alone, so an interrupted pretraining ends with the same weights.
"""

from __future__ import annotations

import math
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from untaught.engine.checkpoint import FILE, load_checkpoint, restore_optimizer, save_checkpoint
from untaught.engine.photographs import PACKAGED, Photographs, crops, packaged
from untaught.engine.seed import derive, seed_all
from untaught.engine.teachers import (
    TeacherCard,
    find_teacher,
    keep_teacher,
    record_of,
    serves,
    take_teacher,
    workshop,
)
from untaught.errors import RunError
from untaught.files import make_folder
from untaught.image import in_order
from untaught.lock import alone
from untaught.method import Method, Pretraining
from untaught.nn.precision import bf16_pays
from untaught.progress import Progress, Report, silent

ADVICE = "more and more varied photographs teach better: untaught pretrain-teacher --images DIR"
SAVE_SECONDS = 20.0
RECENT = 50


def school(method: Method, report: Report = silent, device: torch.device | None = None) -> None:
    """Give a method its teachers: the stored ones, or new ones made from the packaged photographs.

    What another process is making it waits for.

    Raises:
        UntaughtError: there are no photographs, or the store cannot be read or written.
    """
    cards = []
    for pretraining in method.pretrainings():
        task = f"teacher {pretraining.name}"
        card = _serving(pretraining)
        if card is None:
            waiting = partial(report, Progress(task, 0, pretraining.steps, "another process is making it"))
            with alone(workshop(pretraining), task, waiting):
                card = _serving(pretraining) or pretrain(pretraining, packaged(), report=report, device=device)
        else:
            report(Progress(task, 1, 1, card.words))
        take_teacher(pretraining)
        cards.append(card)
    if cards:
        method.backbone = record_of(cards)


def _serving(pretraining: Pretraining) -> TeacherCard | None:
    """The card of the stored teacher, if it serves."""
    card = find_teacher(pretraining)
    return card if card and serves(card, pretraining) else None


def pretrain(
    pretraining: Pretraining,
    photographs: Photographs,
    *,
    seed: int = 0,
    report: Report = silent,
    device: torch.device | None = None,
) -> TeacherCard:
    """Make a teacher and store it, in place of one that is there; goes on where an interrupted one stopped.

    Raises:
        UntaughtError: a photograph cannot be decoded, the large network's weights cannot be had, the store cannot be
            written, or another process is making the same teacher.
    """
    work = _Work(pretraining, photographs, seed, report, device or torch.device("cpu"))
    with alone(workshop(pretraining), f"teacher {pretraining.name}"):
        return work.execute()


def current(pretraining: Pretraining, photographs: Photographs, seed: int) -> TeacherCard | None:
    """The card of a stored teacher that is just what `pretrain` would make; None where there is none."""
    card = find_teacher(pretraining)
    same = card and (card.images_sha256, card.steps, card.seed) == (photographs.digest, pretraining.steps, seed)
    return card if same else None


@dataclass
class _Work:
    """One pretraining in progress."""

    pretraining: Pretraining
    photographs: Photographs
    seed: int
    report: Report
    device: torch.device
    step: int = 0
    seconds: float = 0.0
    recent: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def execute(self) -> TeacherCard:
        asked = self.pretraining
        seed_all(self.seed, asked.name, "teacher")
        self.lesson = asked.begin().to(self.device).to(memory_format=torch.channels_last)
        parameters = [item for item in self.lesson.parameters() if item.requires_grad]
        self.optimizer = asked.optimizer(parameters)
        rates = [group["lr"] for group in self.optimizer.param_groups]
        self.folder = workshop(asked)
        self._resume()
        make_folder(self.folder)
        saved = began = time.monotonic()
        spent = self.seconds
        for image in self._images():
            for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * self._rate()
            self._learn(image)
            self.seconds = spent + time.monotonic() - began
            if time.monotonic() - saved >= SAVE_SECONDS:
                self._save()
                saved = time.monotonic()
        return self._finish()

    def _images(self) -> Iterator[Tensor]:
        """The crops of the steps that are left, drawn in threads ahead of the network."""
        asked = self.pretraining

        def draw(step: int) -> Tensor:
            rng = np.random.default_rng(derive(self.seed, asked.name, "crops", step))
            return crops(self.photographs, asked.batch_size, asked.crop, asked.sides, asked.vary, rng)

        return in_order(draw, range(self.step, asked.steps))

    def _learn(self, image: Tensor) -> None:
        asked = self.pretraining
        seed_all(self.seed, asked.name, "step", self.step)
        half = asked.mixed and bf16_pays(self.device)
        image = image.to(self.device).contiguous(memory_format=torch.channels_last)
        self.lesson.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            losses = asked.loss(self.lesson, image)
        self.optimizer.zero_grad()
        torch.autograd.backward(next(iter(losses.values())))
        self.optimizer.step()
        self.step += 1
        for name, value in losses.items():
            self.recent[name] = [*self.recent[name][1 - RECENT :], float(value.detach())]
        first = next(iter(losses))
        if not math.isfinite(self.recent[first][-1]):
            came = f"the loss of teacher {asked.name} became {self.recent[first][-1]} in step {self.step}"
            raise RunError(came, "a finite loss", "lower its learning rate")
        words = ADVICE if self.photographs.source == PACKAGED else ""
        note = f"{first} {np.mean(self.recent[first]):.3f}, {len(self.photographs)} photographs"
        self.report(Progress(f"teacher {asked.name}", self.step, asked.steps, f"{note}; {words}".rstrip("; ")))

    def _rate(self) -> float:
        """Factor of the learning rate: 1, falling to zero over the last share of the steps."""
        falling = self.pretraining.decay * self.pretraining.steps
        return min(1.0, (self.pretraining.steps - self.step) / falling) if falling else 1.0

    def _facts(self) -> dict[str, Any]:
        return {
            "photographs": self.photographs.source,
            "images": len(self.photographs),
            "images_sha256": self.photographs.digest,
            "steps": self.pretraining.steps,
            "seed": self.seed,
        }

    def _save(self) -> None:
        progress = {"step": self.step, "seconds": self.seconds, "recent": dict(self.recent), "facts": self._facts()}
        save_checkpoint(self.folder, self.lesson, self.optimizer, progress)

    def _resume(self) -> None:
        """Take up what an interrupted pretraining of the very same kind left."""
        if not (self.folder / FILE).exists():
            return
        before = {name: tensor.clone() for name, tensor in self.lesson.state_dict().items()}
        try:
            progress, slots = load_checkpoint(self.folder, self.lesson)
        except RunError:
            return  # torn: begun anew
        if progress["facts"] != self._facts():
            self.lesson.load_state_dict(before)
            return
        self.step, self.seconds = progress["step"], progress["seconds"]
        self.recent.update(progress["recent"])
        restore_optimizer(self.optimizer, slots)

    def _finish(self) -> TeacherCard:
        losses = {name: float(np.mean(values)) for name, values in self.recent.items()}
        facts = self._facts() | {"losses": losses, "seconds": round(self.seconds, 1)}
        card = keep_teacher(self.pretraining, self.lesson, facts)
        shutil.rmtree(self.folder, ignore_errors=True)
        return card
