"""Distillation that looks hardest at what is restored worst (AAND, arXiv 2405.02068, hard knowledge distillation)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def hard_losses(
    distances: Sequence[Float[Tensor, "b _ _"]], count: float = 10, whole: Float[Tensor, ""] | None = None
) -> dict[str, Float[Tensor, ""]]:
    """`hard`, which is to be minimised, and `distance`: the mean over positions, averaged over levels.

    `hard` is the mean over the `count` worst positions of each image, summed over levels, plus `whole`.

    Args:
        distances: of the restored levels to the teacher's, position by position.
        count: worst positions of each image and level, or below 1 their share of all; 0 leaves them out.
        whole: what is asked of all positions together; default: their mean distance, summed over levels.
    """
    positions = [level.flatten(1) for level in distances]
    means = torch.stack([level.mean() for level in positions])
    total = means.sum() if whole is None else whole
    if count:
        worst = [level.topk(number(count, level.shape[1]), dim=1).values.mean() for level in positions]
        total = total + torch.stack(worst).sum()
    return {"hard": total, "distance": means.detach().mean()}


def number(count: float, positions: int) -> int:
    """How many of so many positions, at least one and at most all: `count` of them, or below 1 that share."""
    return min(max(1, round(count * positions if count < 1 else count)), positions)
