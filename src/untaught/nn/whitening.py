"""Features in which all directions vary alike over the good images: mean 0, covariance the identity."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.nn import functional as F

LEAST = 1e-6


def joint_moments(
    features: Float[Tensor, "b c h w"], mask: Float[Tensor, "b 1 h w"] | None = None
) -> Float64[Tensor, "d d"]:
    """Sum of the outer products of (1, x) over positions, each weighed by `mask`; those of several batches add up."""
    rows = features.double().permute(0, 2, 3, 1).flatten(0, 2)
    rows = F.pad(rows, (1, 0), value=1.0)
    return rows.T @ (rows if mask is None else rows * mask.double().flatten()[:, None])


class Whitening(nn.Module):
    """Takes the mean off and turns and stretches the rest; it starts as the identity.

    Of all matrices that whiten it is the one that moves the standardised features least (ZCA), so that a channel
    remains the same channel. Directions of next to no variance are not blown up without end: `shrink` is added to all
    variances of the standardised channels. What lies more than `limit` deviations off is cut off there.

    Args:
        channels: of the features.
        shrink: added to the variances.
        limit: in deviations.
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, channels: int, shrink: float = 0.01, limit: float = 8.0) -> None:
        super().__init__()
        self.shrink, self.limit = shrink, limit
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("matrix", torch.eye(channels))

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Whitened features, in fp32: the differences of large numbers that count here would drown in less."""
        kind = features.device.type
        exact = torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else contextlib.nullcontext()
        with exact:
            centred = features.float() - self.mean[:, None, None]
            return F.conv2d(centred, self.matrix[:, :, None, None]).clamp(-self.limit, self.limit)

    @torch.no_grad()
    def take(self, batches: Iterable[tuple[Tensor, Tensor | None]], reduce: Callable[[Tensor], Tensor]) -> None:
        """Take the statistics from features and masks of the good images; `reduce` adds up over processes."""
        total = torch.zeros(len(self.mean) + 1, len(self.mean) + 1).double()
        for features, mask in batches:
            total = total + joint_moments(features, mask).to(total)
        total = reduce(total.to(self.mean.device)).double().cpu()
        mean = total[0, 1:] / total[0, 0]
        covariance = total[1:, 1:] / total[0, 0] - torch.outer(mean, mean)
        deviation = covariance.diagonal().clamp_min(0).sqrt()
        deviation = torch.where(deviation > LEAST, deviation, torch.ones_like(deviation))
        variance, turn = torch.linalg.eigh(covariance / torch.outer(deviation, deviation))
        matrix = (turn * (variance.clamp_min(0) + self.shrink).rsqrt()) @ turn.T / deviation
        self.mean.copy_(mean)
        self.matrix.copy_(matrix)
