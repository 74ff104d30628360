"""The multi-perception segmentation head of DMDD (arXiv 2408.03888): several anomaly maps in, one out.

The abstract names a head that fuses anomaly maps by multiple attention; its layers are a reconstruction. Three gates
look at the same features: which map matters, where to look, and how large things are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from untaught.nn.attention import ChannelAttention, SpatialAttention
from untaught.nn.blocks import BasicBlock, conv


class ScaleAttention(nn.Module):
    """How large things are: a gate in 0..1 for each channel and position, from convolutions of several reaches.

    Args:
        channels: channels of the features.
        dilations: of the convolutions, each to half the channels.
    """

    def __init__(self, channels: int, dilations: Sequence[int]) -> None:
        super().__init__()
        half = channels // 2
        self.looks = nn.ModuleList(nn.Conv2d(channels, half, 3, padding=d, dilation=d) for d in dilations)
        self.join = nn.Conv2d(len(dilations) * half, channels, 1)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Features times their gates."""
        seen = torch.cat([look(features) for look in self.looks], dim=1)
        result: Tensor = features * torch.sigmoid(self.join(seen))
        return result


class SegmentationHead(nn.Module):
    """Stem, three gates side by side, fusion beside the stem's features, and one logit a position.

    Args:
        maps: channels that come in.
        width: channels inside, a multiple of 8.
        dilations: see `ScaleAttention`.
    """

    def __init__(self, maps: int, width: int = 64, dilations: Sequence[int] = (1, 6, 12)) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_relu(maps, width, 3), BasicBlock(width, width))
        self.gates = nn.ModuleList([ChannelAttention(width), SpatialAttention(), ScaleAttention(width, dilations)])
        self.fuse = nn.Sequential(*conv_relu(len(self.gates) * width, width, 1))
        self.head = nn.Sequential(*conv_relu(width, width, 3), nn.Conv2d(width, 1, 1))

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
        """Logits: above 0 a position rather belongs to a defect."""
        features = self.stem(maps)
        seen = torch.cat([gate(features) for gate in self.gates], dim=1)
        logits: Tensor = self.head(features + self.fuse(seen))
        return logits


def conv_relu(c_in: int, c_out: int, kernel: int) -> tuple[nn.Module, ...]:
    """Convolution, batch normalisation, ReLU."""
    return conv(c_in, c_out, kernel), nn.BatchNorm2d(c_out), nn.ReLU()
