"""Multi-scale fusion and the one-class embedding of RD4AD (Deng & Li, CVPR 2022, section 3.2).

The paper's text closes the fusion with a 1x1 convolution; its code builds one and never calls it. It is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from untaught.nn.blocks import Form, conv, init_kaiming


class Fusion(nn.Module):
    """Brings all levels to the size and channels of the deepest one and joins them (MFF).

    A level is halved by 3x3 convolutions with batch normalisation and ReLU, each to the next level's channels.

    Args:
        channels: channels of the levels, finest first; each level has half the size of the one before.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.channels = len(channels) * channels[-1]
        self.paths = nn.ModuleList(
            nn.Sequential(*(layer for pair in pairwise(channels[level:]) for layer in halve(*pair)))
            for level in range(len(channels))
        )
        init_kaiming(self)

    def forward(self, features: Sequence[Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b c h w"]:
        """Levels, finest first, -> (b, levels * channels of the deepest, h, w) at the size of the deepest."""
        return torch.cat([path(level) for path, level in zip(self.paths, features, strict=True)], dim=1)


class OneClassEmbedding(nn.Module):
    """A residual stage that squeezes the fused features to half their size and `c_out` channels (OCE)."""

    def __init__(self, c_in: int, c_out: int, form: Form) -> None:
        super().__init__()
        self.channels = c_out
        self.blocks = form.stage(c_in, c_out, form.embedding, "down")
        init_kaiming(self)

    def forward(self, fused: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d _ _"]:
        """(b, c, h, w) -> (b, d, h / 2, w / 2)."""
        embedding: Tensor = self.blocks(fused)
        return embedding


def halve(c_in: int, c_out: int) -> tuple[nn.Module, ...]:
    """The layers that halve the size."""
    return conv(c_in, c_out, 3, 2), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)
