"""Asymmetric Student-Teacher Networks (AST).

Marco Rudolph, Tom Wehrbein, Bodo Rosenhahn, Bastian Wandt: "Asymmetric Student-Teacher Networks for Industrial Anomaly
Detection", WACV 2023, https://arxiv.org/abs/2210.07829

Idea
    A student built like its teacher continues like its teacher where neither has been: the distance between them stays
    small on defects too. Here the two are as unlike as can be. The teacher is a normalizing flow: invertible, trained
    to give the features of good images a normal distribution, and without bounds where it is given other features.
    The student is an ordinary convolutional network, which regresses the teacher's latents on good images.
    Off the good images the flow shoots out and the student does not follow. Their distance is the anomaly map.

Symbols
    x (features of the backbone)       `features`
    c (positional code)                `nn.positions.PositionalCode`
    f_t (flow), z_t, J (log-det)       `nn.flows.ConditionalFlow` -> latent, log_det
    r, s, t, gamma, alpha              `nn.flows.Subnet`, `soft_clamp`
    f_s (student), z_s                 `nn.residual.ResidualStudent`
    L_t, L_s                           `likelihood`, `regression`
    D (distance)                       `maps.distance.squared_distance`

Preset `paper-mvtec`, also called `paper`
    Backbone EfficientNet-B5 up to block 36 (304 channels, stride 32), image 768 x 768 px. Flow of four blocks, kernels
    3, 3, 3 and 5, hidden width 1024, alpha 3; student with four residual blocks 1024 wide. Each 240 epochs of Adam,
    rate 0.0002, weight decay 0.00001, batches of 8. Score: mean of the map.

Preset `paper-3d`
    The same with depth beside colour: the foreground-centred depth at a quarter of the image's side, its cells of
    8 x 8 values as 64 channels, 368 in all; hidden width 64, alpha 1.9, 72 epochs each; losses and map count where the
    part is, on a soft mask. Score: maximum.

Presets `lite` and `lite-3d`
    For two cores. EfficientNet-Lite0 behind its sixth group of blocks (192 channels, stride 32), image 512 x 512 px,
    features whitened. Flow as in the paper with hidden width 64 and alpha 1.9, 250 steps; student two blocks 128 wide,
    400 steps; Adam, 0.001, falling to zero over the second half, batches of 8. Map: the distance times the root of the
    whitened features' energy. Score: mean of the highest 3 % of the map. `lite-3d` adds depth.

Deviations of the papers' presets, and why
    - The paper's equation 1 lets the second half's scale depend on the unchanged first half; that cannot be inverted.
      As in the authors' code it depends on the changed one.
    - Leaky ReLUs have the paper's slope 0.2; the authors' code leaves them at 0.01.
    - Latents are not cut off at a million: that would only hide an overflow.
    - The student's loss averages over channels, as the authors' code does; the paper sums.
    - Where a part lies is told softly on the grid of the features, and losses are means over all positions, those
      outside counting as zero: the authors' code does both, the paper cuts at 0 and divides by the part's positions.
    - The backbone stays in eval mode in every stage; in the authors' code it can slip into training mode.
    - An epoch's batches are made equally large, where the authors drop the last one; a tenth to a quarter of the good
      images is held out for thresholds. Nothing of the test set is seen, the last epoch counts.
    - The map is enlarged by bicubic interpolation to eight times its grid, as in the authors' code, and from there
      bilinearly to the input's size, which maps have in this house.
    - A part's mask counts once; the authors' evaluation multiplies by it twice. The maximum is taken on the grid of the
      features, before the map is enlarged.
    - Depth: corners without a measured value grow or give way to a plane fitted to the border, and a picture without a
      part is kept whole around its median and counts whole, where the authors' code gives no number; missing values at
      the border are filled too. The means of the corners stand where their pixels lie, half a pixel from the corners
      themselves.
    - `paper-3d` keeps the masked maximum with `model.input=rgb` too, where there is no mask; the paper's score of
      images without depth is the mean (`--set model.score=mean`).
    - No real 3D data was at hand: depth was tried on drawn parts only (docs/ablations/asymmetric.md).

Deviations of `lite` from the paper, and why
    - The features are kept as bfloat16; likelihoods, latents and distances are fp32.
    - Whitened features: the flow need not spend its few steps on learning which channels go together.
    - Narrower and shorter: the student's targets are the same after a fraction of the epochs.
    - The root of the features' energy: an image of many positions has a small defect at few of them, where the
      features themselves are unusual too; for the same reason the highest positions and not the mean of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from untaught.batch import Batch
from untaught.config import Frozen, merge
from untaught.errors import ConfigError
from untaught.losses.likelihood import negative_log_likelihood
from untaught.losses.masked import masked_mean
from untaught.losses.regression import squared_error
from untaught.maps.distance import energy, squared_distance
from untaught.maps.score import maximum, mean, top_mean
from untaught.method import Method, MethodConfig, Reduce, Stage
from untaught.nn.backbones import Teacher
from untaught.nn.flows import ConditionalFlow
from untaught.nn.optimizers import OptimizerSettings
from untaught.nn.positions import PositionalCode
from untaught.nn.residual import ResidualStudent
from untaught.nn.whitening import Whitening
from untaught.run import WeightsRecord


class TrainingSettings(OptimizerSettings):
    """How one of the two is trained."""

    optimizer: Literal["adam", "muon", "sgd"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0, description="of all, with `muon` of what is no hidden convolution")
    steps: int | None = Field(default=250, ge=1, description="steps in all, rounded up to whole epochs; none: `epochs`")
    epochs: int = Field(default=240, ge=1, description="epochs where there are no `steps`")
    warmup: int = Field(default=30, ge=0, description="steps over which the learning rate rises")
    decay: float = Field(default=0.5, ge=0, lt=1, description="share in which the learning rate falls to zero")


class StudentTraining(TrainingSettings):
    """How the student is trained."""

    steps: int | None = Field(default=400, ge=1, description="steps in all, rounded up to whole epochs; none: `epochs`")


class FlowSettings(Frozen):
    """The teacher's build."""

    width: int = Field(default=64, ge=1, description="hidden channels of the subnets")
    kernels: tuple[int, ...] = Field(default=(3, 3, 3, 5), min_length=1, description="of the subnets, one a block")
    alpha: float = Field(default=1.9, gt=0, description="bound of the log-scales of a block")
    training: TrainingSettings = TrainingSettings()


class StudentSettings(Frozen):
    """The student's build."""

    width: int = Field(default=128, ge=1, description="channels of the residual blocks")
    blocks: int = Field(default=2, ge=0, description="residual blocks")
    slope: float = Field(default=0.2, ge=0, lt=1, description="of the leaky ReLUs")
    training: StudentTraining = StudentTraining()


class AsymmetricConfig(MethodConfig):
    """Settings of AST."""

    image_size: int = Field(default=512, ge=32, le=4096, description="side of the square input in pixels")
    input: Literal["rgb", "depth", "both"] = Field(default="rgb", description="what is looked at")
    stride: int = Field(default=32, ge=1, description="pixels of the input per position of the features")
    groups: int | None = Field(
        default=6, ge=1, description="EfficientNet: groups of blocks the features come after; none: all of the stride"
    )
    whiten: bool = Field(default=True, description="features whose directions all vary alike over the good images")
    position: int = Field(default=32, ge=4, multiple_of=4, description="channels of the positional code")
    flow: FlowSettings = FlowSettings()
    student: StudentSettings = StudentSettings()
    batch_size: int = Field(default=8, ge=1)
    mixed: bool = Field(default=True, description="convolutions in bfloat16 where that is faster, features kept so")
    energy: float = Field(
        default=0.5, ge=0, le=2, description="power of the features' energy each distance is multiplied by; 0: none"
    )
    score: Literal["mean", "top"] = Field(default="top", description="how the image's score is drawn from the map")
    top: float = Field(default=0.03, ge=0, le=1, description="share of highest positions of the mean `top`; 0: maximum")


DEPTH_CELL = 4  # pixels of the input per value of depth, as in the paper (192 of 768)
NO_BACKBONE = WeightsRecord(name="none", source="depth alone needs no backbone", sha256="")
ADAM: Mapping[str, Any] = {
    "optimizer": "adam", "learning_rate": 2e-4, "betas": (0.9, 0.999), "adam_decay": 1e-5, "steps": None,
    "epochs": 240, "warmup": 0, "decay": 0.0,
}  # fmt: skip
PAPER: Mapping[str, Any] = {
    "backbone": "tf_efficientnet_b5.aa_in1k",
    "image_size": 768,
    "input": "rgb",
    "stride": 32,
    "groups": 6,
    "whiten": False,
    "position": 32,
    "flow": {"width": 1024, "kernels": (3, 3, 3, 5), "alpha": 3.0, "training": ADAM},
    "student": {"width": 1024, "blocks": 4, "slope": 0.2, "training": ADAM},
    "batch_size": 8,
    "mixed": False,
    "energy": 0.0,
    "score": "mean",
}
PAPER_3D = merge(
    PAPER,
    {
        "input": "both",
        "flow": {"width": 64, "alpha": 1.9, "training": {"epochs": 72}},
        "student": {"training": {"epochs": 72}},
        "score": "top",
        "top": 0.0,
    },
)
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "lite": {},
    "lite-3d": {"input": "both"},
    "paper": PAPER,
    "paper-mvtec": PAPER,
    "paper-3d": PAPER_3D,
}


class Asymmetric(Method):
    """A normalizing flow as the teacher of an ordinary network, which cannot follow it off the good images.

    Args:
        config: the settings.
        untrained: build the backbone without its weights, for a state that is loaded afterwards.

    Raises:
        ConfigError: the backbone has no such features, or image size and stride do not go together.
        WeightsError: the backbone's weights cannot be had.
    """

    Config: ClassVar[type[MethodConfig]] = AsymmetricConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    config: AsymmetricConfig

    def __init__(self, config: AsymmetricConfig, *, untrained: bool = False) -> None:
        super().__init__(config, untrained=untrained)
        self.inputs = {"rgb": ("image",), "depth": ("depth",), "both": ("image", "depth")}[config.input]
        check_stride(config)
        channels = 0
        self.teacher: Teacher | None = None
        self.backbone = NO_BACKBONE
        if "image" in self.inputs:
            self.teacher = Teacher(
                config.backbone, (config.stride,), config.weights, untrained=untrained, groups=config.groups
            )
            self.backbone = self.teacher.record
            channels += self.teacher.channels[0]
        if "depth" in self.inputs:
            channels += (config.stride // DEPTH_CELL) ** 2
        grid = config.image_size // config.stride
        flow, student = config.flow, config.student
        self.whitening = Whitening(channels) if config.whiten else None
        self.position = PositionalCode(config.position, (grid, grid))
        self.flow = ConditionalFlow(channels, config.position, flow.width, flow.kernels, flow.alpha)
        self.student = ResidualStudent(
            channels + config.position, channels, student.width, student.blocks, student.slope
        )
        self.reduction = in_words(config)

    def stages(self) -> list[Stage]:
        """The flow learns the features of good images; then, frozen, it is the student's teacher."""
        config = self.config
        heads = [block.get_parameter(f"{net}.conv2.weight") for block in self.flow.blocks for net in ("net1", "net2")]

        def stage(name: str, of: nn.Module, last: Sequence[nn.Parameter], how: TrainingSettings, **rest: Any) -> Stage:
            return Stage(
                name=name,
                parameters=list(of.parameters()),
                optimizer=lambda parameters: how.build(parameters, last),
                epochs=how.epochs,
                steps=how.steps,
                batch_size=config.batch_size,
                warmup=how.warmup,
                decay=how.decay,
                half=config.mixed,
                mixed=config.mixed,
                **rest,
            )

        head = list(self.student.head.parameters())
        return [
            stage("flow", self.flow, heads, config.flow.training, loss=self.likelihood, frozen=self.frozen),
            stage("student", self.student, head, config.student.training, loss=self.regression, frozen=self.targets),
        ]

    def frozen(self, *inputs: Float[Tensor, "b _ h w"]) -> dict[str, Tensor]:
        """What the flow learns from: `features`, and with depth the `mask` of the part, (b, 1, h, w) on their grid.

        Args:
            inputs: RGB in 0..1 (b, 3, h, w), prepared depth (b, 2, h, w), or both, as the settings say.
        """
        given = dict(zip(self.inputs, inputs, strict=True))
        parts = self.teacher(given["image"]) if self.teacher is not None else []
        if "depth" not in given:
            return {"features": parts[0]}
        cells = given["depth"][:, :, ::DEPTH_CELL, ::DEPTH_CELL].float()
        inside = self.config.stride // DEPTH_CELL
        parts.append(F.pixel_unshuffle(cells[:, :1], inside))
        mask = F.interpolate(cells[:, 1:], size=parts[-1].shape[-2:], mode="bilinear", align_corners=False)
        return {"features": torch.cat(parts, dim=1), "mask": mask}

    def targets(self, *inputs: Float[Tensor, "b _ h w"]) -> dict[str, Tensor]:
        """What the student learns from: the same, and the trained flow's latents."""
        frozen = self.frozen(*inputs)
        latent, _ = self.latent(self.normal(frozen["features"]))
        return frozen | {"latent": latent}

    def prepare(self, stage: Stage, batches: Iterable[Batch], reduce: Reduce) -> None:
        """Mean and covariance of the features over the good parts, before the flow learns."""
        if stage.name == "flow" and self.whitening is not None:
            pairs = ((batch.frozen["features"], batch.frozen.get("mask")) for batch in batches)
            self.whitening.take(pairs, reduce)

    def normal(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Features as flow and student are given them."""
        return features if self.whitening is None else self.whitening(features)

    def latent(self, normal: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """The flow's latents and log-determinants."""
        latent, log_det = self.flow(normal, self.position(normal))
        return latent, log_det

    def guess(self, normal: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The student's idea of the latents."""
        guess: Tensor = self.student(torch.cat([normal, self.position(normal)], dim=1))
        return guess

    def likelihood(self, batch: Batch) -> dict[str, Tensor]:
        """`likelihood`: the mean negative log-likelihood of a position, without its constant."""
        unlikely = negative_log_likelihood(*self.latent(self.normal(batch.frozen["features"])))
        return {"likelihood": masked_mean(unlikely, mask_of(batch.frozen))}

    def regression(self, batch: Batch) -> dict[str, Tensor]:
        """`distance`: the mean squared difference between the student's latents and the flow's."""
        guess = self.guess(self.normal(batch.frozen["features"]))
        return {"distance": squared_error(batch.frozen["latent"], guess, mask_of(batch.frozen))}

    def forward(self, *inputs: Float[Tensor, "b _ h w"]) -> tuple[Float[Tensor, "b h w"], Float[Tensor, " b"]]:
        """Anomaly map and score; for the inputs see `frozen`."""
        distance = self.distance(*inputs)
        return enlarge(distance, (inputs[0].shape[-2], inputs[0].shape[-1])), self.scored(distance)

    def distance(self, *inputs: Float[Tensor, "b _ h w"]) -> Float[Tensor, "b h w"]:
        """The squared distance between student and flow on the grid of the features, 0 where no part is.

        Times a power of the features' energy, where the settings ask for it.
        """
        frozen = self.frozen(*inputs)
        normal = self.normal(frozen["features"])
        latent, _ = self.latent(normal)
        distance = squared_distance(latent, self.guess(normal))
        if self.config.energy:
            distance = distance * energy(normal).pow(self.config.energy)
        return masked(distance, frozen)

    def unlikely(self, *inputs: Float[Tensor, "b _ h w"]) -> Float[Tensor, "b h w"]:
        """The flow's own negative log-likelihood on the grid of the features: what the student is to do better than."""
        frozen = self.frozen(*inputs)
        return masked(negative_log_likelihood(*self.latent(self.normal(frozen["features"]))), frozen)

    def scored(self, distance: Float[Tensor, "b h w"]) -> Float[Tensor, " b"]:
        """The image's score from its distances on the grid of the features."""
        if self.config.score == "mean":
            return mean(distance)
        return top_mean(distance, self.config.top) if self.config.top else maximum(distance)


def check_stride(config: AsymmetricConfig) -> None:
    """Whether image size, stride and the cells of depth go together.

    Raises:
        ConfigError: they do not.
    """
    if config.image_size % config.stride:
        near = max(config.stride, round(config.image_size / config.stride) * config.stride)
        came = f"image_size is {config.image_size}"
        raise ConfigError(came, f"a multiple of {config.stride}", f"for example {near}")
    if config.input != "rgb" and config.stride % DEPTH_CELL:
        raise ConfigError(f"stride is {config.stride} with depth", f"a multiple of {DEPTH_CELL}", "for example 32")


def mask_of(frozen: Mapping[str, Tensor]) -> Float[Tensor, "b h w"] | None:
    """Where the part is on the features' grid, None without depth."""
    return frozen["mask"][:, 0] if "mask" in frozen else None


def masked(values: Float[Tensor, "b h w"], frozen: Mapping[str, Tensor]) -> Float[Tensor, "b h w"]:
    """The values where the part is, 0 elsewhere; without depth everywhere."""
    mask = mask_of(frozen)
    return values if mask is None else values * mask


def in_words(config: AsymmetricConfig) -> str:
    """How the score is drawn."""
    if config.score == "mean":
        return "mean of all positions' distances"
    return f"mean of the highest {100 * config.top:g} % of all distances" if config.top else "highest distance"


def enlarge(map: Float[Tensor, "b h w"], size: tuple[int, int]) -> Float[Tensor, "b _ _"]:  # noqa: A002
    """Bicubic to eight times the grid, from there bilinear to `size` (height, width)."""
    large = F.interpolate(map[:, None], scale_factor=8.0, mode="bicubic", align_corners=False)
    return F.interpolate(large, size=size, mode="bilinear", align_corners=False)[:, 0]
