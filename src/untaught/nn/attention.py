"""Attention gates of CBAM (Woo et al., ECCV 2018), which several methods build on."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ChannelAttention(nn.Module):
    """Which channels matter: a gate in 0..1 for each channel, from its mean and its maximum.

    Args:
        channels: channels of the features.
        reduction: by how much the shared hidden layer is narrower. No biases: 2 channels^2 / reduction parameters.
    """

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.shared = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False), nn.ReLU(), nn.Conv2d(hidden, channels, 1, bias=False)
        )

    def gate(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 1 1"]:
        """The gates."""
        average, highest = features.mean(dim=(2, 3), keepdim=True), features.amax(dim=(2, 3), keepdim=True)
        return torch.sigmoid(self.shared(average) + self.shared(highest))

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Features times their gates."""
        return features * self.gate(features)


class SpatialAttention(nn.Module):
    """Where to look: a gate in 0..1 for each position, from the mean and the maximum of its channels.

    Args:
        kernel: side of the convolution, odd. No bias: 2 kernel^2 parameters.
    """

    def __init__(self, kernel: int = 7) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)

    def gate(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
        """The gates."""
        seen = torch.cat([features.mean(dim=1, keepdim=True), features.amax(dim=1, keepdim=True)], dim=1)
        return torch.sigmoid(self.conv(seen))

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Features times their gates."""
        return features * self.gate(features)


def attention(kind: Literal["channel", "spatial", "both"], channels: int, reduction: int = 8) -> nn.Module:
    """The gates of a feature map: of its channels, of its positions, or of its channels and then of its positions."""
    gates: dict[str, tuple[nn.Module, ...]] = {
        "channel": (ChannelAttention(channels, reduction),),
        "spatial": (SpatialAttention(),),
        "both": (ChannelAttention(channels, reduction), SpatialAttention()),
    }
    return nn.Sequential(*gates[kind])
