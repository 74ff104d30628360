"""A frozen network with fewer passes over its features: no batch norms, no padded copies of their input."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any, TypeGuard, cast

import torch
from jaxtyping import Float
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

SIDE = 64
AGREEMENT = 1e-4  # of a level's largest value


class Halving(nn.Module):
    """A depthwise convolution of stride 2 that pads as TensorFlow does, without a padded copy where sides are even.

    Such padding is a row and a column larger behind than before, which torch's convolutions cannot do. A kernel with a
    row and a column of zeros before it makes it the same on both sides, and gives the same numbers. What that adds in
    arithmetic is little beside the copy, but not where each channel is made of all: those convolutions stay.

    Args:
        conv: its kernel has an odd side and no dilation.
    """

    weight: Tensor

    def __init__(self, conv: Conv2dSame) -> None:
        super().__init__()
        self.conv, self.padding = conv, (conv.kernel_size[0] - 1) // 2
        wider = F.pad(conv.weight.detach(), (1, 0, 1, 0)).contiguous(memory_format=torch.channels_last)
        self.register_buffer("weight", wider)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d _ _"]:
        """What the convolution gives."""
        if features.shape[-2] % 2 or features.shape[-1] % 2:
            return cast("Tensor", self.conv(features))
        return F.conv2d(features, self.weight, self.conv.bias, 2, self.padding, groups=self.conv.groups)

    @staticmethod
    def takes(conv: nn.Module) -> TypeGuard[Conv2dSame]:
        """Whether a convolution is such a one, on the processor."""
        if not isinstance(conv, Conv2dSame) or conv.weight.device.type != "cpu" or conv.groups != conv.in_channels:
            return False
        side, other = conv.kernel_size
        return side == other and side % 2 == 1 and side > 1 and conv.stride == (2, 2) and conv.dilation == (1, 1)


def folded(net: nn.Module) -> nn.Module:
    """A copy of a network in eval mode without its batch norms, or the network itself where that gives anything else.

    A batch norm belongs to the convolution defined right before it; timm's keep their activation. Whether that is also
    the order in which the network calls them is not known, so both networks answer a picture, and the copy is taken
    where they agree but for rounding. A network with hooks is left as it is: a copy would call the same ones.

    Args:
        net: takes (b, 3, h, w) and gives a list of features; frozen, on one device.
    """
    weight = next(net.parameters())
    if weight.is_meta or any(module._forward_hooks or module._forward_pre_hooks for module in net.modules()):
        return net
    # Made within inference mode, the copy could not be used outside of it.
    with torch.inference_mode(False), torch.no_grad(), torch.autocast(weight.device.type, enabled=False):
        copied = copy.deepcopy(net)
        if not _fold(copied):
            return net
        picture = torch.sin(torch.arange(3.0 * SIDE**2, device=weight.device) ** 2).view(1, 3, SIDE, SIDE)
        try:
            pairs = zip(*(one(picture.to(weight.dtype)) for one in (net, copied)), strict=True)
            same = all(_agree(*pair) for pair in pairs)
        except Exception:  # networks for pictures of one size, or that read what a batch norm holds
            same = False
    return copied if same else net


def _fold(module: nn.Module) -> int:
    """Fold what is in a module; how many batch norms there were."""
    children: list[tuple[str, Any]] = list(module.named_children())
    count = 0
    for (name, first), (next_name, second) in pairwise(children):
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d) and second.track_running_stats:
            fused = fuse_conv_bn_eval(first, second)
            if fused.kernel_size == (1, 1) and fused.weight.device.type == "cpu":
                fused.dilation = (2, 2)  # the same map; without it torch copies few images on one thread for a slow one
            setattr(module, name, Halving(fused) if Halving.takes(fused) else fused)
            rest = [getattr(second, part) for part in ("drop", "act") if hasattr(second, part)]
            setattr(module, next_name, nn.Sequential(*rest))
            count += 1
    return count + sum(_fold(child) for _, child in children)


def _agree(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= AGREEMENT * one.abs().max())
