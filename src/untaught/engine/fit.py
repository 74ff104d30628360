"""The visible loop: one stage of one method, on any number of processes."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, broadcast_object_list
from torch import Tensor, nn

from untaught.batch import Batch
from untaught.engine.schedule import Schedule
from untaught.engine.seed import seed_all
from untaught.engine.shares import Share
from untaught.errors import RunError
from untaught.method import Method, Stage
from untaught.progress import Progress, Report, silent


class Step(nn.Module):
    """What is given to accelerate: the loss of a stage as the forward of a module, so that gradients are shared."""

    def __init__(self, method: Method, stage: Stage, device: torch.device, bf16: bool) -> None:
        super().__init__()
        self.method = method
        self.stage = stage
        self.cast = torch.autocast(device.type, torch.bfloat16) if bf16 else contextlib.nullcontext()

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Losses by name; the first is minimised."""
        with self.cast:
            return dict(self.stage.loss(batch))


@dataclass
class Stopwatch:
    """Seconds since `spent` began to count, kept over interruptions."""

    spent: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def __call__(self) -> float:
        """Seconds in all."""
        return self.spent + time.monotonic() - self.started


@dataclass
class Fit:
    """The training of one stage: `run` goes on from whatever `schedule` and `epoch` say."""

    method: Method
    stage: Stage
    train: Share
    monitor: Share
    accelerator: Accelerator
    schedule: Schedule
    seed: int
    bf16: bool
    epoch: int = 0
    clock: Stopwatch = field(default_factory=Stopwatch)
    report: Report = silent
    log: Callable[[dict[str, Any]], None] = lambda row: None
    checkpoint: Callable[[torch.optim.Optimizer], None] = lambda optimizer: None

    def run(self, restore: Callable[[torch.optim.Optimizer], None] = lambda optimizer: None) -> None:
        """Train until the schedule is over."""
        optimizer = self.stage.optimizer(self.stage.parameters)
        restore(optimizer)
        rates = [group["lr"] for group in optimizer.param_groups]
        with only(self.stage.parameters, self.method):
            step, optimizer = self.accelerator.prepare(
                Step(self.method, self.stage, self.accelerator.device, self.bf16), optimizer
            )
        while self.epoch < self.schedule.total:
            started = time.monotonic()
            losses = self._train(step, optimizer, rates)
            self._synchronise()
            plateau = self.stage.plateau
            held_out = self._held_out(plateau.watch) if plateau and self.schedule.watched(self.epoch) else None
            self._close(held_out, losses, time.monotonic() - started)
            self.epoch += 1
            self.checkpoint(optimizer)
        self.method.eval()

    def _train(self, step: nn.Module, optimizer: torch.optim.Optimizer, rates: Sequence[float]) -> dict[str, float]:
        self.method.train()
        seed_all(self.seed, self.stage.name, self.epoch, self.accelerator.process_index)
        steps = self.train.steps(self._batch_size)
        sums: dict[str, Tensor] = {}
        for number, batch in enumerate(
            self.train.epoch(self._batch_size, self.seed, self.stage.name, self.epoch, "order")
        ):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * self.schedule.rate(self.epoch, number)
            losses = step(batch.to(self.accelerator.device))
            optimizer.zero_grad()
            self.accelerator.backward(next(iter(losses.values())))
            if self.stage.clip is not None:
                self.accelerator.clip_grad_norm_(self.stage.parameters, self.stage.clip)
            optimizer.step()
            for name, value in losses.items():
                sums[name] = sums.get(name, torch.zeros((), device=value.device)) + value.detach().float()
            self.report(
                Progress(
                    f"train {self.stage.name}",
                    self.epoch * steps + number + 1,
                    self.schedule.total * steps,
                    self.schedule.waiting(),
                )
            )
        means = {name: float(self.accelerator.reduce(value / steps, "mean")) for name, value in sums.items()}
        for name, mean in means.items():
            if not math.isfinite(mean):
                raise RunError(
                    f"the loss `{name}` became {mean} in epoch {self.epoch + 1}",
                    "a finite loss",
                    "lower the learning rate, or train with --set precision=fp32",
                )
        return means

    @property
    def _batch_size(self) -> int:
        return per_process(self.stage, self.accelerator)

    def _synchronise(self) -> None:
        """Buffers (running statistics) are each process's own while it trains; the first one's count."""
        if self.accelerator.num_processes > 1:
            for buffer in self.method.buffers():
                buffer.copy_(broadcast(buffer.contiguous()))

    @torch.no_grad()
    def _held_out(self, watch: str) -> float:
        """Mean of the loss `watch` over the monitor's images, measured on the main process for all."""
        values = [math.nan]
        if self.accelerator.is_main_process:
            self.method.eval()
            step = Step(self.method, self.stage, self.accelerator.device, self.bf16)
            total = 0.0
            for batch in self.monitor.in_order():
                losses = step(batch.to(self.accelerator.device))
                total += float(losses[watch]) * len(batch.index)
            values = [total / max(1, len(self.monitor.rows))]
        return float(self._shared(values)[0])

    def _shared(self, values: list[Any]) -> list[Any]:
        return list(broadcast_object_list(values)) if self.accelerator.num_processes > 1 else values

    def _close(self, held_out: float | None, losses: Mapping[str, float], seconds: float) -> None:
        elapsed = float(self._shared([self.clock()])[0])
        rate = self.schedule.rate(self.epoch, 0)
        self.schedule.close(self.epoch, held_out, elapsed)
        row = {
            "stage": self.stage.name,
            "epoch": self.epoch + 1,
            "loss": next(iter(losses.values())),
            "losses": dict(losses),
            "rate": rate,
            "seconds": round(seconds, 3),
        }
        self.log(row if held_out is None else row | {"held_out": held_out})


@contextlib.contextmanager
def only(parameters: Sequence[nn.Parameter], method: nn.Module) -> Iterator[None]:
    """Let only these parameters want gradients: several processes wait for each that does when training begins."""
    chosen = {id(parameter) for parameter in parameters}
    paused = [item for item in method.parameters() if item.requires_grad and id(item) not in chosen]
    for item in paused:
        item.requires_grad_(False)
    try:
        yield
    finally:
        for item in paused:
            item.requires_grad_(True)


def per_process(stage: Stage, accelerator: Accelerator) -> int:
    """Images of a step on each process, so that all together make up the stage's batch."""
    return max(1, stage.batch_size // int(accelerator.num_processes))
