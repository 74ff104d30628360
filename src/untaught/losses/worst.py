"""From the distances of all levels, position by position, to one loss that looks harder at the worst positions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def summed(
    levels: Sequence[Float[Tensor, "b ..."]], hard: float = 0.0, whole: Sequence[Float[Tensor, ""]] | None = None
) -> Float[Tensor, ""]:
    """The mean of each level, and where `hard` is above 0 that of its worst positions, summed over levels.

    Args:
        levels: distances, each level at its own size.
        hard: share of all positions of the batch that are the worst.
        whole: what is taken of each level in place of its mean.
    """
    total = torch.stack(list(whole or [level.mean() for level in levels])).sum()
    if hard > 0:
        total = total + torch.stack([worst(level, hard).mean() for level in levels]).sum()
    return total


def average(levels: Sequence[Float[Tensor, "b ..."]]) -> Float[Tensor, ""]:
    """The mean over positions, averaged over levels, to be watched: without gradients."""
    return torch.stack([level.detach().mean() for level in levels]).mean()


def worst(values: Tensor, share: float) -> Float[Tensor, " n"]:
    """The highest `share` of all values, at least one."""
    flat = values.flatten()
    return flat.topk(max(1, round(share * len(flat)))).values
