"""How far a student's regression is from its targets."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from untaught.losses.masked import masked_mean


def squared_error(
    target: Float[Tensor, "b c h w"],
    student: Float[Tensor, "b c h w"],
    mask: Float[Tensor, "b h w"] | None = None,
) -> Float[Tensor, ""]:
    """Squared difference averaged over channels, then over all positions, in fp32.

    For `mask` (0..1) see `masked_mean`.
    """
    return masked_mean((target.float() - student.float()).square().mean(dim=1), mask)
