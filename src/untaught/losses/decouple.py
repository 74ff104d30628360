"""The two losses of decouple distillation (DMDD, arXiv 2408.03888; their exact forms are a reconstruction).

Normality guidance: the normality features of an image, with a defect or without, shall point where the teacher's do on
the image without. Abnormality inverse mimicking: the abnormality features shall point away from the teacher's inside a
defect and where the teacher's do outside.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from untaught.losses.cosine import distance, vectors
from untaught.losses.worst import worst

LEAST = 1e-2
DEFECT = 0.3
"""Share of a position's pixels above which it counts as a defect."""


def regions(
    mask: Bool[Tensor, "b 1 h w"], size: tuple[int, int]
) -> tuple[Bool[Tensor, "b _ _"], Bool[Tensor, "b _ _"]]:
    """Which positions of a level of `size` are good, and which are a defect; those in between are neither."""
    share = F.adaptive_avg_pool2d(mask.float(), size)[:, 0]
    return share == 0, share > DEFECT


def mean_over(values: Float[Tensor, "b h w"], where: Bool[Tensor, "b h w"]) -> Float[Tensor, ""]:
    """The mean of `values` at the positions `where`; 0, with a gradient of 0, where there is none."""
    return (values * where).sum() / where.sum().clamp_min(1)


def guidance(
    target: Float[Tensor, "b c h w"],
    normal: Float[Tensor, "b c h w"],
    normal_of_defect: Float[Tensor, "b c h w"],
    positions: float = 1.0,
    where: Bool[Tensor, "b h w"] | None = None,
) -> Float[Tensor, ""]:
    """Normality guidance at one level: 0 where both feature sets point where the teacher's do.

    Args:
        target: the teacher's features of the image without defect.
        normal: normality features of that image.
        normal_of_defect: normality features of the image with the drawn defect.
        positions: weight of the mean distance, position by position, of the latter; the level as one long vector
            hides small defects.
        where: positions of the image with the defect that count; None means all.
    """
    seen, wanted = normal_of_defect, target
    if where is not None:
        seen, wanted = seen * where[:, None], wanted * where[:, None]
    total = vectors(wanted, seen) + vectors(target, normal)
    if positions:
        apart = distance(target, normal_of_defect)
        total = total + positions * (apart.mean() if where is None else mean_over(apart, where))
    return total


def squared_guidance(
    apart: Float[Tensor, "b h w"],
    apart_of_defect: Float[Tensor, "b h w"],
    positions: float = 1.0,
    hard: float = 0.0,
    where: Bool[Tensor, "b h w"] | None = None,
) -> Float[Tensor, ""]:
    """Normality guidance at one level from squared distances to the teacher's features of the image without defect.

    Args:
        apart: of the normality features of that image.
        apart_of_defect: of those of the image with the drawn defect.
        positions: weight of the latter.
        hard: the mean over this share of the positions, those that are restored worst, is added for each of the two.
        where: positions of the image with the defect that count; None means all.
    """
    where = torch.ones_like(apart_of_defect, dtype=torch.bool) if where is None else where
    total = apart.mean() + positions * mean_over(apart_of_defect, where)
    if hard > 0:
        total = total + worst(apart, hard).mean() + positions * worst(apart_of_defect * where, hard).mean()
    return total


def inverse_mimicking(
    apart: Float[Tensor, "b h w"],
    apart_of_defect: Float[Tensor, "b h w"],
    good: Bool[Tensor, "b h w"],
    defect: Bool[Tensor, "b h w"],
    margin: float = 1.0,
    reduction: Literal["regions", "mean"] = "regions",
    unit: Float[Tensor, "b h w"] | None = None,
) -> Float[Tensor, ""]:
    """Abnormality inverse mimicking at one level, from distances between abnormality and teacher features.

    Args:
        apart: of the image without defect, whose distances shall be 0.
        apart_of_defect: of the image with the drawn defect, to the teacher's features of that image.
        good: its positions without defect, whose distances shall be 0 too.
        defect: its positions with the defect, whose distances shall be `margin` or more.
        margin: 1 stands for a right angle.
        reduction: `regions` averages good and defect positions apart, so that the few with a defect count as much;
            `mean` over all.
        unit: what counts as a distance of 1 inside the defect, position by position: the energy of the teacher's
            standardised features for squared distances, which is that of the answer "as on average". None: 1.
    """
    short = F.relu(margin - (apart_of_defect if unit is None else apart_of_defect / unit.clamp_min(LEAST)))
    if reduction == "mean":
        return (apart_of_defect * good + short * defect).mean() + apart.mean()
    return mean_over(apart_of_defect, good) + mean_over(short, defect) + apart.mean()


def segmentation(logits: Float[Tensor, "b h w"], mask: Bool[Tensor, "b h w"], gamma: float = 4.0) -> Float[Tensor, ""]:
    """Focal loss plus mean absolute error of a probability map, in fp32 (DeSTSeg, Zhang et al., CVPR 2023, eq. 5-7)."""
    logits, wanted = logits.float(), mask.float()
    probability = logits.sigmoid()
    missed = (probability - wanted).abs()
    plain = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return torch.stack([(missed**gamma * plain).mean(), missed.mean()]).sum()
