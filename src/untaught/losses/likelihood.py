"""How unlikely latents of a normalising flow are under a standard normal distribution."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def negative_log_likelihood(
    latent: Float[Tensor, "b c h w"], log_det: Float[Tensor, "b h w"]
) -> Float[Tensor, "b h w"]:
    """Half the squared length of each position's latent minus its log-determinant, in fp32.

    The constant c/2 log 2 pi is left out (AST, Rudolph et al., WACV 2023, eq. 4).
    """
    return 0.5 * latent.float().square().sum(dim=1) - log_det.float()
