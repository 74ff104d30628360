"""Where a position lies, told by sines and cosines: the two-dimensional code of AST (Rudolph et al., WACV 2023)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from untaught.errors import ConfigError

BASE = 10000.0


def positional_code(channels: int, height: int, width: int) -> Float[Tensor, "1 c h w"]:
    """Sines (even channels) and cosines (odd ones) of x in the first half of the channels, of y in the second.

    The k-th pair of a half turns by BASE^(-2k / half) radians a position.

    Raises:
        ConfigError: `channels` is not divisible by 4.
    """
    if channels % 4:
        raise ConfigError(f"the positional code is to have {channels} channels", "a multiple of 4", "for example 32")
    half = channels // 2
    turn = BASE ** (-2 * torch.arange(half // 2, dtype=torch.float64) / half)

    def along(size: int) -> Tensor:
        angle = turn[:, None] * torch.arange(size, dtype=torch.float64)
        return torch.stack([angle.sin(), angle.cos()], dim=1).flatten(0, 1)

    x, y = along(width)[:, None, :], along(height)[:, :, None]
    code = torch.cat([x.expand(half, height, width), y.expand(half, height, width)])
    return code[None].float()


class PositionalCode(nn.Module):
    """The code of a grid, kept as a buffer; for a grid of another size it is made anew.

    Args:
        channels: channels of the code, a multiple of 4; 0 for none.
        size: height and width of the usual grid.

    Raises:
        ConfigError: `channels` is not divisible by 4.
    """

    code: Tensor

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("code", positional_code(channels, *size), persistent=False)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """The code of each position of `features`, the same for every image."""
        height, width = features.shape[-2:]
        code = self.code
        if code.shape[-2:] != (height, width):
            code = positional_code(self.channels, height, width).to(features.device)
        return code.to(features.dtype).expand(features.shape[0], -1, -1, -1)
