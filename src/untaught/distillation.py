"""What methods share whose student answers a frozen backbone level by level: settings, networks, statistics, stage."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from untaught.batch import Batch
from untaught.maps.levels import LevelMap, MapSettings, check_weights
from untaught.method import Method, MethodConfig, Plateau, Reduce, Stage
from untaught.nn.backbones import Teacher
from untaught.nn.decouple import DecoupledStudent
from untaught.nn.observers import ObserverSettings, PlainStudent, Twin
from untaught.nn.optimizers import OptimizerSettings
from untaught.nn.standard import Standards
from untaught.nn.students import MirroredStudent, SlimStudent, StudentSettings

RESTORING: Mapping[str, Any] = {
    "levels": (4, 8, 16, 32),
    "student": {"widths": (24, 48, 96, 192), "plain": 1},
    "map": {"weights": (1.0, 1.0, 2.0, 0.0), "votes": (1.0, 0.25, 1.0, 0.25)},
}
"""`lite` presets of students that restore the teacher's levels: narrow and without a block at the finest one."""


SETTLED = Plateau("distance", every=25, least=0.03, enough=0.3, minimum=250, maximum=750)
"""When a student has settled that restores the teacher's levels, standardised."""


class DistillationTraining(OptimizerSettings):
    """How the student is trained."""

    epochs: int = Field(default=100, ge=1, description="epochs in all where `settle` is off")
    batch_size: int = Field(default=8, ge=1)
    warmup: int = Field(default=30, ge=0, description="steps over which the learning rate rises")
    decay: float = Field(
        default=0.3, ge=0, lt=1, description="share of training in which the learning rate falls to zero"
    )
    settle: bool = Field(default=True, description="end by itself when held-out good images stop improving")


class ObserverTraining(DistillationTraining):
    """How a student is trained that looks at the image itself."""

    hard: float = Field(default=0.0, ge=0, le=1, description="share of worst positions whose mean is added; 0: none")
    steps: int | None = Field(default=None, ge=1, description="steps in all where `settle` is off, in place of epochs")
    batch_size: int = Field(default=16, ge=1)


class DistillationConfig(MethodConfig):
    """Settings of a method whose student answers the teacher level by level."""

    levels: tuple[int, ...] = Field(
        default=(8, 16, 32), min_length=1, description="strides of the levels, finest first"
    )
    standardise: bool = Field(default=True, description="each channel of the teacher with mean 0 and deviation 1")
    student: StudentSettings | ObserverSettings
    map: MapSettings = MapSettings()


class ReverseConfig(DistillationConfig):
    """Settings of a method whose student restores the teacher's levels from the levels themselves."""

    image_size: int = Field(default=384, ge=32, le=4096, description="side of the square input in pixels")
    sizes: tuple[int, ...] = Field(
        default=(256, 384, 512),
        description="sides to choose from by the images' own size where none is asked for; none: image_size",
    )
    student: StudentSettings = StudentSettings()


class Distillation(Method):
    """A frozen backbone as the teacher, its levels standardised if asked for, and a student that answers them.

    A method brings the student: `Distillation` makes all else, and draws nothing from torch's generator.

    Raises:
        ConfigError: the backbone has no such levels, or their weights in the map are not one a level.
        WeightsError: the teacher's weights cannot be had.
    """

    config: DistillationConfig
    student: MirroredStudent | SlimStudent | DecoupledStudent | PlainStudent | Twin

    def __init__(self, config: DistillationConfig, *, untrained: bool = False) -> None:
        super().__init__(config, untrained=untrained)
        check_weights(config.map, config.levels)
        self.teacher = Teacher(config.backbone, config.levels, config.weights, untrained=untrained)
        self.backbone = self.teacher.record
        self.standards = Standards(self.teacher.channels, config.standardise)
        self.map = LevelMap(config.map, len(config.levels), config.image_size)
        self.reduction = self.map.reduction

    def distil(
        self,
        name: str,
        loss: Callable[[Batch], Mapping[str, Tensor]],
        training: DistillationTraining,
        plateau: Plateau,
        beside: Iterable[nn.Parameter] = (),
        **more: Any,
    ) -> Stage:
        """The stage in which the student learns from good images alone.

        Args:
            name: of the stage.
            loss: of the stage.
            training: the settings.
            plateau: when the student has settled, where the settings let it.
            beside: parameters that are trained with the student's, and like its last layers.
            more: what else a `Stage` can be told.
        """
        beside = list(beside)
        return Stage(
            name=name,
            parameters=[*self.student.parameters(), *beside],
            loss=loss,
            optimizer=partial(training.build, heads=[*self.student.last(), *beside]),
            epochs=training.epochs,
            batch_size=training.batch_size,
            frozen=self.frozen,
            half=self.light,
            mixed=self.light,
            warmup=training.warmup,
            decay=training.decay,
            plateau=plateau if training.settle else None,
            **more,
        )

    @property
    def light(self) -> bool:
        """Whether the student is the one for two cores, which trains well in bfloat16."""
        return self.config.student.light

    def frozen(self, image: Float[Tensor, "b 3 h w"]) -> dict[str, Tensor]:
        """The teacher's features by stride."""
        return self.named(self.teacher(image))

    def named(self, levels: Sequence[Tensor]) -> dict[str, Tensor]:
        """Levels by their stride, as they are cached."""
        return dict(zip(map(str, self.config.levels), levels, strict=True))

    def cached(self, batch: Batch) -> list[Tensor]:
        """The levels of a batch, finest first, as `frozen` gave them."""
        return [batch.frozen[str(stride)] for stride in self.config.levels]

    def prepare(self, stage: Stage, batches: Iterable[Batch], reduce: Reduce) -> None:
        """Mean and deviation of each channel of the teacher over the training images."""
        self.standards.take(map(self.cached, batches), reduce)

    @abstractmethod
    def compared(self, batch: Batch) -> list[Float[Tensor, "b _ _"]]:
        """The distances of good images that `map` is given when it scores, each level at its own size."""

    def settle(self, batches: Iterable[Batch], reduce: Reduce) -> None:
        """How far the student is from the teacher on good images where nothing stands out."""
        with torch.no_grad():
            self.map.settle(map(self.compared, batches))
