"""Maps of several levels become one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def upsample(map: Float[Tensor, "b _ _"], size: tuple[int, int], align_corners: bool) -> Float[Tensor, "b _ _"]:  # noqa: A002
    """Bilinear upsampling to `size` (height, width)."""
    return F.interpolate(map[:, None], size=size, mode="bilinear", align_corners=align_corners)[:, 0]


def fuse(
    maps: Sequence[Float[Tensor, "b _ _"]],
    size: tuple[int, int],
    *,
    align_corners: bool = True,
    weights: Sequence[float] = (),
    form: Literal["sum", "product"] = "sum",
) -> Float[Tensor, "b _ _"]:
    """Sum or product of all maps at `size` (height, width), each times its weight; without weights all count the same.

    A product is high only where every level is.
    """
    large = [upsample(level, size, align_corners) for level in maps]
    if weights:
        large = [weight * level for weight, level in zip(weights, large, strict=True)]
    stacked = torch.stack(large)
    return stacked.sum(dim=0) if form == "sum" else stacked.prod(dim=0)
