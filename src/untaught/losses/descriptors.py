"""What makes a good local descriptor: it knows what a large network knows, matches itself and wastes no channel.

Bergmann et al., "Uninformed Students", CVPR 2020, section 3.1: L_k (knowledge distillation), L_m (metric learning) and
L_c (compactness, after Tian et al., "L2-Net", CVPR 2017). All in fp32.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

EPS = 1e-6
TINY = 1e-30


def knowledge_loss(decoded: Float[Tensor, "n c"], target: Float[Tensor, "n c"]) -> Float[Tensor, ""]:
    """L_k: squared distance of the decoded descriptor from what the large network says, mean over patches."""
    return (decoded.float() - target.float()).square().sum(dim=1).mean()


def matching_loss(
    anchor: Float[Tensor, "n c"], positive: Float[Tensor, "n c"], negative: Float[Tensor, "n c"], margin: float = 1.0
) -> Float[Tensor, ""]:
    """L_m: `max(0, margin + d+ - d-)` with squared distances, mean over patches.

    d+ is the distance of a patch from its own slightly changed copy; d- the smaller of the distances of these two from
    a patch of another image.
    """
    anchor, positive, negative = anchor.float(), positive.float(), negative.float()
    near = (anchor - positive).square().sum(dim=1)
    far = torch.minimum((anchor - negative).square().sum(dim=1), (positive - negative).square().sum(dim=1))
    return (margin + near - far).clamp_min(0).mean()


def correlations(descriptors: Float[Tensor, "n c"]) -> Float[Tensor, "c c"]:
    """Correlation of each pair of channels over the batch; a channel that never changes correlates with none."""
    centred = descriptors.float() - descriptors.float().mean(dim=0)
    length = (centred.square().sum(dim=0) + TINY).sqrt()  # whose slope at 0 would be infinite
    normal = centred / (length + EPS)
    with torch.autocast(normal.device.type, enabled=False):
        return normal.T @ normal


def compactness_loss(descriptors: Float[Tensor, "n c"]) -> Float[Tensor, ""]:
    """L_c: sum of the squared correlations of different channels.

    The paper prints the plain sum, which would reward channels that are each other's opposite. Independent channels
    give about `c (c - 1) / n`.
    """
    squared = correlations(descriptors).square()
    return squared.sum() - squared.diagonal().sum()
