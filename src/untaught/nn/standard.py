"""The teacher's features on a common scale: each channel with mean 0 and deviation 1 over the good images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

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


class Standards(nn.ModuleList):
    """One `ChannelStandard` a level; with `on` False the levels pass as they are.

    Args:
        channels: channels of the levels.
        on: whether to standardise.
    """

    def __init__(self, channels: Sequence[int], on: bool = True) -> None:
        super().__init__(ChannelStandard(count) if on else nn.Identity() for count in channels)
        self.channels = tuple(channels) if on else ()

    def forward(self, features: Sequence[Float[Tensor, "b _ _ _"]]) -> list[Float[Tensor, "b _ _ _"]]:
        """Every level on its scale."""
        return [standard(level) for standard, level in zip(self, features, strict=True)]

    def origins(self) -> list[Float[Tensor, "_ 1 1"]] | None:
        """Where a feature that is 0 for the teacher lies on the scale of each level; None where they are the same."""
        if not self.channels:
            return None
        known = [standard for standard in self if isinstance(standard, ChannelStandard)]
        return [-(standard.mean / standard.deviation)[:, None, None] for standard in known]

    @torch.no_grad()
    def take(self, batches: Iterable[Sequence[Float[Tensor, "b _ _ _"]]], reduce: Callable[[Tensor], Tensor]) -> None:
        """Take the statistics of all levels from the good images; `reduce` adds up over processes."""
        if not self.channels:
            return
        totals = [torch.zeros(3, count).double() for count in self.channels]
        for features in batches:
            totals = [total + moments(level).to(total) for total, level in zip(totals, features, strict=True)]
        for standard, total in zip(self, totals, strict=True):
            assert isinstance(standard, ChannelStandard)
            standard.take(reduce(total.to(standard.mean.device)))
