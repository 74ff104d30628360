"""Anomaly Amplification and Normality Distillation (AAND).

Canhui Tang, Sanping Zhou, Yizhe Li, Yonghao Dong, Le Wang: "Advancing Pre-trained Teacher: Towards Robust Feature
Discrepancy for Anomaly Detection", 2024, https://arxiv.org/abs/2405.02068

Idea
    A frozen teacher sees an anomaly, but not always clearly. In a first stage drawn defects teach a small amplifier to
    find anomalous positions in the teacher's features and to change the features there, and only there, so that they
    become less like normal ones. The second stage is reverse distillation from this advanced teacher, on good images
    alone, with an eye on the positions that are restored worst. Inspection draws nothing.

Symbols
    F_k, F'_k (features)         `Teacher` -> levels, finest first; `advanced` -> the same with their residuals
    MRG, g (gate)                `nn.amplifier.ResidualGate`
    ARG, v (value)               `nn.amplifier.ResidualGenerator`
    R_k (residual)               gate times value, added by `nn.amplifier.Amplifier`
    L_focal, L_amp (stage I)     `losses.gate.focal_loss`, `losses.amplification.amplification_loss`
    L_HKD (stage II)             `losses.hard.hard_losses`
    D_k (decoder features)       `nn.students`

Preset `paper`
    Teacher wide_resnet50_2 (torchvision's ImageNet weights), levels of stride 4, 8 and 16, image 256 x 256 px,
    features as they are. Amplifier with 11,727,360 parameters, 50 normal and 50 abnormal memory items a level,
    temperature 0.2; a position is anomalous where more than 0.3 of its area is. Stage `amplify`: focal loss (alpha 0.8,
    gamma 2) + 0.1 amplification loss (margin 0.3, up to 5000 normal and 1000 anomalous positions a batch), drawn
    defects after DRAEM, a fifth of all images clean, 100 epochs. Stage `distil`: reverse distillation's mirrored
    student; per level 1 - cosine of the whole level + mean distance of each image's 10 worst positions, 120 epochs.
    Both: Adam, learning rate 0.005, betas 0.5 and 0.999, a fifth of the rate after 80 % and again after 90 % of the
    epochs, batches of 16, the last epoch counts. Map: sum of the levels' cosine distances to the advanced teacher, each
    upsampled with aligned corners, smoothed by a Gaussian of 4 px. Score: maximum.

Preset `lite`
    For two cores. Teacher, input size, standardisation, student and score are those of reverse distillation's `lite`.
    Stage `amplify`: 200 steps of 8 pairs, the focal loss with gamma 0, Adam 0.005. Afterwards a gate below a half
    counts as closed, and 2 g - 1 of one above it. Stage `distil`: squared distance + that of each image's and level's
    worst 2 % of positions, Muon; it ends by itself when held-out good images stop improving. Map: of the distances of
    the untouched levels, restored by the same student, each amplified one plus its gate; score: of the amplified ones.

Deviations of `paper` from the authors' code, and why
    - Neither epoch nor end of training is chosen by test labels: the last epoch counts. What the gate is worth is
      measured on held-out drawn defects and stands in the run's card.
    - Images are resized bilinearly, as everywhere in this library; the authors' code does it bicubically.
    - Texture comes from other training images unless a folder is named (`amplifier.anomalies.texture`); the authors
      use DTD, which cannot be shipped. Their code reads it with red and blue exchanged; this one does not.
    - Defects are blended in 0..1 and equal the image outside the mask exactly; foregrounds are a setting of the drawer
      in place of rules by product (default: anywhere). The amplification loss takes normal positions from all of the
      image, where the authors keep to the foreground: what lies beside a part is normal as well.
    - Position code and masks follow the size of the features; gate and norms are kept away from zero.
    - The ViT teacher is left out: it takes a bottleneck and a decoder of its own, and the gate in place of the mask.
    - An epoch's batches are made equally large, where the authors' last one is smaller; a tenth to a quarter of the
      good images is held out for stopping and thresholds.

Deviations of `lite` from the paper, and why
    - Teacher, student, standardisation, squared distance, sum and score are those of reverse distillation's `lite`, for
      the reasons its card gives.
    - On the mean amplified features tell good images from bad ones better and show defects less sharply. So the score
      is of them, and the map is not: of nine forms it was the best on the mean of bottle, screw, magnetic_tile and that
      of six papers (AUPRO 86.8 %; amplified 86.3 %, untouched without gate 86.5 %; seed 0, maps of 128 x 128 px),
      though not on screw (96.7 % against 97.0 %). The student answers twice for it.
    - Gate and generator see standardised features, but what is scaled, and whose cosines are to drop, are the teacher's
      own features in units of their deviation. Of standardised ones the cosines to all normal positions are zero on
      average and cannot all drop: the amplification loss stays where it began (0.56 of 0.60, against 0.25).
    - The level of stride 4 is restored but not amplified: what this teacher sees there is too little to tell a defect
      by (with it the gate's AUROC on held-out drawn defects is 0.82 to 0.85 on three papers).
    - A position is anomalous where more than 0.1 of its area is: small defects would have no position at all.
    - Cross entropy in place of the focal loss: in so few steps the focal loss leaves the gate a quarter open on good
      images, since it hardly counts what is a little wrong.
    - A gate that is a little open on good images blurs what the student is to restore: one below a half is closed.
    - Ten positions are a thousandth of the finest level: its worst 2 % count, as in reverse distillation's `lite`.
    - The levels amplified, closed gates and the worst 2 % were chosen by labelled test images of two papers
      (pa_brg01_rl, pa_brg03_tl) and screw, the map by those of all nine products: figures on these flatter it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field, field_validator
from torch import Tensor
from torch.nn import functional as F

from untaught.anomalies.settings import PAPER as PAPER_ANOMALIES
from untaught.anomalies.settings import AnomalySettings
from untaught.batch import Batch
from untaught.distillation import RESTORING, SETTLED, Distillation, DistillationTraining, ReverseConfig
from untaught.errors import ConfigError
from untaught.losses.amplification import amplification_loss
from untaught.losses.cosine import cosine_loss
from untaught.losses.gate import focal_loss, gate_quality
from untaught.losses.hard import hard_losses
from untaught.maps.distance import cosine_distance, level_distances, squared_distance
from untaught.maps.levels import PAPER_MAP
from untaught.method import Drops, MethodConfig, Reduce, Stage
from untaught.nn.amplifier import Amplifier
from untaught.nn.optimizers import OptimizerSettings
from untaught.nn.students import MirroredStudent, SlimStudent, check_levels, make_student


class AmplifierSettings(OptimizerSettings):
    """The amplifier and its training: stage `amplify`."""

    on: bool = Field(default=True, description="False leaves the amplifier out: plain reverse distillation")
    spared: int = Field(default=0, ge=0, description="so many of the finest levels stay as the teacher gives them")
    items: int = Field(default=50, ge=1, description="normal memory items, and as many abnormal ones")
    temperature: float = Field(default=0.2, gt=0, description="of the softmax over memory items")
    share: float = Field(
        default=0.1, gt=0, lt=1, description="anomalous part of a position's area above which it is so"
    )
    margin: float = Field(default=0.3, ge=0, le=2, description="by how much cosines to normal features are to drop")
    weight: float = Field(default=0.1, ge=0, description="of the amplification loss beside the focal loss")
    gamma: float = Field(default=0.0, ge=0, description="how much less the focal loss counts positions it is sure of")
    closed: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="below it the gate adds nothing once trained; the rest is stretched to 0..1",
    )
    epochs: int = Field(default=100, ge=1, description="epochs where `steps` is 0")
    steps: int = Field(default=200, ge=0, description="steps, whatever the number of images")
    batch_size: int = Field(default=8, ge=1)
    decay: float = Field(default=0.3, ge=0, lt=1, description="last share, in which the learning rate falls to zero")
    drops: bool = Field(default=False, description="a fifth of the learning rate after 80 % and again after 90 %")
    anomalies: AnomalySettings = AnomalySettings()


class TrainingConfig(DistillationTraining):
    """How the student is trained: stage `distil`."""

    loss: Literal["global", "regional", "squared"] = Field(
        default="squared",
        description="cosine of a level as one vector or of each position, or squared distance of each position",
    )
    hard: float = Field(
        default=10,
        ge=0,
        allow_inf_nan=False,
        description="worst positions of each image and level whose mean is added, or below 1 their share; 0: none",
    )
    epochs: int = Field(default=120, ge=1, description="epochs in all where `settle` is off")
    drops: bool = Field(default=False, description="a fifth of the learning rate after 80 % and again after 90 %")

    @field_validator("hard")
    @classmethod
    def _share_or_number(cls, value: float) -> float:
        if value >= 1 and value != round(value):
            raise ValueError(f"{value:g} positions; a whole number of them, or a share of all below 1")
        return value


class AandConfig(ReverseConfig):
    """Settings of anomaly amplification and normality distillation."""

    amplifier: AmplifierSettings = AmplifierSettings()
    training: TrainingConfig = TrainingConfig()
    drawn: Literal["amplified", "untouched"] = Field(
        default="amplified",
        description="what the map is of: distances of the amplified levels, or of the untouched ones plus the gate; "
        "a score that is not the map's maximum is of the amplified ones",
    )


LITE: Mapping[str, Any] = {
    **RESTORING,
    "amplifier": {
        "spared": 1, "closed": 0.5, "optimizer": "adam", "learning_rate": 5e-3, "anomalies": {"clean": 0.2},
    },
    "training": {"hard": 0.02},
    "drawn": "untouched",
}  # fmt: skip
ADAM = {"optimizer": "adam", "learning_rate": 0.005, "betas": (0.5, 0.999)}
PAPER: Mapping[str, Any] = {
    "backbone": "wide_resnet50_2.tv_in1k",
    "image_size": 256,
    "sizes": (),
    "levels": (4, 8, 16),
    "student": {"form": "mirrored"},
    "amplifier": {
        "epochs": 100, "steps": 0, "batch_size": 16, "decay": 0.0, "drops": True, "share": 0.3, "gamma": 2.0,
        "closed": 0.0, **ADAM, "anomalies": {**PAPER_ANOMALIES, "clean": 0.2},
    },
    "training": {
        **ADAM, "loss": "global", "hard": 10, "epochs": 120, "batch_size": 16, "warmup": 0, "decay": 0.0,
        "drops": True, "settle": False,
    },
    "standardise": False,
    "map": PAPER_MAP,
}  # fmt: skip
DROPS = Drops(at=(0.8, 0.9), factor=0.2)
Levels = list[Float[Tensor, "b _ _ _"]]


class Aand(Distillation):
    """Drawn defects teach an amplifier what to raise in the teacher's features; reverse distillation from the result.

    Args:
        config: the settings.
        untrained: build the teacher without its weights, for a state that is loaded afterwards.

    Raises:
        ConfigError: the levels, widths, channels and image size do not go together.
        WeightsError: the teacher's weights cannot be had.
    """

    Config: ClassVar[type[MethodConfig]] = AandConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"lite": LITE, "paper": PAPER}
    config: AandConfig
    student: MirroredStudent | SlimStudent

    def __init__(self, config: AandConfig, *, untrained: bool = False) -> None:
        check_levels(config.student, config.levels, config.image_size)
        super().__init__(config, untrained=untrained)
        channels = self.teacher.channels
        if config.amplifier.on:
            spared = config.amplifier.spared
            if spared >= len(channels):
                came = f"amplifier.spared is {spared} of {len(channels)} levels"
                raise ConfigError(came, "at least one level to amplify", "lower it, or set amplifier.on = false")
            sizes = [(config.image_size // stride,) * 2 for stride in config.levels[spared:]]
            self.amplifier = Amplifier(channels[spared:], sizes, config.amplifier.items, config.amplifier.temperature)
        self.student = make_student(config.student, config.backbone, channels)
        if config.drawn == "untouched" and config.amplifier.on and config.map.top > 0:
            self.reduction += "; all of amplified levels, where the map is of untouched ones plus the gate"

    def stages(self) -> list[Stage]:
        """The amplifier learns from drawn defects, then the student from good images alone."""
        return [*([self._amplify()] if self.config.amplifier.on else []), self._distil()]

    def _amplify(self) -> Stage:
        settings = self.config.amplifier
        return Stage(
            name="amplify", parameters=list(self.amplifier.parameters()), loss=self.amplify_loss,
            optimizer=settings.build, epochs=settings.epochs, steps=settings.steps or None,
            batch_size=settings.batch_size, pairs=settings.anomalies, decay=settings.decay,
            drops=DROPS if settings.drops else None, mixed=self.light, measure=self.measure,
        )  # fmt: skip

    def _distil(self) -> Stage:
        settings = self.config.training
        return self.distil("distil", self.distil_loss, settings, SETTLED, drops=DROPS if settings.drops else None)

    def plain(self, image: Float[Tensor, "b 3 h w"]) -> Levels:
        """The untouched teacher's levels."""
        levels: Levels = self.standards([level.float() for level in self.teacher(image)])
        return levels

    def advanced(self, image: Float[Tensor, "b 3 h w"]) -> Levels:
        """The advanced teacher's levels, softly gated: what the student restores."""
        return self.raised(self.plain(image))[0]

    def raised(self, levels: Levels) -> tuple[Levels, list[Float[Tensor, "b _ _"]]]:
        """The untouched levels amplified, and the gates of those that are; the levels alone without amplifier."""
        if not self.config.amplifier.on:
            return levels, []
        spared, plain = self.spared(levels)
        gates = self.amplifier.gate(plain)
        return [*spared, *self.amplifier(plain, self.applied(gates), self.origins())], gates

    def applied(self, gates: Sequence[Float[Tensor, "b _ _"]]) -> list[Float[Tensor, "b _ _"]]:
        """The gates as they are used once trained: closed where they are but a little open."""
        closed = self.config.amplifier.closed
        return [(gate - closed).clamp_min(0) / (1 - closed) for gate in gates]

    def spared(self, levels: Levels) -> tuple[Levels, Levels]:
        """The finest levels, which are never amplified, and those that are; all are the latter without amplifier."""
        count = self.config.amplifier.spared if self.config.amplifier.on else 0
        return levels[:count], levels[count:]

    def origins(self) -> Levels | None:
        """Where a feature that is 0 for the teacher lies on the scale of each amplified level; see `Standards`."""
        every = self.standards.origins()
        return None if every is None else self.spared(every)[1]

    def masks(self, mask: Bool[Tensor, "b 1 h w"], levels: Sequence[Tensor]) -> list[Bool[Tensor, "b _ _"]]:
        """Which positions of each level are anomalous: those of whose area enough is masked."""
        sizes = [(level.shape[-2], level.shape[-1]) for level in levels]
        pooled = [F.adaptive_avg_pool2d(mask.float(), size)[:, 0] for size in sizes]
        return [level > self.config.amplifier.share for level in pooled]

    def amplify_loss(self, batch: Batch) -> dict[str, Tensor]:
        """`amplify`, which is minimised, and its two parts; the mask stands for the gate in what is amplified."""
        assert batch.defect is not None
        assert batch.mask is not None
        settings = self.config.amplifier
        with torch.no_grad():
            _, plain = self.spared(self.plain(batch.defect))
            masks = self.masks(batch.mask, plain)
        gates = self.amplifier.gate(plain)
        origins = self.origins()
        raised = self.amplifier(plain, [mask.float() for mask in masks], origins)
        focal = torch.stack([focal_loss(*pair, gamma=settings.gamma) for pair in zip(gates, masks, strict=True)]).sum()
        if origins is not None:  # cosines as the teacher knows them: those of deviations cannot all drop
            plain, raised = ([lv - at for lv, at in zip(side, origins, strict=True)] for side in (plain, raised))
        amplification = torch.stack(
            [amplification_loss(*level, margin=settings.margin) for level in zip(plain, raised, masks, strict=True)]
        ).sum()
        total = focal + settings.weight * amplification
        return {"amplify": total, "focal": focal.detach(), "amplification": amplification.detach()}

    def measure(self, batches: Iterable[Batch]) -> Mapping[str, float]:
        """How well the gate tells held-out drawn defects, over all its levels, and how far it opens on good images."""
        gates, masks, good, added = [], [], [], []
        for batch in batches:
            assert batch.image is not None
            assert batch.defect is not None
            assert batch.mask is not None
            _, plain = self.spared(self.plain(batch.defect))
            gates += [gate.flatten() for gate in self.amplifier.gate(plain)]
            masks += [mask.flatten() for mask in self.masks(batch.mask, plain)]
            own = self.amplifier.gate(self.spared(self.plain(batch.image))[1])
            good += [gate.flatten() for gate in own]
            added += [gate.flatten() for gate in self.applied(own)]
        on_good = {"mean gate on good images": good, "mean gate on good images, as applied": added}
        means = {name: float(torch.cat(values).mean()) for name, values in on_good.items()}
        return {**gate_quality(torch.cat(gates), torch.cat(masks)), **means}

    def frozen(self, image: Float[Tensor, "b 3 h w"]) -> dict[str, Tensor]:
        """The advanced teacher's features by stride; the plain teacher's where there is no amplifier."""
        return self.named(self.advanced(image) if self.config.amplifier.on else self.teacher(image))

    def distil_loss(self, batch: Batch) -> dict[str, Tensor]:
        """`hard`, which is minimised, and `distance`, which tells when to stop."""
        target = self.cached(batch)
        target = target if self.config.amplifier.on else self.standards(target)
        restored = self.student(target)
        whole = cosine_loss(target, restored, "global") if self.config.training.loss == "global" else None
        measure = squared_distance if self.config.training.loss == "squared" else cosine_distance
        distances = [measure(*pair) for pair in zip(target, restored, strict=True)]
        return hard_losses(distances, self.config.training.hard, whole)

    def compared(self, batch: Batch) -> list[Float[Tensor, "b _ _"]]:
        """What is scored of a batch's good images."""
        target = self.cached(batch) if self.config.amplifier.on else self.standards(self.cached(batch))
        return self.distances(target)

    def distances(self, target: Sequence[Float[Tensor, "b _ _ _"]]) -> list[Float[Tensor, "b _ _"]]:
        """How far the student is from the levels it is to restore, raw, each at its own size."""
        squared = self.config.training.loss == "squared"
        return level_distances(target, self.student(target), self.config.levels, squared)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b h w"], Float[Tensor, " b"]]:
        """Anomaly map and score of RGB images in 0..1."""
        plain, size = self.plain(image), (image.shape[-2], image.shape[-1])
        target, gates = self.raised(plain)
        judged = self.distances(target)
        if self.config.drawn == "amplified" or not gates:
            map_, score = self.map(judged, target, size)
            return map_, score
        spared, rest = self.spared(self.distances(plain))
        shown = [*spared, *(distance + gate for distance, gate in zip(rest, gates, strict=True))]
        map_, score = self.map(shown, plain, size, judged)
        return map_, score

    def prepare(self, stage: Stage, batches: Iterable[Batch], reduce: Reduce) -> None:
        """Mean and deviation of each channel of the plain teacher over the training images, before the first stage."""
        if stage.name == "amplify":
            self.standards.take((self.teacher(batch.image) for batch in batches), reduce)
        elif not self.config.amplifier.on:
            super().prepare(stage, batches, reduce)
