"""The teacher's features on a common scale: each channel with mean 0 and deviation 1 over the good images."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

LEAST = 1e-6


def moments(features: Float[Tensor, "b c h w"]) -> Float64[Tensor, "3 c"]:
    """Count, sum and sum of squares of each channel; those of several batches may be added."""
    values = features.double()
    count = torch.full_like(values[0, :, 0, 0], values.numel() / values.shape[1])
    return torch.stack([count, values.sum(dim=(0, 2, 3)), values.square().sum(dim=(0, 2, 3))])


class ChannelStandard(nn.Module):
    """Standardises each channel of one level and cuts off at `limit` deviations; it starts as the identity."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int, limit: float = 8.0) -> None:
        super().__init__()
        self.limit = limit
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Features in deviations from their mean, within -limit..limit."""
        normal = (features - self.mean[:, None, None]) / self.deviation[:, None, None]
        return normal.clamp(-self.limit, self.limit)

    @torch.no_grad()
    def take(self, total: Float64[Tensor, "3 c"]) -> None:
        """Take mean and deviation from the moments of all good images. A channel that never changes keeps its unit."""
        count, first, second = total
        mean = first / count
        deviation = (second / count - mean.square()).clamp_min(0).sqrt()
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(deviation > LEAST, deviation, torch.ones_like(deviation)))
