"""How long a stage trains and at which learning rate: warm-up, a constant part that ends by itself, linear decay.

A constant rate with a closing decay needs no length fixed beforehand, so the held-out good images may decide when
the constant part is over; one-cycle and cosine schedules cannot do that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from untaught.method import Stage


@dataclass
class Schedule:
    """The state of one stage's training.

    `steps` are those of an epoch; `epochs` and `seconds` are what the user allows, in place of the stopping rule and
    beside it, and the seconds count from `began` on the training's clock; `history` holds the held-out losses measured
    so far, `settled` the epoch after which the decay began.
    """

    stage: Stage
    steps: int
    epochs: int | None = None
    seconds: float | None = None
    began: float = 0.0
    history: list[float] = field(default_factory=list)
    settled: int | None = None
    stopped: str = ""

    @property
    def planned(self) -> int | None:
        """Epochs in all, where no stopping rule decides."""
        if self.epochs is None and self.stage.plateau is not None:
            return None
        steps = self.stage.steps
        return self.epochs or (math.ceil(steps / self.steps) if steps else self.stage.epochs)

    @property
    def constant(self) -> int:
        """Epochs of the constant part at most."""
        if (planned := self.planned) is not None:
            return max(1, planned - round(planned * self.stage.decay))
        assert self.stage.plateau is not None
        return math.ceil(self.stage.plateau.maximum / self.steps)

    @property
    def total(self) -> int:
        """Epochs in all, as far as is known now."""
        constant = self.constant if self.settled is None else self.settled
        if (planned := self.planned) is not None and constant == self.constant:
            return planned
        return constant + round(constant * self._tail)

    @property
    def _tail(self) -> float:
        """Epochs of decay for each epoch of the constant part."""
        return self.stage.decay / (1 - self.stage.decay)

    def rate(self, epoch: int, step: int) -> float:
        """Factor of the learning rate at `step` of `epoch`."""
        done, factor = epoch * self.steps + step, 1.0
        if (drops := self.stage.drops) is not None:
            factor = drops.factor ** sum(done >= share * self.total * self.steps for share in drops.at)
        if done < self.stage.warmup:
            return factor * (done + 1) / self.stage.warmup
        if self.settled is None or self.total == self.settled:
            return factor
        left = self.total - epoch - step / self.steps
        return factor * min(1.0, left / (self.total - self.settled))

    def watched(self, epoch: int) -> bool:
        """Whether the held-out loss is to be measured after `epoch`."""
        plateau = self.stage.plateau
        return plateau is not None and (epoch + 1) % max(1, round(plateau.every / self.steps)) == 0

    def close(self, epoch: int, held_out: float | None, elapsed: float) -> None:
        """Take note that `epoch` is over, with its held-out loss and the seconds spent so far on the whole training."""
        if held_out is not None:
            self.history.append(held_out)
        if self.settled is not None:
            return
        done = epoch + 1
        if done >= self.constant:
            told = "1 epoch was" if self.planned == 1 else f"{self.planned} epochs were"
            asked = f"{told} {'asked for' if self.epochs else 'planned'}"
            self._settle(done, asked if self.planned else f"the longest training was reached after epoch {done}")
        elif self.seconds is not None and (elapsed - self.began) * (1 + self._tail) >= self.seconds:
            part = f"{float(f'{self.seconds / 60:.2g}'):g} minutes of the time budget"
            self._settle(done, f"this stage's {part} were used up after epoch {done}{self._short(done)}")
        elif self.epochs is None and self._flat(done):
            self._settle(done, f"held-out good images stopped improving after epoch {done}")
        elif self.epochs is None and self._enough(done):
            self._settle(done, f"held-out good images were restored well enough after epoch {done}")

    def _short(self, done: int) -> str:
        plateau = self.stage.plateau
        least = plateau.minimum if plateau is not None else self.stage.steps or 0
        return (
            f" of {self.steps} steps, where {least} steps are the least that is usual"
            if done * self.steps < least
            else ""
        )

    def _settle(self, epoch: int, why: str) -> None:
        self.settled, self.stopped = epoch, why

    def _flat(self, done: int) -> bool:
        plateau = self.stage.plateau
        if plateau is None or done * self.steps < plateau.minimum or len(self.history) <= plateau.patience:
            return False
        before, after = min(self.history[: -plateau.patience]), min(self.history[-plateau.patience :])
        return after > before * (1 - plateau.least)

    def _enough(self, done: int) -> bool:
        plateau = self.stage.plateau
        if plateau is None or done * self.steps < plateau.minimum or not self.history:
            return False
        return self.history[-1] <= plateau.enough

    def waiting(self) -> str:
        """What the stage is waiting for, in words."""
        if self.settled is not None:
            return f"closing: {self.stopped}"
        if self.stage.plateau is None or self.epochs is not None:
            return ""
        if not self.history:
            return "until held-out good images stop improving"
        return f"held-out {self.history[-1]:.4f}, until it stops improving"


def share_of_time(stages: Sequence[Stage], steps: int, epochs: int | None = None) -> float:
    """What part of the time that is left the first of `stages` may take: that of its steps in all that may be made.

    Args:
        stages: those still to come.
        steps: of an epoch of the first; the others' follow from their batches.
        epochs: what the user asks for in place of the stages' own.
    """
    first = stages[0].batch_size
    per_epoch = [max(1, round(steps * first / stage.batch_size)) for stage in stages]
    planned = [Schedule(stage, count, epochs).total * count for stage, count in zip(stages, per_epoch, strict=True)]
    return planned[0] / sum(planned)
