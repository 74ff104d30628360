"""Two feature sets from one: what is normal and what is abnormal at a level of the student (DMDD, arXiv 2408.03888)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from untaught.nn.blocks import conv
from untaught.nn.students import MirroredStudent, SlimStudent


class DecoupleHead(nn.Module):
    """Widens a level, splits it in halves, and leads each half through a branch of its own.

    The branches are built alike and share nothing, so neither can do more than the other.

    Args:
        channels: channels of the level, of each half and of each result.
        kernel: side of the branches' convolutions.
        rectified: end the branches with a ReLU, for teachers whose features are never negative. Without it they end
            with a plain convolution.
    """

    def __init__(self, channels: int, kernel: int = 1, rectified: bool = True) -> None:
        super().__init__()
        self.expand = nn.Sequential(conv(channels, 2 * channels, 1), nn.BatchNorm2d(2 * channels), nn.ReLU())
        self.normal = branch(channels, kernel, rectified)
        self.abnormal = branch(channels, kernel, rectified)

    def forward(self, features: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b c h w"]]:
        """Normality and abnormality features, both of the shape of what comes in."""
        one, other = self.expand(features).chunk(2, dim=1)
        return self.normal(one), self.abnormal(other)


def branch(channels: int, kernel: int, rectified: bool) -> nn.Sequential:
    """One branch: convolution, batch normalisation and ReLU, or a convolution with bias alone."""
    if not rectified:
        return nn.Sequential(nn.Conv2d(channels, channels, kernel, padding=kernel // 2))
    return nn.Sequential(conv(channels, channels, kernel), nn.BatchNorm2d(channels), nn.ReLU())


class DecoupledStudent(nn.Module):
    """A student of reverse distillation whose restored levels each part into normality and abnormality.

    Args:
        trunk: restores the levels.
        channels: channels of the teacher's levels, finest first.
        kernel, rectified: see `DecoupleHead`.
    """

    def __init__(
        self, trunk: MirroredStudent | SlimStudent, channels: Sequence[int], kernel: int, rectified: bool
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ModuleList(DecoupleHead(count, kernel, rectified) for count in channels)

    def forward(
        self, features: Sequence[Float[Tensor, "b _ _ _"]]
    ) -> tuple[list[Float[Tensor, "b _ _ _"]], list[Float[Tensor, "b _ _ _"]]]:
        """Normality and abnormality levels, each shaped and ordered like `features`."""
        parted = [head(level) for head, level in zip(self.heads, self.trunk(features), strict=True)]
        return [normal for normal, _ in parted], [abnormal for _, abnormal in parted]

    def last(self) -> Iterator[nn.Parameter]:
        """Parameters of the last layers, which Muon leaves to Adam: the trunk's, and branches of one layer alone."""
        yield from self.trunk.last()
        for module in self.heads.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                yield from module.parameters()
