"""Uninformed Students (student-teacher anomaly detection with discriminative latent embeddings).

Paul Bergmann, Michael Fauser, David Sattlegger, Carsten Steger: "Uninformed Students: Student-Teacher Anomaly Detection
with Discriminative Latent Embeddings", CVPR 2020, https://arxiv.org/abs/1911.02357

Idea
    A small network, the teacher, looks at patches of p x p pixels. It was taught on photographs to say of a patch what
    a large network says of it, in 128 numbers: one descriptor for every pixel, and no pixel further than p / 2 away has
    a say in it. Several students of the same build learn its descriptors on good images only.
    On what they were never taught they are wrong, and each is wrong in its own way. How far their mean is from the
    teacher and how far they are from each other, both measured in what is usual on good images, make the anomaly map.
    Patches of 17, 33 and 65 pixels see defects of different sizes; their maps are averaged.

Symbols
    T^, T (patch and dense form)   `nn.dense.PatchNet`, stride None and 1
    D, R (decoder, large network)  `nn.lesson.Lesson`: decoder, backbone
    L_k, L_m, L_c                  `losses.descriptors`: knowledge, matching, compactness
    S_i (students), M, p           `students`, `config.students`, `config.scales`
    mu, diag(sigma) of T           `targets`: `nn.standard.ChannelStandard` by scale
    e, v (error, uncertainty)      `maps.ensemble`: regression_error, disagreement
    e_mu, e_sigma, v_mu, v_sigma   `scales`: `nn.standard.ChannelStandard` with two channels

Preset `paper`
    Patches of 17, 33 and 65 px, three students each, image 256 x 256 px, a descriptor for every pixel, mirrored border.
    Teacher: taught by ResNet-18 (512 numbers behind its average pooling), L_k + L_c, Adam, rate 0.0002, weight decay
    0.00001, 50,000 steps of 64 patches, each from a photograph of a random side of 4 p to 16 p, one in ten grey.
    Students: each by itself, Adam, rate 0.0001, weight decay 0.00001, one image a step, 100 epochs. Map: mean over the
    patch sizes of standardised error plus standardised uncertainty; score: its maximum.

Preset `lite`
    For two cores. Patches of 17, 33 px, three students each, image 256 x 256 px, a descriptor every 4 px; networks of
    0.375 of the width. Teacher: taught by the two levels of EfficientNet-Lite0 that see about as much as the patch,
    400 steps of 8 crops of 128 px. Students: those of a patch size together, Muon, 600 steps of one part of 128 px of
    an image. Uncertainty counts a quarter; map smoothed by a Gaussian of 4 px; score: the mean of its highest 0.5 %,
    plus what its lower quartile is above 1.

Deviations of `paper` from the paper, and why
    - L_c takes squared correlations: the plain sum, as printed, rewards channels that are each other's opposite.
    - The last row of the patch of 33 px and the last five of 65 px never matter: pooling drops them. The first H x W
      of the positions that the continued image yields are taken.
    - The paper does not define an image score; the maximum of the map is taken.
    - Uncertainty is the mean squared distance from the students' mean: the same number without cancellation.
    - ImageNet itself is not at hand: the teacher learns from the photographs it is given.

Deviations of `lite` from the paper, and why
    - No patches of 65 px by default: after 400 steps on eighteen photographs their teacher foretells 2 % of what the
      large network says, those of 17 and 33 px foretell 78 % and 37 %. `scales` puts them back.
    - A descriptor for every 4 x 4 pixels, by poolings that keep their stride, and a pooling for 17 px too: a tenth to a
      twentieth of the cost; the window that matters lies over the middle of its pixels.
    - 0.375 of the width: a seventh of what remains.
    - The large network looks at whole crops, enlarged twice, and the descriptor has to foretell two of its levels: a
      crop teaches hundreds of patches at once, where the paper's way gives one patch for one pass.
    - Photographs are turned, mirrored and recoloured besides, since there may be few of them.
    - L_c has a hundredth of its weight: it counts 16,256 pairs of channels beside some 150 channels of L_k.
    - The teacher's descriptors are computed once and kept as bfloat16.
    - Muon in place of Adam, and He's initialisation: networks without normalisation start slowly otherwise. After 80
      steps a student's held-out error was 36 where Adam's was 79 (of 128 without learning), bottle, 33 px; Muon's
      rate was chosen out of three, Adam's was not.
    - Parts of images, one a step: in the same time smaller steps bring held-out error further down (19 against 36 for
      half as many of two).
    - Students of a size one after the other: as one grouped convolution they took as long, by vmap a third longer.
    - Uncertainty has a quarter of its weight: after few steps students still differ because they began differently.
      Three products, three seeds, three patch sizes together (docs/ablations/uninformed_students.md): all of it adds 4
      points of image AUROC on screw and takes 2 on bottle and on magnetic_tile; pixel figures fall a little on each.
    - The mean of the highest 0.5 % of the map is less moved by a single unlucky position than the maximum.
    - A frame of one colour has nothing that stands out and scored like a good part (drawn: 6 to 7, good parts 5 to 8).
      Its lower quartile lies 4 to 10 deviations above good images' mean, theirs half of one below: beyond 1 it counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, cast

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from untaught.batch import Batch
from untaught.config import Frozen
from untaught.losses.descriptors import compactness_loss, knowledge_loss, matching_loss
from untaught.maps.ensemble import disagreement, regression_error
from untaught.maps.fuse import upsample
from untaught.maps.score import maximum, quartile, top_mean
from untaught.maps.smooth import Smooth
from untaught.method import Method, MethodConfig, Pretraining, Reduce, Stage
from untaught.nn.backbones import Teacher
from untaught.nn.dense import Patch, PatchNet, PatchSettings, describe, frame, mirror
from untaught.nn.lesson import Lesson, Normal, shifted
from untaught.nn.optimizers import OptimizerSettings
from untaught.nn.standard import ChannelStandard, moments
from untaught.run import WeightsRecord

LEVEL = {17: 4, 33: 8, 65: 16}
"""Stride of the finer of the large network's levels that teach a patch size densely; the other's is twice as much."""


class PretrainingConfig(OptimizerSettings):
    """How a teacher is taught on photographs."""

    dense: bool = Field(default=True, description="whole crops at a time; False: patch by patch, as in the paper")
    steps: int = Field(default=400, ge=1)
    batch_size: int = Field(default=8, ge=1, description="crops or patches a step")
    knowledge: float = Field(default=1.0, ge=0, description="weight of L_k")
    matching: float = Field(default=0.0, ge=0, description="weight of L_m; patch by patch only")
    compactness: float = Field(default=0.01, ge=0, description="weight of L_c")
    vary: bool = Field(default=True, description="turn, mirror and recolour the photographs")
    decay: float = Field(default=0.4, ge=0, lt=1, description="share of the steps in which the rate falls to zero")
    hidden_rate: float = Field(default=0.02, gt=0, description="muon: learning rate of hidden convolutions")


class TrainingConfig(OptimizerSettings):
    """How the students are trained."""

    together: bool = Field(default=True, description="all students of a patch size in one stage, on the same images")
    cached: bool = Field(default=True, description="compute the teacher's descriptors once and keep them")
    steps: int | None = Field(default=600, ge=1, description="of each stage; none: `epochs`")
    epochs: int = Field(default=100, ge=1)
    batch_size: int = Field(default=1, ge=1)
    crop: int = Field(default=128, ge=0, description="side in pixels of the part of each image; 0: the whole image")
    decay: float = Field(default=0.4, ge=0, lt=1, description="share of training in which the rate falls to zero")
    hidden_rate: float = Field(default=0.02, gt=0, description="muon: learning rate of hidden convolutions")


class MapConfig(Frozen):
    """From descriptors to map and score."""

    uncertainty: float = Field(default=0.25, ge=0, description="weight of the students' uncertainty beside their error")
    sigma: float = Field(default=4.0, ge=0, description="Gaussian smoothing of the map in pixels of the input; 0: none")
    top: float = Field(default=0.005, ge=0, le=1, description="score: mean of this highest share; 0: maximum")
    foreign: float = Field(default=1.0, ge=0, description="a lower quartile above it raises the score; 0: never")


class UninformedStudentsConfig(MethodConfig):
    """Settings of uninformed students."""

    scales: tuple[Patch, ...] = Field(default=(17, 33), min_length=1, description="sides of the patches: 17, 33, 65")
    students: int = Field(default=3, ge=1, description="of each patch size")
    stride: int = Field(default=4, ge=1, description="pixels of the input between descriptors")
    centred: bool = Field(
        default=True, description="put the pixels that matter over the middle of those they stand for"
    )
    network: PatchSettings = PatchSettings()
    pretraining: PretrainingConfig = PretrainingConfig()
    training: TrainingConfig = TrainingConfig()
    map: MapConfig = MapConfig()


ADAM: Mapping[str, Any] = {"optimizer": "adam", "adam_decay": 1e-5, "betas": (0.9, 0.999), "decay": 0.0}
PAPER: Mapping[str, Any] = {
    "backbone": "resnet18.tv_in1k",
    "image_size": 256,
    "scales": (17, 33, 65),
    "stride": 1,
    "centred": False,
    "network": {"width": 1.0, "pooled": False, "init": "torch"},
    "pretraining": {
        **ADAM, "learning_rate": 2e-4, "dense": False, "steps": 50_000, "batch_size": 64, "compactness": 1.0,
        "vary": False,
    },
    "training": {
        **ADAM, "learning_rate": 1e-4, "together": False, "cached": False, "steps": None, "epochs": 100,
        "batch_size": 1, "crop": 0,
    },
    "map": {"uncertainty": 1.0, "sigma": 0.0, "top": 0.0, "foreign": 0.0},
}  # fmt: skip


class UninformedStudents(Method):
    """Students who never saw a defect disagree with their teacher, and with each other, where there is one.

    A method that was just made has teachers of random weights: the house puts the stored ones in their place
    (`pretrainings`), and `backbone` tells whether it did.

    Args:
        config: the settings.
        untrained: makes no difference: the large network is only asked for when a teacher is made.
    """

    Config: ClassVar[type[MethodConfig]] = UninformedStudentsConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"lite": {}, "paper": PAPER}
    config: UninformedStudentsConfig

    def __init__(self, config: UninformedStudentsConfig, *, untrained: bool = False) -> None:
        super().__init__(config, untrained=untrained)
        self.backbone = WeightsRecord(name="patch teachers", source="random initialisation", sha256="")
        self.patches = tuple(sorted(set(config.scales)))
        self.normal = Normal()
        self.teachers = self._by_patch(lambda patch: PatchNet(patch, config.network))
        self.teachers.requires_grad_(False)
        self.students = self._by_patch(
            lambda patch: nn.ModuleList(PatchNet(patch, config.network) for _ in range(config.students))
        )
        self.targets = self._by_patch(lambda _: ChannelStandard(config.network.descriptor, math.inf))
        self.scales = self._by_patch(lambda _: ChannelStandard(2, math.inf))
        self.smooth = Smooth(config.map.sigma / config.stride)
        if config.map.top:
            self.reduction = f"mean of the highest {config.map.top * 100:g} % of the anomaly map"
        if config.map.foreign:
            self.reduction += f"; plus what its lower quartile is above {config.map.foreign:g}"

    def _by_patch(self, make: Callable[[int], nn.Module]) -> nn.ModuleDict:
        return nn.ModuleDict({str(patch): make(patch) for patch in self.patches})

    def teacher(self, patch: int) -> PatchNet:
        """The teacher of `patch` pixels."""
        return cast("PatchNet", self.teachers[str(patch)])

    def learners(self, patch: int) -> list[PatchNet]:
        """The students of `patch` pixels."""
        return [cast("PatchNet", net) for net in cast("nn.ModuleList", self.students[str(patch)])]

    def target(self, patch: int) -> ChannelStandard:
        """Mean and deviation of the descriptors of the teacher of `patch` pixels."""
        return cast("ChannelStandard", self.targets[str(patch)])

    def scale(self, patch: int) -> ChannelStandard:
        """Mean and deviation of error and uncertainty of the students of `patch` pixels."""
        return cast("ChannelStandard", self.scales[str(patch)])

    def pretrainings(self) -> list[Pretraining]:
        """One for each patch size."""
        config = self.config.pretraining
        return [
            Pretraining(
                name=f"patch{patch}",
                module=self.teacher(patch),
                begin=partial(self.lesson, patch),
                loss=self.teach,
                optimizer=config.build,
                settings={
                    "patch": patch,
                    "stride": self.config.stride if config.dense else None,
                    "backbone": self.config.backbone,
                    "weights": self.config.weights,
                    "network": self.config.network.model_dump(),
                    "pretraining": config.model_dump(exclude={"steps"}),
                },
                steps=config.steps,
                batch_size=config.batch_size,
                crop=self._crop(patch),
                sides=(4 * patch, 16 * patch),
                vary=config.vary,
                decay=config.decay,
                mixed=config.dense,
            )
            for patch in self.patches
        ]

    def _crop(self, patch: int) -> int:
        """Side of the crops a teacher learns from: the patch, room to shift it, or room for many of it."""
        if self.config.pretraining.dense:
            return 128
        return patch + (2 * ((patch - 1) // 4) if self.config.pretraining.matching else 0)

    def lesson(self, patch: int) -> Lesson:
        """A new teacher of `patch` pixels, with all that it is taught by.

        Raises:
            WeightsError: the large network's weights cannot be had.
        """
        dense = self.config.pretraining.dense
        strides = (LEVEL[patch], 2 * LEVEL[patch]) if dense else (32,)
        backbone = Teacher(self.config.backbone, strides, self.config.weights)
        return Lesson(PatchNet(patch, self.config.network), backbone, dense=dense, stride=self.config.stride)

    def teach(self, lesson: Lesson, image: Float[Tensor, "b 3 s s"]) -> dict[str, Tensor]:
        """L = weighted L_k + L_m + L_c of a teacher that is being taught, and its parts."""
        config, patch = self.config.pretraining, lesson.teacher.patch
        losses = {}
        if config.matching and not config.dense:
            image, moved = shifted(image, patch)
            copy = lesson.teacher(lesson.normal(moved)).flatten(1)
        taught = lesson(image)
        losses["knowledge"] = knowledge_loss(taught.decoded, taught.target)
        losses["compactness"] = compactness_loss(taught.descriptor)
        total = config.knowledge * losses["knowledge"] + config.compactness * losses["compactness"]
        if config.matching and not config.dense:
            losses["matching"] = matching_loss(taught.descriptor, copy, taught.descriptor.roll(1, dims=0))
            total = total + config.matching * losses["matching"]
        return {"teaching": total, **losses}

    def stages(self) -> list[Stage]:
        """One for each patch size, or for each student, in which students learn what the teacher says."""
        config, every = self.config.training, range(self.config.students)
        groups = [tuple(every)] if config.together else [(number,) for number in every]
        return [
            Stage(
                name=f"students-{patch}" if config.together else f"student-{patch}-{members[0]}",
                parameters=[item for number in members for item in self.learners(patch)[number].parameters()],
                loss=partial(self.loss, patch, members),
                optimizer=config.build,
                epochs=config.epochs,
                steps=config.steps,
                batch_size=config.batch_size,
                frozen=partial(self.frozen, patch) if config.cached else None,
                image=True,
                decay=config.decay,
                mixed=config.cached,
            )
            for patch in self.patches
            for members in groups
        ]

    def frozen(self, patch: int, image: Float[Tensor, "b 3 h w"]) -> dict[str, Tensor]:
        """The teacher's descriptors on the grid."""
        return {str(patch): self.describe(self.teacher(patch), image)}

    def describe(self, net: PatchNet, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c _ _"]:
        """What a network of this build says of each position of the grid."""
        return describe(net, self.normal(image), self.config.stride, self.config.centred)

    def _continued(self, patch: int, image: Tensor) -> Tensor:
        size = (image.shape[-2], image.shape[-1])
        return mirror(self.normal(image), *frame(self.teacher(patch), size, self.config.stride, self.config.centred))

    def loss(self, patch: int, members: Sequence[int], batch: Batch) -> dict[str, Tensor]:
        """Squared distance from the teacher's standardised descriptor, mean over positions, sum over students."""
        assert batch.image is not None
        with torch.no_grad():
            described = batch.frozen.get(str(patch))
            if described is None:
                described = self.describe(self.teacher(patch), batch.image)
            target = self.target(patch)(described.float())
            image, target = self._part(patch, self._continued(patch, batch.image), target)
        rows, columns = target.shape[-2:]
        students = self.learners(patch)
        said = [students[number](image, self.config.stride)[..., :rows, :columns].float() for number in members]
        return {"regression": torch.stack([(one - target).square().sum(dim=1).mean() for one in said]).sum()}

    def _part(self, patch: int, image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """A random part of the continued images and of their targets, the same for all of a batch."""
        stride, side = self.config.stride, self.config.training.crop // self.config.stride
        rows, columns = target.shape[-2:]
        if side == 0 or side >= min(rows, columns):
            return image, target
        y, x = (int(torch.randint(0, room - side + 1, ())) for room in (rows, columns))
        reach = (side - 1) * stride + self.teacher(patch).field
        part = image[..., y * stride : y * stride + reach, x * stride : x * stride + reach]
        return part, target[..., y : y + side, x : x + side]

    @torch.no_grad()
    def prepare(self, stage: Stage, batches: Iterable[Batch], reduce: Reduce) -> None:
        """Mean and deviation of each channel of the teacher's descriptors over the training images."""
        _, name, *member = stage.name.split("-")
        if member not in ([], ["0"]):
            return  # the first student's stage has done it
        patch, target = int(name), self.target(int(name))
        total = torch.zeros(3, self.config.network.descriptor, dtype=torch.float64)
        for batch in batches:
            assert batch.image is not None
            for number, image in enumerate(torch.split(batch.image, 1)):
                described = batch.frozen or self.frozen(patch, image.to(target.mean))
                total += moments(described[name][number if batch.frozen else 0][None]).cpu()
        target.take(reduce(total.to(target.mean.device)))

    @torch.no_grad()
    def settle(self, batches: Iterable[Batch], reduce: Reduce) -> None:
        """Mean and deviation of error and uncertainty over all pixels of held-out good images."""
        totals = {patch: torch.zeros(3, 2, dtype=torch.float64) for patch in self.patches}
        for batch in batches:
            assert batch.image is not None
            for image in torch.split(batch.image, 1):
                for patch in self.patches:
                    totals[patch] += moments(self.parts(patch, image.to(self.normal.mean))).cpu()
        for patch, total in totals.items():
            self.scale(patch).take(reduce(total.to(self.normal.mean.device)))

    def parts(self, patch: int, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 2 _ _"]:
        """Error and uncertainty of one patch size on the grid, raw."""
        target = self.target(patch)(self.describe(self.teacher(patch), image))
        said = torch.stack([self.describe(net, image) for net in self.learners(patch)], dim=1)
        return torch.stack([regression_error(said, target), disagreement(said)], dim=1)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b h w"], Float[Tensor, " b"]]:
        """Anomaly map and score of RGB images in 0..1."""
        parts = [self.scale(patch)(self.parts(patch, image)) for patch in self.patches]
        return self.combine(parts, image, self.config.map.uncertainty)

    def combine(
        self, parts: Sequence[Float[Tensor, "b 2 _ _"]], image: Float[Tensor, "b 3 h w"], uncertainty: float
    ) -> tuple[Float[Tensor, "b h w"], Float[Tensor, " b"]]:
        """Map and score from the standardised error and uncertainty of some patch sizes; `uncertainty` weighs it."""
        sums = [part[:, 0] + uncertainty * part[:, 1] for part in parts]
        map_ = self.smooth(torch.stack(sums).mean(dim=0))
        score = top_mean(map_, self.config.map.top) if self.config.map.top else maximum(map_)
        if self.config.map.foreign:
            score = score + (quartile(map_) - self.config.map.foreign).clamp_min(0)
        return self.enlarge(map_, image), score

    def enlarge(self, map_: Float[Tensor, "b _ _"], image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b h w"]:
        """The map on the grid at the size of the image."""
        stride = self.config.stride
        if stride == 1:
            return map_
        size = (map_.shape[-2] * stride, map_.shape[-1] * stride)
        return upsample(map_, size, align_corners=False)[:, : image.shape[-2], : image.shape[-1]]
