"""Residual blocks that keep, halve or double the size of a feature map.

The halving blocks are those of ResNet ("Deep Residual Learning for Image Recognition", 2015; stride on the 3x3
convolution); the doubling ones are their mirror images in RD4AD (Deng & Li, CVPR 2022), where the convolution that
changes the size is a transposed one with kernel 2 and stride 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

Step = Literal["same", "down", "up"]


def conv(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the size but for its stride."""
    return nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)


def upconv(c_in: int, c_out: int) -> nn.ConvTranspose2d:
    """A transposed convolution that doubles the size; its windows do not overlap."""
    return nn.ConvTranspose2d(c_in, c_out, 2, 2, bias=False)


def spatial(c_in: int, c_out: int, step: Step) -> nn.Module:
    """The convolution of a block that looks at neighbours and changes the size."""
    return upconv(c_in, c_out) if step == "up" else conv(c_in, c_out, 3, 2 if step == "down" else 1)


def shortcut(c_in: int, c_out: int, step: Step) -> nn.Module:
    """What is added to a block's result: its input, brought to the result's shape."""
    if step == "same":
        return nn.Identity()
    return nn.Sequential(upconv(c_in, c_out) if step == "up" else conv(c_in, c_out, 1, 2), nn.BatchNorm2d(c_out))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the first one changes the size."""

    def __init__(self, c_in: int, c_out: int, step: Step = "same") -> None:
        super().__init__()
        self.conv1 = spatial(c_in, c_out, step)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = conv(c_out, c_out, 3)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = shortcut(c_in, c_out, step)
        self.end: nn.Module = nn.ReLU(inplace=True)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b _ _ _"]:
        """(b, c_in, h, w) -> (b, c_out, h', w')."""
        inner = self.relu(self.bn1(self.conv1(features)))
        inner = self.bn2(self.conv2(inner))
        result: Tensor = self.end(inner + self.shortcut(features))
        return result


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution beside a shortcut; the middle one works on `width` channels and changes the size."""

    def __init__(self, c_in: int, c_out: int, width: int, step: Step = "same") -> None:
        super().__init__()
        self.conv1 = conv(c_in, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = spatial(width, width, step)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv(width, c_out, 1)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = shortcut(c_in, c_out, step)
        self.end: nn.Module = nn.ReLU(inplace=True)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b _ _ _"]:
        """(b, c_in, h, w) -> (b, c_out, h', w')."""
        inner = self.relu(self.bn1(self.conv1(features)))
        inner = self.relu(self.bn2(self.conv2(inner)))
        inner = self.bn3(self.conv3(inner))
        result: Tensor = self.end(inner + self.shortcut(features))
        return result


@dataclass(frozen=True, slots=True)
class Form:
    """The build of a residual network, as far as its mirror image needs it.

    `base_width` widens the middle of bottleneck blocks (64: a quarter of their output); 0 stands for basic blocks.
    `depths` counts the blocks of the decoder's stages, deepest first; `embedding` those of the one-class embedding.
    `rectified` says that its features are never negative: then the decoder's are not either.
    """

    base_width: int = 0
    depths: tuple[int, ...] = (2, 2, 2)
    embedding: int = 2
    rectified: bool = True

    def block(self, c_in: int, c_out: int, step: Step = "same") -> BasicBlock | Bottleneck:
        """One block of this build."""
        if self.base_width:
            return Bottleneck(c_in, c_out, c_out // 4 * self.base_width // 64, step)
        return BasicBlock(c_in, c_out, step)

    def stage(self, c_in: int, c_out: int, depth: int, step: Step) -> nn.Sequential:
        """`depth` blocks in a row; the first one changes size and channels."""
        first = self.block(c_in, c_out, step)
        return nn.Sequential(first, *(self.block(c_out, c_out) for _ in range(depth - 1)))


FORMS = {
    "resnet18": Form(),
    "resnet34": Form(depths=(3, 4, 6), embedding=3),
    "resnet50": Form(64, (3, 4, 6), 3),
    "resnet101": Form(64, (3, 4, 23), 3),
    "resnet152": Form(64, (3, 8, 36), 3),
    "wide_resnet50_2": Form(128, (3, 4, 6), 3),
    "wide_resnet101_2": Form(128, (3, 4, 23), 3),
}


def form_of(backbone: str) -> Form:
    """The build of a backbone: its own for ResNets, two basic blocks a stage and features of either sign for others."""
    return FORMS.get(backbone.partition(".")[0], Form(rectified=False))


def init_kaiming(module: nn.Module) -> None:
    """Kaiming normal (fan out, ReLU) for convolutions; batch normalisation starts as the identity.

    Transposed convolutions keep torch's default, as in the paper's code.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)
