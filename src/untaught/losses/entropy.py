"""Relative entropy between where the teacher's channels respond and where the student's do.

Each channel of a level, softmax over its positions, is a distribution over places (channel-wise distillation; the
spatial term of DCAM, arXiv 2405.06467).
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def spatial_entropy(
    target: Float[Tensor, "b c h w"], student: Float[Tensor, "b c h w"], temperature: float
) -> Float[Tensor, ""]:
    """KL(target || student) of the channels' distributions over positions, summed over channels, mean over images.

    0 where both are the same, never negative. In fp32; both logarithms are taken inside the softmax, so low
    temperatures do not overflow.

    Args:
        target: the teacher's features.
        student: the student's.
        temperature: by which both are divided; the higher, the flatter the distributions.
    """
    wanted, given = (F.log_softmax(level.float().flatten(2) / temperature, dim=2) for level in (target, student))
    return F.kl_div(given, wanted, reduction="sum", log_target=True) / len(target)
