"""Normalising flows over feature maps: affine coupling blocks with exact log-determinants.

Coupling as in GLOW (Kingma & Dhariwal, NeurIPS 2018), conditioned on a positional code as in AST (Rudolph et al.,
WACV 2023). Exponentials, latents and log-determinants are fp32 (or the input's fp64) whatever the convolutions use.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

SLOPE = 0.636


def soft_clamp(scale: Tensor, alpha: float) -> Tensor:
    """Log-scales within about -alpha..alpha, with slope `SLOPE` at 0."""
    return alpha * SLOPE * torch.atan(scale / alpha)


def exact(tensor: Tensor) -> Tensor:
    """The tensor in no less than fp32."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


class Subnet(nn.Module):
    """Log-scale and shift of one half from the other: two convolutions, and one factor that starts at 0.

    Args:
        c_in: channels of the half that is known, and of the condition.
        c_out: channels of the half that is changed.
        width: channels between the convolutions.
        kernel: of both convolutions; borders are replicated.
    """

    def __init__(self, c_in: int, c_out: int, width: int, kernel: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, width, kernel, padding=kernel // 2, padding_mode="replicate")
        self.act = nn.ReLU()
        self.conv2 = nn.Conv2d(width, 2 * c_out, kernel, padding=kernel // 2, padding_mode="replicate")
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, known: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Log-scale (before its clamp) and shift."""
        inner = self.act(self.conv1(torch.cat([known, condition], dim=1)))
        scale, shift = (self.gamma * exact(self.conv2(inner))).chunk(2, dim=1)
        return scale, shift


class Coupling(nn.Module):
    """A fixed permutation of the channels, then both halves changed in turn, each by what the other one says.

    Args:
        channels: of the feature map; odd ones give the second half one channel more.
        condition: channels of the condition.
        width: channels within the subnets.
        kernel: of the subnets' convolutions.
        alpha: bound of the log-scales.
        seed: of the permutation.
    """

    permutation: Tensor
    inverse_permutation: Tensor

    def __init__(self, channels: int, condition: int, width: int, kernel: int, alpha: float, seed: int) -> None:
        super().__init__()
        self.sizes = [channels // 2, channels - channels // 2]
        self.alpha = alpha
        first, second = self.sizes
        self.net1 = Subnet(first + condition, second, width, kernel)
        self.net2 = Subnet(second + condition, first, width, kernel)
        permutation = torch.from_numpy(np.random.RandomState(seed).permutation(channels))
        self.register_buffer("permutation", permutation)
        self.register_buffer("inverse_permutation", permutation.argsort())

    def forward(self, features: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Latents, and the log-determinant of each position."""
        x1, x2 = torch.split(exact(features)[:, self.permutation], self.sizes, dim=1)
        s2, t2 = self.net2(x2, condition)
        s2 = soft_clamp(s2, self.alpha)
        y1 = s2.exp() * x1 + t2
        s1, t1 = self.net1(y1, condition)
        s1 = soft_clamp(s1, self.alpha)
        y2 = s1.exp() * x2 + t1
        return torch.cat([y1, y2], dim=1), s1.sum(dim=1) + s2.sum(dim=1)

    def inverse(self, latent: Tensor, condition: Tensor) -> Tensor:
        """The features that `forward` turns into `latent`."""
        y1, y2 = torch.split(exact(latent), self.sizes, dim=1)
        s1, t1 = self.net1(y1, condition)
        x2 = (y2 - t1) * (-soft_clamp(s1, self.alpha)).exp()
        s2, t2 = self.net2(x2, condition)
        x1 = (y1 - t2) * (-soft_clamp(s2, self.alpha)).exp()
        return torch.cat([x1, x2], dim=1)[:, self.inverse_permutation]


class ConditionalFlow(nn.Module):
    """Coupling blocks one after another; before training it is a permutation of the channels and nothing else.

    Args:
        channels: of the feature map.
        condition: channels of the condition, given to every subnet.
        width: channels within the subnets.
        kernels: of the subnets' convolutions, one a block.
        alpha: bound of the log-scales of a block.
    """

    def __init__(self, channels: int, condition: int, width: int, kernels: Sequence[int], alpha: float) -> None:
        super().__init__()
        blocks = [Coupling(channels, condition, width, kernel, alpha, seed) for seed, kernel in enumerate(kernels)]
        self.blocks = nn.ModuleList(blocks)

    def forward(
        self, features: Float[Tensor, "b c h w"], condition: Float[Tensor, "b d h w"]
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Latents, and a map whose sum over positions is the log-determinant of the whole transformation.

        A single position of that map is no determinant by itself: the convolutions couple neighbours.
        """
        log_det = exact(features)[:, 0] * 0
        for block in self.blocks:
            features, change = block(features, condition)
            log_det = log_det + change
        return features, log_det

    def inverse(
        self, latent: Float[Tensor, "b c h w"], condition: Float[Tensor, "b d h w"]
    ) -> Float[Tensor, "b c h w"]:
        """The features of latents."""
        for number in reversed(range(len(self.blocks))):
            block = self.blocks[number]
            assert isinstance(block, Coupling)
            latent = block.inverse(latent, condition)
        return latent
