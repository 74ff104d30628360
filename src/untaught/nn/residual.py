"""The student of AST (Rudolph et al., WACV 2023): a plain residual network that keeps the size."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class NormalisedBlock(nn.Module):
    """Twice convolution, batch normalisation and leaky ReLU; the input is added afterwards, and nothing follows."""

    def __init__(self, width: int, slope: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(width)
        self.act = nn.LeakyReLU(slope)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Keeps the shape."""
        inner = self.act(self.bn1(self.conv1(features)))
        result: Tensor = self.act(self.bn2(self.conv2(inner))) + features
        return result


class ResidualStudent(nn.Module):
    """A convolution in, residual blocks, a convolution out, all 3x3 with zeros beyond the border.

    Args:
        c_in: channels of the input.
        c_out: channels of the result.
        width: channels in between.
        blocks: how many residual blocks.
        slope: of the leaky ReLUs on their negative side.
    """

    def __init__(self, c_in: int, c_out: int, width: int, blocks: int, slope: float) -> None:
        super().__init__()
        self.open = nn.Conv2d(c_in, width, 3, padding=1)
        self.act = nn.LeakyReLU(slope)
        self.blocks = nn.ModuleList(NormalisedBlock(width, slope) for _ in range(blocks))
        self.head = nn.Conv2d(width, c_out, 3, padding=1)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """(b, c_in, h, w) -> (b, c_out, h, w)."""
        inner = self.act(self.open(features))
        for block in self.blocks:
            inner = block(inner)
        result: Tensor = self.head(inner)
        return result
