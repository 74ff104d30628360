"""The one abstract class. A method says only what is its own; everything else belongs to the house.

Devices, precision, loops, caches, checkpoints, scores, thresholds and pictures are the engine's. A method brings its
settings, its networks, its stages, and `forward`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from untaught.anomalies.settings import AnomalySettings
from untaught.batch import Batch
from untaught.config import Frozen, merge, validate
from untaught.errors import ConfigError
from untaught.nn.lesson import Lesson
from untaught.run import WeightsRecord

C = TypeVar("C", bound="MethodConfig")
Reduce = Callable[[Tensor], Tensor]


class MethodConfig(Frozen):
    """Settings every method has. Defaults are the `lite` preset."""

    backbone: str = Field(default="tf_efficientnet_lite0", description="any timm model that gives feature maps")
    weights: Path | None = Field(default=None, description="local safetensors file of the backbone's weights")
    image_size: int = Field(default=256, ge=32, le=4096, description="side of the square input in pixels")
    sizes: tuple[int, ...] = Field(
        default=(), description="sides to choose from by the images' own size where none is asked for; none: image_size"
    )


@dataclass(frozen=True, slots=True)
class Plateau:
    """When the constant part of a stage is over: held-out good images no longer improve.

    Every `every` steps, rounded to whole epochs, the loss named `watch` is measured on them. The constant part is over
    once the loss has fallen by less than the share `least` over the last `patience` measurements, or is at most
    `enough`; not before `minimum` steps and not after `maximum`. Steps and not epochs, so that a set of 20 images and
    one of 1000 are given the same chance to learn.
    """

    watch: str
    every: int = 50
    patience: int = 5
    least: float = 0.06
    enough: float = 0.0
    minimum: int = 250
    maximum: int = 1000


@dataclass(frozen=True, slots=True)
class Drops:
    """The learning rate is multiplied by `factor` as each share `at` of a stage is reached.

    The shares are of the length planned: a time budget may end the stage before.
    """

    at: tuple[float, ...]
    factor: float


@dataclass(frozen=True, slots=True)
class Stage:
    """One training stage of a method.

    It lasts for `steps`, rounded up to whole epochs, or else for `epochs`. The learning rate rises over `warmup` steps,
    stays, and falls over the last `decay` share of all epochs to zero; `decay` = 0 keeps it constant. With a `plateau`
    that decides when the constant part is over, and neither `steps` nor `epochs` counts; without it all are run.
    `drops` lower the rate in between.
    `frozen` names tensors that depend on the image alone: computed once an image and view, when the stage begins, then
    cached as bfloat16, or as they are with `half` False. A stage that names the same function as the stage before is
    given the same cache, so what depends on an earlier stage's learning needs a function of its own. `image` says that
    the pixels are wanted beside them.
    `pairs` asks for a drawn defect beside each image (`Batch.defect`, `Batch.mask`), a new one every epoch; the pixels
    are there too, and `frozen` is still computed from the image without defect.
    `mixed` says that bfloat16 is right for this stage where the hardware is faster in it; losses are fp32.
    `views` is how many views of an image are cached: view 0 is the image itself, the others are drawn by `view`.
    `shown` tells from an image's number in the training list whether this stage is shown it, so that one stage can
    learn from images that another has never seen; where that leaves a process without any, it is shown all.
    `measure` is asked once, when the stage is over, for figures on the held-out good images (with pairs where the stage
    has them): they go into the run's card and steer nothing.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    loss: Callable[[Batch], Mapping[str, Tensor]]
    optimizer: Callable[[Sequence[nn.Parameter]], torch.optim.Optimizer]
    epochs: int = 1
    steps: int | None = None
    batch_size: int = 16
    frozen: Callable[..., dict[str, Tensor]] | None = None
    image: bool = False
    half: bool = True
    pairs: AnomalySettings | None = None
    view: Callable[[Tensor, torch.Generator], Tensor] | None = None
    views: int = 1
    shown: Callable[[int], bool] | None = None
    warmup: int = 0
    decay: float = 0.0
    drops: Drops | None = None
    plateau: Plateau | None = None
    clip: float | None = None
    mixed: bool = False
    measure: Callable[[Iterable[Batch]], Mapping[str, float]] | None = None


@dataclass(frozen=True, slots=True)
class Pretraining:
    """What a teacher learns from photographs before it meets any product: once, then kept and used for all of them.

    `module` is the part of the method that it is for; `begin` makes the lesson, seeded by the house: its `teacher` is
    shaped like `module`, all else of it is only there to teach. `loss` gets the lesson and crops of photographs, RGB in
    0..1. `settings` hold all that the result depends on but for the photographs. Every crop is drawn from a photograph
    stretched to a square of a random side within `sides`; `vary` mirrors it and changes its colours besides. The
    learning rate falls over the last `decay` share of all steps.
    """

    name: str
    module: nn.Module
    begin: Callable[[], Lesson]
    loss: Callable[[Lesson, Tensor], Mapping[str, Tensor]]
    optimizer: Callable[[Sequence[nn.Parameter]], torch.optim.Optimizer]
    settings: Mapping[str, Any]
    steps: int
    batch_size: int
    crop: int
    sides: tuple[int, int]
    vary: bool = False
    decay: float = 0.0
    mixed: bool = False


class Method(nn.Module, ABC):
    """A detector that learns from good images.

    `Config` declares the settings (defaults: preset `lite`); `presets` names further ones; `reduction` says in words
    how the image score is drawn from the map; `backbone` tells where the frozen weights came from; `inputs` names
    what `forward` and the stages' `frozen` take, in this order: `image`, `depth` or both.

    Args:
        config: the settings.
        untrained: do not look for the backbone's weights: a saved state is loaded next.
    """

    Config: ClassVar[type[MethodConfig]] = MethodConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"lite": {}}
    reduction: str = "maximum of the anomaly map"
    inputs: tuple[str, ...] = ("image",)
    backbone: WeightsRecord

    def __init__(self, config: MethodConfig, *, untrained: bool = False) -> None:
        super().__init__()
        self.config = config

    @classmethod
    def configure(cls, preset: str = "lite", **settings: Any) -> MethodConfig:
        """The settings of a preset with single values replaced.

        Raises:
            ConfigError: no such preset, an unknown key or a wrong value.
        """
        if preset not in cls.presets:
            raise ConfigError(
                f"{cls.__name__} has no preset {preset!r}", "one of " + ", ".join(cls.presets), "choose one of these"
            )
        return validate(cls.Config, merge(cls.presets[preset], settings), source=f"model ({preset})")

    @abstractmethod
    def stages(self) -> Iterable[Stage]:
        """The training stages in order. The first loss of each is what is minimised and watched."""

    def pretrainings(self) -> Iterable[Pretraining]:
        """What has to be learned from photographs first; none where the backbone is the teacher."""
        return ()

    @abstractmethod
    def forward(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b h w"], Float[Tensor, " b"]]:
        """Anomaly map at the input's size and image score; raw, higher is more anomalous. `image` is RGB in 0..1.

        A method whose `inputs` name depth is given it beside the image or in its place, (b, 2, h, w): centimetres from
        the part's mean, exactly 0 on the plate, and 1 where the part is, 0 elsewhere (`untaught.image.depth`).
        """

    def prepare(self, stage: Stage, batches: Iterable[Batch], reduce: Reduce) -> None:
        """Statistics of the teacher before a stage. `reduce` adds a tensor up over all processes."""

    def settle(self, batches: Iterable[Batch], reduce: Reduce) -> None:
        """Score statistics after the last stage, from the good images that steered the stopping rule."""
