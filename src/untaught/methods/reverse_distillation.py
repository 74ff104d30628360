"""Reverse Distillation from One-Class Embedding (RD4AD).

Hanqiu Deng, Xingyu Li: "Anomaly Detection via Reverse Distillation from One-Class Embedding", CVPR 2022,
https://arxiv.org/abs/2201.10703

Idea
    A teacher, frozen since it learned to tell everyday things apart, sees an image at several levels of detail.
    All levels are joined and squeezed into one small embedding, which has room for what good parts look like and no
    more. From it the student restores the levels, coarse ones first: the reverse of the teacher's way.
    It has only ever restored good parts, so where a part is not good the restored features point elsewhere than the
    teacher's. The angle between them, place by place and summed over levels, is the anomaly map.

Symbols
    E_k (encoder features)       `Teacher` -> levels, finest first
    MFF, OCE, phi                `nn.bottleneck`: Fusion, OneClassEmbedding and its output
    D, D_k (decoder features)    `nn.decoders.MirroredDecoder` -> levels, finest first
    M_k (per-level map)          `maps.distance.cosine_distance`
    L_KD (loss)                  `losses.cosine.cosine_loss`
    S_AL, S_AD (map, score)      `forward`

Preset `paper`
    Teacher wide_resnet50_2 (torchvision's ImageNet weights), levels of stride 4, 8 and 16, image 256 x 256 px;
    mirrored student with 83,802,624 parameters; loss `global`; Adam, learning rate 0.005 constant, betas 0.5 and
    0.999, batches of 16, 200 epochs, the last one counts. Map: sum of the levels' maps, each upsampled with aligned
    corners, smoothed by a Gaussian of 4 px. Score: maximum.

Preset `lite`
    For two cores. Teacher EfficientNet-Lite0, levels of stride 16 and 32, image 512 x 512 px; slim student
    (`nn.students.SlimStudent`), its embedding on the coarser level's grid; loss `regional` plus the mean of the worst
    2 % of all positions; Muon, 0.05 for hidden convolutions and 0.003 for the rest, batches of 8; training ends by
    itself when held-out good images stop improving or are restored well enough. Map: sum of the levels' maps, each
    the distance times the root of the standardised features' energy, the coarser one at a quarter of its weight, on a
    grid of 4 px, smoothed by a Gaussian of 8 px. Score: the mean of the highest 1 % of each level's distances minus
    the mean of all, summed over levels.

Deviations of `paper` from the paper, and why
    - The loss compares each level as one long vector, as the authors' code does; the paper's per-position form is
      `loss = "regional"` and is reported to give worse results.
    - No 1x1 convolution behind the fusion: the authors' code builds one and never uses it.
    - The teacher computes neither gradients nor layers behind the deepest level; the results are the same.
    - The authors' code evaluates on the test set while it trains. Here nothing of the test set is seen.
    - Bottleneck blocks for ResNet-101 too, where the authors' code wires basic ones by mistake. Other backbones get
      two basic blocks a stage with the teacher's channels, and no ReLU at a stage's end: their features have signs.

    - The teacher's features are kept as bfloat16 (relative error 0.4 %); all distances are computed in fp32.
    - An epoch's batches are made equally large, where the authors' last one is smaller; a tenth to a quarter of the
      good images is held out for stopping and thresholds.

Deviations of `lite` from the paper, and why
    - Coarser levels of a larger image: the fine ones carry texture that nobody can foretell, and cost most.
    - Slim student with pixel shuffle: transposed convolutions and wide blocks are slow on two cores.
    - Features are standardised channel by channel, or a few strong channels would decide every angle.
    - Positions weigh the same and the worst ones more: small parts far from the usual would hardly be learned.
    - Muon in place of Adam: about half the epochs to the same held-out distance.
    - Each distance is multiplied by the root of the energy of the teacher's features there. The angle alone forgets
      how unusual the features are, and on fine textures, which no student restores well, that is what tells a defect
      from grain.
    - The coarser level finds a defect, the finer one says where it is: hence its larger weight in the map.
    - In the score each level speaks for itself: the sum would be ruled by the level with the larger distances. The
      mean of the highest positions is less moved by a single unlucky one than the maximum. The image's own mean is
      taken off: a part with an unusual grain is restored a little worse everywhere and yet is good.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from untaught.batch import Batch
from untaught.config import Frozen
from untaught.errors import ConfigError
from untaught.losses.cosine import cosine_losses
from untaught.maps.distance import cosine_distance, energy
from untaught.maps.fuse import fuse, upsample
from untaught.maps.score import contrast, maximum
from untaught.maps.smooth import Smooth
from untaught.method import Method, MethodConfig, Plateau, Reduce, Stage
from untaught.nn.backbones import Teacher
from untaught.nn.blocks import form_of
from untaught.nn.muon import MuonAdam
from untaught.nn.standard import ChannelStandard, moments
from untaught.nn.students import MirroredStudent, SlimStudent


class StudentConfig(Frozen):
    """The student's build."""

    form: Literal["slim", "mirrored"] = Field(
        default="slim", description="`mirrored`: the paper's; `slim`: for two cores"
    )
    widths: tuple[int, ...] = Field(
        default=(96, 192), description="slim: channels at each size, down to the embedding's"
    )
    embedding: int = Field(default=64, ge=1, description="slim: channels of the embedding")


class TrainingConfig(Frozen):
    """How the student is trained."""

    loss: Literal["global", "regional"] = Field(
        default="regional", description="a level as one vector, or each position"
    )
    hard: float = Field(default=0.02, ge=0, le=1, description="share of worst positions whose mean is added; 0: none")
    optimizer: Literal["adam", "muon"] = "muon"
    learning_rate: float = Field(default=3e-3, gt=0, description="of all, with `muon` of what is no hidden convolution")
    hidden_rate: float = Field(default=0.05, gt=0, description="muon: learning rate of hidden convolutions")
    weight_decay: float = Field(default=0.01, ge=0, description="muon: of hidden convolutions")
    betas: tuple[float, float] = (0.9, 0.99)
    epochs: int = Field(default=200, ge=1, description="epochs in all where `settle` is off")
    batch_size: int = Field(default=8, ge=1)
    warmup: int = Field(default=30, ge=0, description="steps over which the learning rate rises")
    decay: float = Field(
        default=0.3, ge=0, lt=1, description="share of training in which the learning rate falls to zero"
    )
    settle: bool = Field(default=True, description="end by itself when held-out good images stop improving")


class MapConfig(Frozen):
    """From features to map and score."""

    standardise: bool = Field(default=True, description="each channel of the teacher with mean 0 and deviation 1")
    energy: float = Field(
        default=0.5, ge=0, le=2, description="power of the features' energy each distance is multiplied by; 0: none"
    )
    weights: tuple[float, ...] = Field(
        default=(1.0, 0.25), description="of the levels in their sum; none: all the same"
    )
    align_corners: bool = Field(default=False, description="how levels are upsampled")
    stride: int = Field(
        default=4, ge=1, description="pixels of the input per position where levels are summed and smoothed"
    )
    sigma: float = Field(default=8.0, ge=0, description="Gaussian smoothing of the map in pixels of the input; 0: none")
    top: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="score: each level's mean of its highest share minus its mean, summed; 0: the map's maximum",
    )


class ReverseDistillationConfig(MethodConfig):
    """Settings of reverse distillation."""

    image_size: int = Field(default=512, ge=32, le=4096, description="side of the square input in pixels")
    levels: tuple[int, ...] = Field(default=(16, 32), min_length=1, description="strides of the levels, finest first")
    student: StudentConfig = StudentConfig()
    training: TrainingConfig = TrainingConfig()
    map: MapConfig = MapConfig()


PAPER: Mapping[str, Any] = {
    "backbone": "wide_resnet50_2.tv_in1k",
    "image_size": 256,
    "levels": (4, 8, 16),
    "student": {"form": "mirrored"},
    "training": {
        "loss": "global", "hard": 0.0, "optimizer": "adam", "learning_rate": 0.005, "betas": (0.5, 0.999),
        "epochs": 200, "batch_size": 16, "warmup": 0, "decay": 0.0, "settle": False,
    },
    "map": {
        "standardise": False, "energy": 0.0, "weights": (), "align_corners": True,
        "stride": 1, "sigma": 4.0, "top": 0.0,
    },
}  # fmt: skip


class ReverseDistillation(Method):
    """Frozen teacher, student with a narrow place, cosine distance; see the module's card.

    Args:
        config: the settings.
        untrained: build the teacher without its weights, for a state that is loaded afterwards.

    Raises:
        ConfigError: the levels, widths and image size do not go together.
        WeightsError: the teacher's weights cannot be had.
    """

    Config: ClassVar[type[MethodConfig]] = ReverseDistillationConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"lite": {}, "paper": PAPER}
    config: ReverseDistillationConfig

    def __init__(self, config: ReverseDistillationConfig, *, untrained: bool = False) -> None:
        super().__init__(config, untrained=untrained)
        check_levels(config)
        self.teacher = Teacher(config.backbone, config.levels, config.weights, untrained=untrained)
        self.backbone = self.teacher.record
        self.student = make_student(config, self.teacher.channels)
        settings = config.map
        self.standards = nn.ModuleList(
            ChannelStandard(channels) if settings.standardise else nn.Identity() for channels in self.teacher.channels
        )
        self.smooth = Smooth(settings.sigma / settings.stride)
        if settings.top:
            share = f"{settings.top * 100:g} %"
            self.reduction = (
                f"mean of the highest {share} of each level's distances minus their mean, summed over levels"
            )

    def stages(self) -> list[Stage]:
        """One stage: the student learns to restore the teacher's features of good images."""
        training = self.config.training
        watch = "cosine" if training.loss == "global" else "distance"
        plateau = Plateau(watch, enough=0.1, minimum=180, maximum=1200)
        return [
            Stage(
                name="distil",
                parameters=list(self.student.parameters()),
                loss=self.loss,
                optimizer=self.optimizer,
                epochs=training.epochs,
                batch_size=training.batch_size,
                frozen=self.frozen,
                warmup=training.warmup,
                decay=training.decay,
                plateau=plateau if training.settle else None,
                mixed=self.config.student.form == "slim",
            )
        ]

    def optimizer(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser the settings ask for."""
        training = self.config.training
        if training.optimizer == "adam":
            return torch.optim.Adam(parameters, training.learning_rate, training.betas)
        heads = self.student.heads.parameters() if isinstance(self.student, SlimStudent) else ()
        return MuonAdam(
            parameters,
            heads,
            rate=training.hidden_rate,
            adam_rate=training.learning_rate,
            decay=training.weight_decay,
            betas=training.betas,
        )

    def frozen(self, image: Float[Tensor, "b 3 h w"]) -> dict[str, Tensor]:
        """The teacher's features by stride."""
        return dict(zip(map(str, self.config.levels), self.teacher(image), strict=True))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """`cosine`, which is minimised, and `distance`, which tells when to stop."""
        target, restored = self.restore([batch.frozen[str(stride)] for stride in self.config.levels])
        training = self.config.training
        return cosine_losses(target, restored, training.loss, training.hard)

    def restore(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """The teacher's levels as the student is to restore them, and as it does."""
        target = [standard(level) for standard, level in zip(self.standards, features, strict=True)]
        return target, self.student(target)

    def distances(self, features: Sequence[Tensor]) -> list[Float[Tensor, "b _ _"]]:
        """The cosine distance of each level at its own size, raw."""
        return [cosine_distance(*pair) for pair in zip(*self.restore(features), strict=True)]

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b h w"], Float[Tensor, " b"]]:
        """Anomaly map and score of RGB images in 0..1."""
        settings = self.config.map
        height, width = image.shape[-2], image.shape[-1]
        target, restored = self.restore(self.teacher(image))
        distances = [cosine_distance(*pair) for pair in zip(target, restored, strict=True)]
        levels = distances
        if settings.energy:
            levels = [map_ * energy(level) ** settings.energy for map_, level in zip(distances, target, strict=True)]
        grid = (height // settings.stride, width // settings.stride)
        map_ = self.smooth(fuse(levels, grid, align_corners=settings.align_corners, weights=settings.weights))
        if settings.stride > 1:
            map_ = upsample(map_, (height, width), settings.align_corners)
        if settings.top == 0:
            return map_, maximum(map_)
        return map_, torch.stack([contrast(level, settings.top) for level in distances]).sum(dim=0)

    def prepare(self, stage: Stage, batches: Iterable[Batch], reduce: Reduce) -> None:
        """Mean and deviation of each channel of the teacher over the training images."""
        if not self.config.map.standardise:
            return
        totals = [torch.zeros(3, channels).double() for channels in self.teacher.channels]
        for batch in batches:
            features = [batch.frozen[str(stride)] for stride in self.config.levels]
            totals = [total + moments(level).to(total) for total, level in zip(totals, features, strict=True)]
        device = self.teacher.mean.device
        for standard, total in zip(self.standards, totals, strict=True):
            assert isinstance(standard, ChannelStandard)
            standard.take(reduce(total.to(device)))


def make_student(config: ReverseDistillationConfig, channels: Sequence[int]) -> MirroredStudent | SlimStudent:
    """The student that the settings ask for, for a teacher with these channels."""
    if config.student.form == "mirrored":
        return MirroredStudent(channels, form_of(config.backbone))
    return SlimStudent(channels, config.student.widths, config.student.embedding)


def check_levels(config: ReverseDistillationConfig) -> None:
    """Whether levels, widths and image size go together.

    Raises:
        ConfigError: they do not.
    """
    levels, widths, weights = config.levels, config.student.widths, config.map.weights
    if any(coarse != 2 * fine for fine, coarse in pairwise(levels)):
        raise ConfigError(
            f"levels are {levels}", "strides that double from level to level", "for example levels=[16, 32]"
        )
    if config.student.form == "slim" and len(widths) < len(levels):
        raise ConfigError(
            f"student.widths has {len(widths)} values for {len(levels)} levels",
            "a value for each level, and more where the embedding is to be smaller than the last level",
            f"give {len(levels)} values or more",
        )
    if weights and len(weights) != len(levels):
        raise ConfigError(
            f"map.weights has {len(weights)} values for {len(levels)} levels", "one a level", "correct it"
        )
    step = 2 * levels[-1] if config.student.form == "mirrored" else levels[0] * 2 ** (len(widths) - 1)
    if config.image_size % step:
        near = max(step, round(config.image_size / step) * step)
        raise ConfigError(f"image_size is {config.image_size}", f"a multiple of {step}", f"for example {near}")
