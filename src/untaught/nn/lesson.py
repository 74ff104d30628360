"""How a patch network is taught by a large one: what each of them says of the same photographs.

Bergmann et al., CVPR 2020, section 3.1: the large network looks at one patch at a time. The dense form is this
house's: one pass of the large network over a crop teaches hundreds of overlapping patches at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from untaught.nn.backbones import Teacher
from untaught.nn.dense import PatchNet

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
ZOOM = 2


class Normal(nn.Module):
    """RGB in 0..1 with the mean and deviation of ImageNet taken off."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """The image as patch networks want it."""
        return (image - self.mean) / self.deviation


@dataclass(frozen=True, slots=True)
class Taught:
    """What was said of `n` patches: by the teacher, by its decoder, and by the large network that is to be matched."""

    descriptor: Float[Tensor, "n c"]
    decoded: Float[Tensor, "n k"]
    target: Float[Tensor, "n k"]


class Lesson(nn.Module):
    """A patch network on its way to become a teacher, its decoder, and the frozen network both learn from.

    Args:
        teacher: the patch network.
        backbone: the large network.
        dense: False: each image is one patch, the target the mean over the deepest level. True: each image is a crop
            of many patches, the target the large network's levels on the enlarged crop at the patches' middles, each
            channel with mean 0 and deviation 1 over all crops so far.
        stride: dense: pixels between patches.
    """

    def __init__(self, teacher: PatchNet, backbone: Teacher, *, dense: bool, stride: int = 4) -> None:
        super().__init__()
        self.dense, self.stride = dense, stride
        self.teacher, self.backbone, self.record = teacher, backbone, backbone.record
        self.normal = Normal()
        taught = sum(backbone.channels) if dense else backbone.channels[-1]
        last = teacher.plan[-1]
        assert last is not None
        self.decoder = nn.Linear(last[1], taught)
        self.standard = nn.BatchNorm1d(taught, affine=False, momentum=None)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Taught:
        """What all sides say of the patches in `image`, RGB in 0..1."""
        features = self.teacher(self.normal(image), self.stride if self.dense else None)
        descriptor = features.permute(0, 2, 3, 1).flatten(0, 2)
        with torch.no_grad():
            target = self._target(image, (features.shape[-2], features.shape[-1]))
        return Taught(descriptor, self.decoder(descriptor), target)

    def _target(self, image: Tensor, grid: tuple[int, int]) -> Float[Tensor, "n k"]:
        if not self.dense:
            deepest: Tensor = self.backbone(image)[-1]
            return deepest.float().mean(dim=(2, 3))
        large = F.interpolate(image, scale_factor=ZOOM, mode="bilinear", align_corners=False)
        places = self._middles(image, grid)
        levels = [
            F.grid_sample(level.float(), places, mode="bilinear", padding_mode="border", align_corners=False)
            for level in self.backbone(large)
        ]
        values = torch.cat(levels, dim=1).permute(0, 2, 3, 1).flatten(0, 2)
        self.standard(values)  # for its running statistics, which change less from batch to batch
        return F.batch_norm(values, self.standard.running_mean, self.standard.running_var)

    def _middles(self, image: Tensor, grid: tuple[int, int]) -> Float[Tensor, "b _ _ 2"]:
        """Where the patches' middles lie in the image, each side from -1 to 1."""
        sides = zip(grid, image.shape[-2:], strict=True)
        rows, columns = (
            2 * (self.stride * torch.arange(count, device=image.device) + self.teacher.field / 2) / side - 1
            for count, side in sides
        )
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        return torch.stack([x, y], dim=-1).expand(len(image), -1, -1, -1)


def shifted(
    image: Float[Tensor, "b 3 h w"], patch: int, noise: float = 0.1
) -> tuple[Float[Tensor, "b 3 p p"], Float[Tensor, "b 3 p p"]]:
    """The patch in the middle of each image, and the same moved by as far as the image allows, with noise added."""
    room = image.shape[-1] - patch
    middle = image[..., room // 2 : room // 2 + patch, room // 2 : room // 2 + patch]
    moves = torch.randint(0, room + 1, (len(image), 2)).tolist()
    moved = torch.stack([one[:, y : y + patch, x : x + patch] for one, (y, x) in zip(image, moves, strict=True)])
    return middle, moved + noise * torch.randn_like(moved)
