"""Patch networks that see p x p pixels, applied to one patch or to a whole image, with the same weights.

Bergmann et al., CVPR 2020 (section 3.1 and its supplement) give the patch networks; Bailer et al., "Fast dense feature
extraction with CNNs that have pooling layers", BMVC 2017, how one pass gives the descriptor of every pixel. Their
multi-pooling is the same as dilation: a pooling that loses its stride doubles the dilation of all that follows.

Between the two lies every grid: pooling keeps its stride until the grid asked for is reached, and dilates from there.
A grid of 4 px costs a tenth of the dense one.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from untaught.config import Frozen

Patch = Literal[17, 33, 65]
Plan = tuple[tuple[int, int] | None, ...]

SLOPE = 0.005
POOL = None

PLANS: dict[int, Plan] = {
    17: ((6, 128), (5, 256), (5, 256), (4, 128)),
    33: ((5, 128), POOL, (5, 256), POOL, (2, 256), (4, 128)),
    65: ((5, 128), POOL, (5, 128), POOL, (5, 128), POOL, (4, 256), (1, 128)),
}
"""Kernel and channels of each convolution by patch size, with 2 x 2 poolings between."""

POOLED_17: Plan = ((4, 128), POOL, (4, 256), (4, 128))
"""17 px with a pooling: a grid of 4 px costs a twentieth of what it does without."""


class PatchSettings(Frozen):
    """The size of the patch networks. Defaults are those of the `lite` presets."""

    width: float = Field(default=0.375, gt=0, le=4, description="hidden channels as a share of the paper's")
    descriptor: int = Field(default=128, ge=1, description="channels of a descriptor")
    pooled: bool = Field(default=True, description="a pooling for 17 px too, which the paper's has not")
    init: Literal["he", "torch"] = Field(default="he", description="`torch`: the framework's own initialisation")

    def plan(self, patch: int) -> Plan:
        """Kernels and channels of the network of `patch` pixels."""
        plan = POOLED_17 if self.pooled and patch == 17 else PLANS[patch]
        *inner, last = plan
        scaled = [POOL if item is POOL else (item[0], max(1, round(self.width * item[1]))) for item in inner]
        assert last is not POOL
        return (*scaled, (last[0], self.descriptor))


class PatchNet(nn.Module):
    """Valid convolutions, leaky ReLU (slope 0.005) behind all but the last, no normalisation.

    Args:
        patch: pixels of the side it looks at: 17, 33 or 65. Poolings that do not divide evenly drop the last rows and
            columns, so that 32 of 33 and 60 of 65 matter: `field`.
        settings: its size.
    """

    def __init__(self, patch: int, settings: PatchSettings) -> None:
        super().__init__()
        self.patch, self.plan = patch, settings.plan(patch)
        channels, convs = 3, []
        for item in self.plan:
            if item is not POOL:
                convs.append(nn.Conv2d(channels, item[1], item[0]))
                channels = item[1]
        self.convs = nn.ModuleList(convs)
        self.field = receptive_field(self.plan)
        self.natural = 2 ** sum(item is POOL for item in self.plan)
        if settings.init == "he":
            for conv in convs:
                nn.init.kaiming_normal_(conv.weight, a=SLOPE)
                assert conv.bias is not None
                nn.init.zeros_(conv.bias)

    def forward(self, image: Float[Tensor, "b 3 h w"], stride: int | None = None) -> Float[Tensor, "b c _ _"]:
        """Descriptors of the windows that begin at every `stride`-th pixel of a normalised, padded image.

        `stride` 1 is the dense form; without it all poolings keep their stride, and a patch gives one descriptor.
        """
        wanted = self.natural if stride is None else stride
        step, dilation, features = 1, 1, image
        convs = [cast("nn.Conv2d", conv) for conv in self.convs]
        for item in self.plan:
            if item is POOL and step < wanted:
                features, step = F.max_pool2d(features, 2, 2), 2 * step
            elif item is POOL:
                features, dilation = F.max_pool2d(features, 2, 1, dilation=dilation), 2 * dilation
            else:
                conv = convs.pop(0)
                last = max(1, wanted // step) if not convs else 1
                features = F.conv2d(features, conv.weight, conv.bias, stride=last, dilation=dilation)
                features = F.leaky_relu(features, SLOPE) if convs else features
        return features


def receptive_field(plan: Plan) -> int:
    """Pixels of the side that one descriptor depends on."""
    field, step = 1, 1
    for item in plan:
        kernel = 2 if item is POOL else item[0]
        field += (kernel - 1) * step
        step *= 2 if item is POOL else 1
    return field


def grid_size(size: int, stride: int) -> int:
    """How many windows begin at every `stride`-th of `size` pixels."""
    return -(-size // stride)


def mirror(image: Float[Tensor, "b c h w"], before: int, after: int) -> Float[Tensor, "b c _ _"]:
    """The image continued by its mirror image on all four sides, the border itself not repeated, however far."""
    for dim in (2, 3):
        size = image.shape[dim]
        image = image.index_select(dim, _mirrored(size, before, after).to(image.device))
    return image


def _mirrored(size: int, before: int, after: int) -> Int[Tensor, " n"]:
    if size == 1:
        return torch.zeros(before + 1 + after, dtype=torch.long)
    position = torch.arange(-before, size + after) % (2 * size - 2)
    return torch.minimum(position, 2 * size - 2 - position)


def frame(net: PatchNet, size: tuple[int, int], stride: int, centred: bool) -> tuple[int, int]:
    """Pixels to continue an image of `size` (height, width) by, before and after, for a descriptor every `stride`.

    `centred` puts the window that matters over the middle of its `stride` x `stride` pixels; otherwise the whole patch
    is put over its first pixel, as the paper draws it.
    """
    before = (net.field - stride) // 2 if centred else (net.patch - 1) // 2
    over = max(grid_size(side, stride) * stride - side for side in size)
    return before, max(net.patch - 1 if not centred else net.field - stride, 0) - before + over


def describe(
    net: PatchNet, image: Float[Tensor, "b 3 h w"], stride: int = 1, centred: bool = False
) -> Float[Tensor, "b c _ _"]:
    """One descriptor for every `stride` x `stride` pixels of a normalised image: (b, c, h / stride, w / stride)."""
    height, width = image.shape[-2:]
    padded = mirror(image, *frame(net, (height, width), stride, centred))
    features: Tensor = net(padded, stride)
    return features[..., : grid_size(height, stride), : grid_size(width, stride)]
