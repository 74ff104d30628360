"""Squared distance of standardised features: the loss whose best answer is what can be foretold and no more.

The cosine asks for a direction at every position, also where nothing can be known of it. The squared distance is
smallest at the conditional mean: where the student can say nothing it answers with the mean, and what is left over is
how unusual the feature is, in deviations squared. Distances of all levels are therefore on one scale: 1 is what a
student that has learned nothing leaves over on a good image.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from untaught.losses.cosine import Features
from untaught.losses.worst import average, summed


class Squares(torch.autograd.Function):
    """Squared difference of each position, averaged over channels, in fp32; the gradient is the student's alone.

    What autograd would make of the same formula spends two thirds of the time on copies of the finest level.
    """

    @staticmethod
    def forward(ctx: Any, target: Tensor, student: Tensor) -> Tensor:
        """(b, c, h, w) twice -> (b, h, w)."""
        difference = target.float() - student.float()  # of two kinds at once: five times as slow
        ctx.save_for_backward(difference)
        ctx.dtype = student.dtype
        return difference.square().mean(dim=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        """The gradient of the student's features, in their own precision."""
        (difference,) = ctx.saved_tensors
        slope = gradients[0].unsqueeze(1) * (-2 / difference.shape[1])
        return None, (difference * slope).to(ctx.dtype)


def squared_losses(target: Features, student: Features, hard: float = 0.0) -> dict[str, Float[Tensor, ""]]:
    """`squared`, the sum over levels of the mean over all positions, and `distance`, its mean over levels; fp32.

    Args:
        target: the teacher's levels, standardised.
        student: the restored levels in the same order.
        hard: where above 0, the mean over this share of all positions of the batch, those that are restored worst,
            is added to `squared` for each level.
    """
    pairs = zip(target, student, strict=True)
    positions: list[Tensor] = [Squares.apply(wanted, restored) for wanted, restored in pairs]
    return {"squared": summed(positions, hard), "distance": average(positions)}
