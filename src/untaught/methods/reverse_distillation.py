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
    For two cores. Teacher EfficientNet-Lite0, levels of stride 4, 8, 16 and 32, each channel standardised over the
    good images; image 256, 384 or 512 px a side, the smallest that keeps three quarters of the images' own side; slim
    student (`nn.students.SlimStudent`), its embedding on the coarsest level's grid. Loss: squared distance, its mean
    over all positions plus the mean of the worst 2 %, summed over levels; Muon, 0.05 for hidden convolutions and 0.003
    for the rest, batches of 8; training ends by itself when held-out good images stop improving or are restored well
    enough. Distances: squared, averaged over channels; at the two finest levels half of it is that of 3 x 3
    neighbourhoods (`maps.distance.coherent_distance`). Map: sum of the levels of stride 4, 8 and 16, the last one
    twice, on a grid of 4 px, smoothed by a Gaussian of 4 px for an input of 256 px, of more for larger ones. Score:
    of the roots of each level's distances the mean of the highest 3 % above their lower quartile, summed over levels,
    those of stride 8 and 32 at a quarter of their weight.

Deviations of `paper` from the paper, and why
    - The loss compares each level as one long vector, as the authors' code does; the paper's per-position form is
      `loss = "regional"` and is reported to give worse results.
    - No 1x1 convolution behind the fusion: the authors' code builds one and never uses it.
    - The teacher computes neither gradients nor layers behind the deepest level; the results are the same.
    - The authors' code evaluates on the test set while it trains. Here nothing of the test set is seen.
    - Bottleneck blocks for ResNet-101 too, where the authors' code wires basic ones by mistake. Other backbones get
      two basic blocks a stage with the teacher's channels, and no ReLU at a stage's end: their features have signs.
    - An epoch's batches are made equally large, where the authors' last one is smaller; a tenth to a quarter of the
      good images is held out for stopping and thresholds.

Deviations of `lite` from the paper, and why
    - The teacher's features are kept as bfloat16 (relative error 0.4 %); all distances are computed in fp32.
    - A level of stride 32 beside 4, 8 and 16; at stride 4, where everything costs most, the student is narrow and has
      no block of its own.
    - The input's size follows the images: small ones blown up cost with the square and show the teacher only blur.
    - Slim student with pixel shuffle: transposed convolutions and wide blocks are slow on two cores.
    - Features are standardised channel by channel, or a few strong channels would decide everything.
    - Squared distance in place of the cosine, in training and in the map. The cosine asks for a direction also where
      none can be foretold, as in grain, and forgets how unusual a feature is. The squared distance is smallest at the
      conditional mean; where the student can say nothing it answers with the mean, and what is left over is how many
      deviations the feature lies from it.
    - Positions weigh the same and the worst ones more: small parts far from the usual would hardly be learned.
    - Muon in place of Adam: about half the epochs to the same held-out distance.
    - Neighbouring differences are averaged before they are squared, for half of the two finest levels' distance:
      grain, which nobody can foretell, averages out; a defect does not.
    - Stride 16 counts twice in the map: it says best what is defective, the finer ones where.
    - The smoothing grows with the input, of which the paper knows one size.
    - The coarsest level is in the score alone. It finds what is large and faint; it cannot say where.
    - In the score each level speaks for itself: the sum would be ruled by the level with the larger distances. Stride
      8 says little that 4 and 16 do not say, and 32 is coarse: a quarter of the weight for both. Roots,
      for squares have long tails on good images too. The mean of the highest positions is less moved by a single
      unlucky one than the maximum. The lower quartile is taken off: a part with an unusual grain is restored a little
      worse everywhere and yet is good; unlike the mean it stays where a defect is large. So that an empty frame or
      another product is not good for want of anything that stands out, a lower quartile beyond twice the usual counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from untaught.batch import Batch
from untaught.distillation import RESTORING, SETTLED, Distillation, DistillationTraining, ReverseConfig
from untaught.losses.cosine import cosine_losses
from untaught.losses.squared import squared_losses
from untaught.maps.distance import level_distances
from untaught.maps.levels import PAPER_MAP
from untaught.method import MethodConfig, Stage
from untaught.nn.students import MirroredStudent, SlimStudent, check_levels, make_student


class TrainingConfig(DistillationTraining):
    """How the student is trained."""

    loss: Literal["global", "regional", "squared"] = Field(
        default="squared",
        description="cosine of a level as one vector or of each position, or squared distance of each position",
    )
    hard: float = Field(default=0.02, ge=0, le=1, description="share of worst positions whose mean is added; 0: none")
    epochs: int = Field(default=200, ge=1, description="epochs in all where `settle` is off")


class ReverseDistillationConfig(ReverseConfig):
    """Settings of reverse distillation."""

    training: TrainingConfig = TrainingConfig()


LITE: Mapping[str, Any] = RESTORING
PAPER: Mapping[str, Any] = {
    "backbone": "wide_resnet50_2.tv_in1k",
    "image_size": 256,
    "sizes": (),
    "levels": (4, 8, 16),
    "student": {"form": "mirrored"},
    "training": {
        "loss": "global", "hard": 0.0, "optimizer": "adam", "learning_rate": 0.005, "betas": (0.5, 0.999),
        "epochs": 200, "batch_size": 16, "warmup": 0, "decay": 0.0, "settle": False,
    },
    "standardise": False,
    "map": PAPER_MAP,
}  # fmt: skip


class ReverseDistillation(Distillation):
    """Frozen teacher, student with a narrow place, cosine distance; see the module's card.

    Args:
        config: the settings.
        untrained: build the teacher without its weights, for a state that is loaded afterwards.

    Raises:
        ConfigError: the levels, widths and image size do not go together.
        WeightsError: the teacher's weights cannot be had.
    """

    Config: ClassVar[type[MethodConfig]] = ReverseDistillationConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"lite": LITE, "paper": PAPER}
    config: ReverseDistillationConfig
    student: MirroredStudent | SlimStudent

    def __init__(self, config: ReverseDistillationConfig, *, untrained: bool = False) -> None:
        check_levels(config.student, config.levels, config.image_size)
        super().__init__(config, untrained=untrained)
        self.student = make_student(config.student, config.backbone, self.teacher.channels)

    def stages(self) -> list[Stage]:
        """One stage: the student learns to restore the teacher's features of good images."""
        training = self.config.training
        watch = "cosine" if training.loss == "global" else "distance"
        return [self.distil("distil", self.loss, training, replace(SETTLED, watch=watch))]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """What is minimised, `squared` or `cosine`, and `distance`, which tells when to stop."""
        target, restored = self.restore(self.cached(batch))
        training = self.config.training
        if training.loss == "squared":
            return squared_losses(target, restored, training.hard)
        return cosine_losses(target, restored, training.loss, training.hard)

    def restore(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """The teacher's levels as the student is to restore them, and as it does."""
        target = self.standards(features)
        return target, self.student(target)

    def distances(self, features: Sequence[Tensor]) -> list[Float[Tensor, "b _ _"]]:
        """The distance of each level at its own size, raw: squared where that is the loss, else of the cosine."""
        return level_distances(*self.restore(features), self.config.levels, self.config.training.loss == "squared")

    def compared(self, batch: Batch) -> list[Float[Tensor, "b _ _"]]:
        """What is scored of a batch's good images."""
        return self.distances(self.cached(batch))

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b h w"], Float[Tensor, " b"]]:
        """Anomaly map and score of RGB images in 0..1."""
        target, restored = self.restore(self.teacher(image))
        distances = level_distances(target, restored, self.config.levels, self.config.training.loss == "squared")
        map_, score = self.map(distances, target, (image.shape[-2], image.shape[-1]))
        return map_, score
