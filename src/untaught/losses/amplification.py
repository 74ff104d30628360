"""Anomalous features must become less like normal ones than they were (AAND, arXiv 2405.02068)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

EPS = 1e-8
NORMAL, ANOMALOUS = 5000, 1000


def amplification_loss(
    plain: Float[Tensor, "b c h w"],
    amplified: Float[Tensor, "b c h w"],
    mask: Bool[Tensor, "b h w"],
    margin: float = 0.3,
) -> Float[Tensor, ""]:
    """Mean over pairs of a normal position i and an anomalous one j of relu(cos(F_i, F'_j) - cos(F_i, F_j) + margin).

    F are the plain features and F' the amplified ones; the pairs are all that up to 5000 normal and up to 1000
    anomalous positions drawn from the whole batch form. 0 where there is no anomalous or no normal position. In fp32.

    Args:
        plain: the teacher's features.
        amplified: the same with their residuals.
        mask: anomalous positions.
        margin: by how much each cosine is to drop.
    """
    ours, theirs = drawn(mask, ANOMALOUS), drawn(~mask, NORMAL)
    rows, changed = plain.permute(0, 2, 3, 1).flatten(0, 2), amplified.permute(0, 2, 3, 1).flatten(0, 2)
    if not len(ours) or not len(theirs):
        return changed.float().sum() * 0
    drop = unit(changed[ours]) - unit(rows[ours])  # so that one product gives the change of all cosines
    with torch.autocast(rows.device.type, enabled=False):
        change = unit(rows[theirs]) @ drop.T
    return F.relu(change + margin).mean()


def drawn(chosen: Bool[Tensor, "b h w"], most: int) -> Tensor:
    """Numbers of chosen positions, at most `most` of them, drawn without replacement."""
    places = chosen.flatten().nonzero()[:, 0]
    if len(places) <= most:
        return places
    return places[torch.randperm(len(places))[:most].to(places.device)]


def unit(rows: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    """Rows of length 1, in fp32; a row of zeros stays."""
    return F.normalize(rows.float(), dim=1, eps=EPS)
