"""Dual-Modeling Decouple Distillation (DMDD).

Xinyue Liu, Jianyuan Wang, Biao Leng, Shuo Zhang: "Dual-Modeling Decouple Distillation for Unsupervised Anomaly
Detection", ACM MM 2024, https://arxiv.org/abs/2408.03888

Idea
    A teacher and a student of reverse distillation; but the student restores each level twice. Its normality features
    shall be those of the part without the defect, even where there is one. Its abnormality features shall be the
    teacher's, except inside a defect, where they shall point elsewhere. Both are learned from pairs: a good image and
    the same image with a drawn defect. The first tells a defect at its edge as well as in its middle, since what the
    student is to put there is the good part; the second says what stands out by itself.
    A small network with three kinds of attention then fuses the distances of all levels and both sets into one map.

Symbols
    T_k, S_k (levels)            `Teacher`, `DecoupledStudent.trunk`, finest first
    N_k, A_k (feature sets)      `DecoupledStudent` -> normality, abnormality
    DN_k, DA_k (distances)       `distances`
    NGM, AIM (losses)            `losses.decouple.guidance`, `losses.decouple.inverse_mimicking`
    MSN (fusion)                 `nn.segmentation.SegmentationHead`

Preset `paper`
    The published text states the idea and no sizes; no code was found. The rest is a reconstruction.
    Teacher wide_resnet50_2, levels of stride 4, 8 and 16, image 256 x 256 px, the student of RD4AD as trunk; a head a
    level (1x1 to twice the channels, batch normalisation, ReLU, split, two 1x1 branches with ReLU). NGM: both forms of
    the cosine distance. AIM: margin 1, defect and good positions averaged apart. Adam, 0.005, betas 0.5 and 0.999,
    5,000 steps of 16 pairs, a fifth of the rate after 80 % and after 90 %; then the head alone, Adam, 0.001, 2,000
    steps, focal loss (4) plus mean absolute error. Defects: Perlin noise over the whole image. Map: the head's logits
    on a grid of 4 px, enlarged, as probabilities; score: mean of its highest 0.15 %. Raw (`use_msn = false`): sum of
    all distances, Gaussian of 4 px, maximum.

Preset `lite`
    For two cores. Teacher, levels, input sizes, trunk and raw map are those of `reverse_distillation`'s `lite`.
    Branches end without ReLU; all six kinds of drawn defects; Muon, 8 pairs a step; training ends by itself, as
    `reverse_distillation`'s, but after about 500 steps at the latest. Distances are squared: NGM is their mean plus
    that of the worst 2 %, for images without and with a defect. AIM wants, inside a defect, a squared distance as large
    as the energy of the teacher's features there: that of the answer "as on average". Raw map and its score are of
    normality's distances. The head, 32 channels on a grid of 8 px, sees the logarithms of 1 plus all distances and
    energies, and learns from one image in five that the student has never seen; Adam, 0.003, 120 steps. Map: the raw
    map times 1 plus the head's probability; score: the raw score times 1 plus the mean of its highest 1 %.

Deviations of `paper` from the paper, and why
    - What the abstract leaves open is a design of ours, see above; the paper's figures are not promised.
    - Foreign texture comes from other training images, changed at random, where the relatives of this paper take it
      from DTD: give its folder as `anomalies.texture`.
    - The teacher sees the good images once, and the drawn defects as they come; the results are the same.
    - Steps are rounded up to whole epochs, and an epoch's batches are made equally large.
    - A tenth to a quarter of the good images is held out for thresholds. Nothing of the test set is seen.

Deviations of `lite` from `paper`, and why
    - Teacher, standardised features, squared distances, slim trunk and Muon as in `reverse_distillation`, for the same
      reasons. Such features have signs, so the branches must be able to give them.
    - The student restores images it has learned from better than new ones. A head that saw the former alone took good
      texture for defects: on one set of 24 images its own image AUROC was 71 %, and 95 % with images of its own.
    - Abnormality's squared distance alone was a worse map than normality's (every second test image of
      bottle: AUPRO 90.5 % against 94.8 %), and so was their sum; on a paper it was the better, 66.3 % against 64.9 %.
      Normality needs no margin: abnormality speaks through the head only.
    - 250 steps were too few where there are many images: with 500, image AUROC of screw rose from 93.8 % to 96.8 %,
      pixel AUROC from 99.34 % to 99.52 % (seed 0).
    - Drawn defects are not real ones. The head at most doubles the raw map and never lowers it: the factor was set by
      reasoning, not measured against others. Teacher, trunk and raw map were taken from `reverse_distillation`; the
      losses, the sets and what the head sees were chosen by labelled test images of bottle, magnetic_tile and one paper
      (pa_brg01_rl), that stride 4 is restored too by two papers and bottle: figures on these flatter it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor

from untaught.anomalies.settings import PAPER as PAPER_ANOMALIES
from untaught.anomalies.settings import AnomalySettings
from untaught.batch import Batch
from untaught.distillation import RESTORING, SETTLED, Distillation, ReverseConfig
from untaught.losses.decouple import guidance, inverse_mimicking, regions, segmentation, squared_guidance
from untaught.losses.worst import average
from untaught.maps.distance import cosine_distance, energy, level_distances, squared_distance
from untaught.maps.fuse import upsample
from untaught.maps.levels import PAPER_MAP
from untaught.maps.score import top_mean
from untaught.method import Drops, MethodConfig, Reduce, Stage
from untaught.nn.decouple import DecoupledStudent
from untaught.nn.optimizers import OptimizerSettings
from untaught.nn.segmentation import SegmentationHead
from untaught.nn.students import check_levels, make_student

Levels = list[Float[Tensor, "b _ _ _"]]


SHORTER = replace(SETTLED, maximum=350)
"""A step takes two images through the student and one through the teacher."""


class DecoupleConfig(OptimizerSettings):
    """How trunk and branches are trained."""

    guidance: Literal["all", "normal"] = Field(
        default="all", description="where normality is guided on images with a defect"
    )
    positions: float = Field(
        default=1.0, ge=0, description="weight of normality's mean distance over positions of images with a defect"
    )
    hard: float = Field(
        default=0.02, ge=0, le=1, description="squared: share of worst positions whose mean is added; 0: none"
    )
    abnormality: float = Field(default=1.0, ge=0, description="weight of abnormality's loss; 0: none")
    margin: float = Field(
        default=1.0, gt=0, le=2, description="distance wanted inside a defect: 1 is a right angle, or that of no answer"
    )
    reduction: Literal["regions", "mean"] = Field(
        default="regions", description="abnormality: average defects and the rest apart, or all positions"
    )
    steps: int = Field(default=250, ge=1, description="rounded up to whole epochs; with `settle` they do not count")
    settle: bool = Field(default=False, description="end by itself when held-out good images stop improving")
    batch_size: int = Field(default=8, ge=1, description="pairs")
    warmup: int = Field(default=30, ge=0, description="steps over which the learning rate rises")
    decay: float = Field(default=0.3, ge=0, lt=1, description="last share, in which the learning rate falls to zero")
    drops: bool = Field(default=False, description="a fifth of the learning rate after 80 % and again after 90 %")


class SegmentConfig(OptimizerSettings):
    """The segmentation head and how it is trained."""

    optimizer: Literal["adam", "muon", "sgd"] = "adam"
    width: int = Field(default=32, ge=8, multiple_of=8, description="channels inside")
    dilations: tuple[PositiveInt, ...] = Field(
        default=(1, 6, 12), min_length=1, description="reaches of the scale attention"
    )
    stride: int = Field(default=8, ge=1, description="pixels of the input per position of its grid")
    gamma: float = Field(default=4.0, ge=0, description="focus of its loss on positions it gets wrong")
    steps: int = Field(default=120, ge=1, description="rounded up to whole epochs")
    batch_size: int = Field(default=8, ge=1, description="pairs")
    decay: float = Field(default=0.3, ge=0, lt=1, description="last share, in which the learning rate falls to zero")
    energy: bool = Field(default=True, description="show it the energy of the teacher's features too")
    unseen: int = Field(
        default=5, ge=0, description="one in so many images is kept for it and not shown to the student; 0: none"
    )
    weight: float = Field(
        default=1.0,
        ge=0,
        description="the raw map is multiplied by 1 plus this times its probability; 0: the map is its probability",
    )
    top: float = Field(default=0.01, gt=0, le=1, description="score: mean of the highest share of what it gives")


class DmddConfig(ReverseConfig):
    """Settings of DMDD."""

    distance: Literal["squared", "cosine"] = Field(default="squared", description="how features are compared")
    branch_kernel: Literal[1, 3] = Field(default=1, description="side of the branches' convolutions")
    final_relu: bool = Field(
        default=False, description="branches end with a ReLU: for features that are never negative"
    )
    use_msn: bool = Field(default=True, description="train the segmentation head; without it the map is the raw sum")
    anomalies: AnomalySettings = AnomalySettings()
    decouple: DecoupleConfig = DecoupleConfig()
    segment: SegmentConfig = SegmentConfig()
    sets: Literal["both", "normal", "abnormal"] = Field(default="normal", description="distances summed in the raw map")


LITE: Mapping[str, Any] = {**RESTORING, "decouple": {"settle": True}}
PAPER: Mapping[str, Any] = {
    "backbone": "wide_resnet50_2.tv_in1k", "image_size": 256, "sizes": (), "levels": (4, 8, 16), "standardise": False,
    "distance": "cosine", "sets": "both",
    "student": {"form": "mirrored"}, "branch_kernel": 1, "final_relu": True, "use_msn": True,
    "anomalies": PAPER_ANOMALIES,
    "decouple": {
        "guidance": "all", "positions": 1.0, "hard": 0.0, "abnormality": 1.0, "margin": 1.0, "reduction": "regions",
        "optimizer": "adam", "learning_rate": 0.005, "betas": (0.5, 0.999), "steps": 5000, "batch_size": 16,
        "warmup": 0, "decay": 0.0, "drops": True,
    },
    "segment": {
        "width": 64, "dilations": (1, 6, 12), "stride": 4, "gamma": 4.0, "optimizer": "adam", "learning_rate": 1e-3,
        "betas": (0.9, 0.999), "steps": 2000, "batch_size": 16, "decay": 0.0, "energy": False,
        "unseen": 0, "weight": 0.0, "top": 0.0015,
    },
    "map": PAPER_MAP,
}  # fmt: skip


class Dmdd(Distillation):
    """Normality and abnormality learned apart from drawn defects, their distances fused by attention.

    Args:
        config: the settings.
        untrained: build the teacher without its weights, for a state that is loaded afterwards.

    Raises:
        ConfigError: the levels, widths and image size do not go together.
        WeightsError: the teacher's weights cannot be had.
    """

    Config: ClassVar[type[MethodConfig]] = DmddConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"lite": LITE, "paper": PAPER}
    config: DmddConfig
    student: DecoupledStudent

    def __init__(self, config: DmddConfig, *, untrained: bool = False) -> None:
        check_levels(config.student, config.levels, config.image_size)
        super().__init__(config, untrained=untrained)
        channels = self.teacher.channels
        trunk = make_student(config.student, config.backbone, channels)
        self.student = DecoupledStudent(trunk, channels, config.branch_kernel, config.final_relu)
        if config.use_msn:
            segment = config.segment
            maps = (3 if segment.energy else 2) * len(channels)
            self.head = SegmentationHead(maps, segment.width, segment.dilations)
            share = f"mean of the highest {segment.top * 100:g} %"
            if segment.weight == 0:
                self.reduction = f"{share} of the anomaly map"
            else:
                self.reduction += f"; times 1 plus {segment.weight:g} times the {share} of the head's probability"

    def stages(self) -> list[Stage]:
        """Trunk and branches first; then the head, on maps that have settled."""
        decouple, segment = self.config.decouple, self.config.segment
        drops = Drops((0.8, 0.9), 0.2) if decouple.drops else None
        first = Stage(
            name="decouple", parameters=list(self.student.parameters()), loss=self.decouple_loss,
            optimizer=partial(decouple.build, heads=list(self.student.last())), steps=decouple.steps,
            batch_size=decouple.batch_size, frozen=self.frozen, half=self.light, pairs=self.config.anomalies,
            warmup=decouple.warmup, decay=decouple.decay, drops=drops, mixed=self.light,
            plateau=SHORTER if decouple.settle else None,
            shown=self.for_student if segment.unseen and self.config.use_msn else None,
        )  # fmt: skip
        if not self.config.use_msn:
            return [first]
        return [
            first,
            Stage(
                name="segment", parameters=list(self.head.parameters()), loss=self.segment_loss,
                optimizer=segment.build, steps=segment.steps, batch_size=segment.batch_size, frozen=self.frozen,
                half=self.light, pairs=self.config.anomalies, decay=segment.decay, mixed=self.light,
                shown=self.for_head if segment.unseen else None,
            ),
        ]  # fmt: skip

    def for_head(self, number: int) -> bool:
        """Whether a training image is kept for the head, to show it distances as they are on images never seen."""
        return number % self.config.segment.unseen == 0

    def for_student(self, number: int) -> bool:
        """Whether the student learns from a training image."""
        return not self.for_head(number)

    def pairs(self, batch: Batch) -> tuple[Levels, Levels]:
        """The teacher's levels of the images without defect and of those with it, on their scale."""
        assert batch.defect is not None
        with torch.no_grad():
            clean = self.standards(self.cached(batch))
            return clean, self.standards([level.float() for level in self.teacher(batch.defect)])

    def decouple_loss(self, batch: Batch) -> dict[str, Tensor]:
        """`decouple`, which is minimised; its two parts; `distance` of good images, which tells when to stop."""
        normality, abnormality, distance = self.losses(batch)
        total = normality + self.config.decouple.abnormality * abnormality
        parts = {"normality": normality.detach(), "abnormality": abnormality.detach()}
        return {"decouple": total, **parts, "distance": distance}

    def losses(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
        """Normality guidance and abnormality inverse mimicking, summed over levels; normality's distance when good."""
        assert batch.mask is not None
        settings, count = self.config.decouple, len(batch.index)
        clean, bad = self.pairs(batch)
        restored = self.student([torch.cat(level) for level in zip(clean, bad, strict=True)])
        squared = self.config.distance == "squared"
        levels, watched = [], []
        for one, other, normal, abnormal in zip(clean, bad, *restored, strict=True):
            good, defect = regions(batch.mask, size_of(one))
            where = good if settings.guidance == "normal" else None
            apart = (squared_distance if squared else cosine_distance)(torch.cat([one, other]), abnormal)
            if squared:
                ways = squared_distance(torch.cat([one, one]), normal)
                guided = squared_guidance(ways[:count], ways[count:], settings.positions, settings.hard, where)
            else:
                ways = cosine_distance(one, normal[:count].detach())
                guided = guidance(one, normal[:count], normal[count:], settings.positions, where)
            watched.append(ways[:count])
            levels += [
                guided,
                inverse_mimicking(
                    apart[:count], apart[count:], good, defect, settings.margin, settings.reduction,
                    energy(other) if squared else None,
                ),
            ]  # fmt: skip
        normality, abnormality = torch.stack(levels).view(-1, 2).sum(dim=0)
        return normality, abnormality, average(watched)

    def segment_loss(self, batch: Batch) -> dict[str, Tensor]:
        """`segment`: the head's loss on images without and with defect; what the first stage made stays as it is."""
        assert batch.mask is not None
        self.student.eval()
        with torch.no_grad():
            both = [torch.cat(level) for level in zip(*self.pairs(batch), strict=True)]
            maps = self.perceived(*self.distances(both), both)
        logits = self.head(maps)[:, 0]
        _, defect = regions(batch.mask, size_of(logits))
        wanted = torch.cat([torch.zeros_like(defect), defect])
        return {"segment": segmentation(logits, wanted, self.config.segment.gamma)}

    def distances(self, target: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Distances of normality and of abnormality to the teacher, each level at its own size, raw."""
        levels, squared = self.config.levels, self.config.distance == "squared"
        normal, abnormal = (level_distances(target, restored, levels, squared) for restored in self.student(target))
        return normal, abnormal

    def compared(self, batch: Batch) -> list[Float[Tensor, "b _ _"]]:
        """What is scored of a batch's good images."""
        return self.both(*self.distances(self.standards(self.cached(batch))))

    def both(self, normal: Sequence[Tensor], abnormal: Sequence[Tensor]) -> list[Float[Tensor, "b _ _"]]:
        """The distances that make the map: normality's, abnormality's or their sum, as `sets` says."""
        sets = {"normal": [normal], "abnormal": [abnormal]}.get(self.config.sets, [normal, abnormal])
        return [torch.stack(level).sum(dim=0) for level in zip(*sets, strict=True)]

    def perceived(
        self, normal: Sequence[Tensor], abnormal: Sequence[Tensor], target: Sequence[Tensor]
    ) -> Float[Tensor, "b m h w"]:
        """What the head sees on its grid: normality's distances by level, then abnormality's, then the energy."""
        maps = [*normal, *abnormal]
        if self.config.segment.energy:
            maps += [energy(level) for level in target]
        if self.config.distance == "squared":
            maps = [map_.log1p() for map_ in maps]
        factor = self.config.levels[0] / self.config.segment.stride
        height, width = size_of(normal[0])
        size = (max(1, round(height * factor)), max(1, round(width * factor)))
        return torch.stack([upsample(map_, size, align_corners=False) for map_ in maps], dim=1)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b h w"], Float[Tensor, " b"]]:
        """Anomaly map and score of RGB images in 0..1."""
        target, segment = self.standards(self.teacher(image)), self.config.segment
        normal, abnormal = self.distances(target)
        raw, score = self.map(self.both(normal, abnormal), target, size_of(image))
        if not self.config.use_msn:
            return raw, score
        logits = self.head(self.perceived(normal, abnormal, target))[:, 0].float()
        probability = upsample(logits, size_of(image), align_corners=False).sigmoid()
        highest = top_mean(probability, segment.top)
        if segment.weight == 0:
            return probability, highest
        return raw * (1 + segment.weight * probability), score * (1 + segment.weight * highest)

    def prepare(self, stage: Stage, batches: Iterable[Batch], reduce: Reduce) -> None:
        """Mean and deviation of each channel of the teacher over the training images, before the first stage."""
        if stage.name == "decouple":
            super().prepare(stage, batches, reduce)


def size_of(tensor: Tensor) -> tuple[int, int]:
    """Height and width."""
    return tensor.shape[-2], tensor.shape[-1]
