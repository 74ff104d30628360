"""The beginning of an EfficientNet, for features from within a level."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from untaught.errors import ConfigError


class Trunk(nn.Module):
    """Stem and first groups of blocks of an EfficientNet, where the end of a level is too late.

    Raises:
        ConfigError: it is no EfficientNet, or its stride there is not the one level asked for.
    """

    def __init__(self, name: str, net: Any, strides: tuple[int, ...], groups: int) -> None:
        super().__init__()
        there = len(net.blocks) if hasattr(net, "conv_stem") and isinstance(net.blocks, nn.Sequential) else 0
        if not 1 <= groups <= there:
            came = f"the features behind {groups} groups of blocks were asked of {name}"
            raise ConfigError(came, f"1 to {there}" if there else "an EfficientNet", "leave the groups out")
        self.conv_stem, self.bn1, self.blocks = net.conv_stem, net.bn1, net.blocks[:groups]
        side = 2 * max(strides)
        with torch.no_grad():
            (last,) = self.eval()(torch.zeros(1, 3, side, side, device=net.conv_stem.weight.device))
        self.channels = int(last.shape[1])
        if strides != (side // last.shape[-1],):
            came = f"{groups} groups of blocks of {name} have a stride of {side // last.shape[-1]}"
            raise ConfigError(came, f"the one level asked for: {strides}", "correct one of them")

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """One level of features."""
        return [self.blocks(self.bn1(self.conv_stem(image)))]
