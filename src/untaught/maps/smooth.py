"""Gaussian smoothing, equal to scipy's `gaussian_filter` with its default borders."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

TRUNCATE = 4.0


def gaussian_kernel(sigma: float) -> Float[Tensor, " k"]:
    """Weights of 2 * int(4 sigma + 0.5) + 1 positions that add up to 1."""
    radius = int(TRUNCATE * sigma + 0.5)
    x = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (x / sigma) ** 2)
    return (weights / weights.sum()).float()


def mirrored(size: int, radius: int) -> Int[Tensor, " n"]:
    """Positions of a row of `size` continued by `radius` on both sides: d c b a | a b c d | d c b a, and so on."""
    position = torch.arange(-radius, size + radius) % (2 * size)
    return torch.minimum(position, 2 * size - 1 - position)


class Smooth(nn.Module):
    """Gaussian smoothing of maps with `sigma` in pixels; 0 leaves them as they are."""

    kernel: Tensor

    def __init__(self, sigma: float) -> None:
        super().__init__()
        kernel = gaussian_kernel(sigma) if sigma > 0 else torch.ones(1)
        self.radius = len(kernel) // 2
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, map: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:  # noqa: A002
        """Rows first, then columns; beyond the border the map is its own mirror image."""
        if self.radius == 0:
            return map
        height, width = map.shape[-2:]
        image = map[:, None]
        image = image.index_select(3, mirrored(width, self.radius).to(map.device))
        image = F.conv2d(image, self.kernel[None, None, None, :])
        image = image.index_select(2, mirrored(height, self.radius).to(map.device))
        return F.conv2d(image, self.kernel[None, None, :, None])[:, 0]
