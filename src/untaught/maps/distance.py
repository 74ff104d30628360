"""How far a student is from its teacher, position by position."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

EPS = 1e-8
COHERENT = 16


def cosine_distance(target: Float[Tensor, "b c h w"], student: Float[Tensor, "b c h w"]) -> Float[Tensor, "b h w"]:
    """1 - cosine of the angle between the channel vectors of each position: 0 same direction, 2 opposite.

    Always in fp32: the squared norms overflow fp16, and `EPS` vanishes in it.
    """
    return 1 - F.cosine_similarity(target.float(), student.float(), dim=1, eps=EPS)


def unit_distance(target: Float[Tensor, "b c h w"], student: Float[Tensor, "b c h w"]) -> Float[Tensor, "b h w"]:
    """Half the squared distance of the channel vectors of each position, each divided by its length; in fp32.

    The same as 1 - cosine, and never negative: small ones do not drown in rounding. A vector of length 0 stays 0.
    """
    difference = F.normalize(target.float(), dim=1) - F.normalize(student.float(), dim=1)
    return 0.5 * difference.square().sum(dim=1)


def energy(features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b h w"]:
    """Mean square over the channels of each position, in fp32.

    Of standardised features (mean 0, deviation 1 over good images) it is 1 at a usual position and higher where the
    teacher sees something unusual.
    """
    return features.float().square().mean(dim=1)


def squared_distance(target: Float[Tensor, "b c h w"], student: Float[Tensor, "b c h w"]) -> Float[Tensor, "b h w"]:
    """Squared difference of each position, averaged over channels, in fp32."""
    return energy(target.float() - student.float())


def coherent_distance(target: Float[Tensor, "b c h w"], student: Float[Tensor, "b c h w"]) -> Float[Tensor, "b h w"]:
    """Squared distance, half from each position alone and half from the mean difference of its 3 x 3 neighbourhood.

    The second is taken nine times: of differences that know nothing of each other both halves are equally large, and
    where neighbours differ in the same direction the second grows up to ninefold. In fp32.
    """
    difference = target.float() - student.float()
    around = F.avg_pool2d(F.pad(difference, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return 0.5 * (energy(difference) + 9 * energy(around))


def level_distances(
    target: Sequence[Float[Tensor, "b _ _ _"]],
    student: Sequence[Float[Tensor, "b _ _ _"]],
    strides: Sequence[int],
    squared: bool,
) -> list[Float[Tensor, "b _ _"]]:
    """Each level's distance at its own size, raw: `squared`, coherent where a position is small, or of the cosine.

    Small is a stride below `COHERENT` pixels.
    """
    pairs = list(zip(target, student, strict=True))
    if not squared:
        return [cosine_distance(*pair) for pair in pairs]
    measures = [coherent_distance if stride < COHERENT else squared_distance for stride in strides]
    return [measure(*pair) for measure, pair in zip(measures, pairs, strict=True)]
