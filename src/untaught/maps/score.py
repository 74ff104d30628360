"""The image's score: what is most anomalous in its map."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def maximum(map: Float[Tensor, "b h w"]) -> Float[Tensor, " b"]:  # noqa: A002
    """The highest value."""
    return map.flatten(1).amax(dim=1)


def mean(map: Float[Tensor, "b h w"]) -> Float[Tensor, " b"]:  # noqa: A002
    """The mean of all values."""
    return map.flatten(1).mean(dim=1)


def top_mean(map: Float[Tensor, "b h w"], share: float) -> Float[Tensor, " b"]:  # noqa: A002
    """Mean of the highest `share` of all values, at least of one."""
    values = map.flatten(1)
    count = max(1, round(share * values.shape[1]))
    return values.topk(count, dim=1).values.mean(dim=1)


def contrast(map: Float[Tensor, "b h w"], share: float) -> Float[Tensor, " b"]:  # noqa: A002
    """Mean of the highest `share` of all values above the mean of all."""
    return top_mean(map, share) - map.flatten(1).mean(dim=1)


def prominence(map: Float[Tensor, "b h w"], share: float) -> Float[Tensor, " b"]:  # noqa: A002
    """As `contrast`, but of the values' roots and above their lower quartile.

    Squares have long tails on good images too, which roots cut short. Unlike the mean the quartile stays where a
    defect is large.
    """
    return top_mean(map.clamp_min(0).sqrt(), share) - lower_quartile(map)


def lower_quartile(map: Float[Tensor, "b h w"]) -> Float[Tensor, " b"]:  # noqa: A002
    """Root of the value below which a quarter of all values lie."""
    return quartile(map.clamp_min(0)).sqrt()


def quartile(map: Float[Tensor, "b h w"]) -> Float[Tensor, " b"]:  # noqa: A002
    """The value below which a quarter of all values lie: how anomalous the image is where nothing stands out."""
    values = map.flatten(1)
    return values.topk(max(1, values.shape[1] // 4), dim=1, largest=False).values.amax(dim=1)
