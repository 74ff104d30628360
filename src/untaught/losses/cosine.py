"""Cosine losses of reverse distillation, in two forms.

`global`: each level of an image is one long vector (code of RD4AD, Deng & Li, CVPR 2022). Strong features weigh more.
`regional`: each position is a vector of channels and weighs the same (the paper's equations 1 and 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from untaught.losses.worst import average, summed

EPS = 1e-8
Features = Sequence[Float[Tensor, "b _ _ _"]]


def cosine_loss(
    target: Features, student: Features, form: Literal["global", "regional"] = "global", hard: float = 0.0
) -> Float[Tensor, ""]:
    """Sum over levels of 1 - cosine, averaged over the batch: 0 where all directions agree, 2 a level where opposite.

    Computed in fp32 whatever comes in: the squared norm of a level overflows fp16.

    Args:
        target: the teacher's levels.
        student: the restored levels in the same order.
        form: which vectors are compared.
        hard: where above 0, the mean over this share of all positions of the batch, those that are restored worst,
            is added for each level.
    """
    return cosine_losses(target, student, form, hard)["cosine"]


def cosine_losses(
    target: Features, student: Features, form: Literal["global", "regional"], hard: float
) -> dict[str, Float[Tensor, ""]]:
    """`cosine`, see `cosine_loss`, and, where positions are compared, `distance`: their mean, averaged over levels.

    Unlike the first, `distance` does not depend on which images stand in one batch.
    """
    pairs = list(zip(target, student, strict=True))
    if form == "global" and hard == 0:
        return {"cosine": torch.stack([vectors(*pair) for pair in pairs]).sum()}
    positions = [distance(*pair) for pair in pairs]
    whole = [vectors(*pair) for pair in pairs] if form == "global" else None
    return {"cosine": summed(positions, hard, whole), "distance": average(positions)}


def vectors(target: Float[Tensor, "b ..."], student: Float[Tensor, "b ..."]) -> Float[Tensor, ""]:
    """1 - cosine of two levels taken as one vector an image, averaged over images."""
    return distance(target.flatten(1), student.flatten(1)).mean()


def distance(target: Float[Tensor, "b c ..."], student: Float[Tensor, "b c ..."]) -> Float[Tensor, "b ..."]:
    """1 - cosine of the vectors along the second axis, in fp32."""
    return 1 - F.cosine_similarity(target.float(), student.float(), dim=1, eps=EPS)


def channel_vectors(target: Float[Tensor, "b c h w"], student: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c"]:
    """1 - cosine of each channel taken as one vector over its positions, in fp32 (code of DCAM: 1e-6 is added)."""
    one, other = target.float().flatten(2), student.float().flatten(2)
    lengths: Tensor = one.norm(dim=2) * other.norm(dim=2) + 1e-6
    return 1 - (one * other).sum(dim=2) / lengths
