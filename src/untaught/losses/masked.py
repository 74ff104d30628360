"""Means over positions of which some do not count."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def masked_mean(values: Float[Tensor, "b h w"], mask: Float[Tensor, "b h w"] | None = None) -> Float[Tensor, ""]:
    """Mean over all positions of what lies in `mask` (0..1); positions outside count as zero, not as absent."""
    return (values if mask is None else values * mask).mean()
