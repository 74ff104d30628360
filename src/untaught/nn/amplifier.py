"""Residual anomaly amplification (AAND): what is anomalous in the teacher's features is made more so.

Tang, Zhou, Li, Dong, Wang, "Advancing Pre-trained Teacher: Towards Robust Feature Discrepancy for Anomaly Detection",
arXiv 2405.02068. To the features of a level a residual is added: gate times value. The gate says where something is
anomalous, from a memory of normal and abnormal items; the value says how far each channel is raised or lowered there.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from untaught.nn.positions import PositionalCode

WIDEST = 1024


def projection(channels: int) -> nn.Sequential:
    """Three 1x1 convolutions over a hidden width of twice the channels, at most 1024, and back."""
    hidden = min(2 * channels, WIDEST)
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 1), nn.ReLU(inplace=True),
        nn.Conv2d(hidden, hidden, 1), nn.ReLU(inplace=True),
        nn.Conv2d(hidden, channels, 1),
    )  # fmt: skip


class ResidualGate(nn.Module):
    """Matching-guided residual gate: the share of a position's attention that abnormal memory items draw.

    Args:
        channels: of the features; a multiple of 4.
        size: height and width of the usual grid; others work too.
        items: normal memory items, and as many abnormal ones behind them. Their roles arise from the loss alone.
        temperature: of the softmax over all items; a cosine is divided by it.
    """

    def __init__(self, channels: int, size: tuple[int, int], items: int = 50, temperature: float = 0.2) -> None:
        super().__init__()
        self.items, self.temperature = items, temperature
        self.code = PositionalCode(channels, size)
        self.project = projection(channels)
        self.memory = nn.Parameter(torch.randn(1, 2 * items, channels))

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b h w"]:
        """The gate of each position, within 0..1; cosines in fp32, also where the projection is computed in less."""
        query = F.normalize(self.project(features + self.code(features)).float(), dim=1)
        memory = F.normalize(self.memory[0].float(), dim=1)
        with torch.autocast(features.device.type, enabled=False):
            cosine = torch.einsum("bchw,kc->bkhw", query, memory)
        attention = torch.softmax(cosine / self.temperature, dim=1)
        return attention[:, self.items :].sum(dim=1)


class ResidualGenerator(nn.Module):
    """Attribute-scaling residual generator: each channel times a factor within -1..1, told by all channels.

    Args:
        channels: of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = projection(channels)

    def forward(
        self, features: Float[Tensor, "b c h w"], origin: Float[Tensor, "c 1 1"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        """The value that a fully open gate adds; scaled is the distance from `origin`, by default from 0."""
        factor: Tensor = torch.tanh(self.project(features).float())
        return factor * (features if origin is None else features - origin)


class Amplifier(nn.Module):
    """Gate and generator of each level.

    Args:
        channels: of the levels.
        sizes: height and width of each level's usual grid.
        items: see `ResidualGate`.
        temperature: see `ResidualGate`.
    """

    def __init__(
        self, channels: Sequence[int], sizes: Sequence[tuple[int, int]], items: int = 50, temperature: float = 0.2
    ) -> None:
        super().__init__()
        self.gates = nn.ModuleList(
            ResidualGate(count, size, items, temperature) for count, size in zip(channels, sizes, strict=True)
        )
        self.generators = nn.ModuleList(ResidualGenerator(count) for count in channels)

    def gate(self, features: Sequence[Float[Tensor, "b _ _ _"]]) -> list[Float[Tensor, "b _ _"]]:
        """The soft gate of each level."""
        return [gate(level) for gate, level in zip(self.gates, features, strict=True)]

    def forward(
        self,
        features: Sequence[Float[Tensor, "b _ _ _"]],
        gates: Sequence[Float[Tensor, "b _ _"]],
        origins: Sequence[Float[Tensor, "_ 1 1"]] | None = None,
    ) -> list[Float[Tensor, "b _ _ _"]]:
        """Levels with their residuals: gate times value. A mask may stand for a gate; for `origins` see the values."""
        known = [None] * len(features) if origins is None else origins
        return [
            level + gate[:, None] * generator(level, origin)
            for level, gate, generator, origin in zip(features, gates, self.generators, known, strict=True)
        ]
