"""From the distances of several levels to one map and one score: what all methods of reverse distillation share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from untaught.config import Frozen
from untaught.errors import ConfigError
from untaught.maps.distance import energy
from untaught.maps.fuse import fuse, upsample
from untaught.maps.score import contrast, lower_quartile, maximum, prominence
from untaught.maps.smooth import Smooth


class MapSettings(Frozen):
    """From distances to map and score. Defaults are those of the `lite` presets."""

    energy: float = Field(
        default=0.0, ge=0, le=2, description="power of the features' energy each distance is multiplied by; 0: none"
    )
    form: Literal["sum", "product"] = Field(default="sum", description="how the levels become one map")
    weights: tuple[float, ...] = Field(
        default=(1.0, 1.0, 0.0), description="of the levels in their sum; none: all the same"
    )
    align_corners: bool = Field(default=False, description="how levels are upsampled")
    stride: int = Field(
        default=4, ge=1, description="pixels of the input per position where levels are summed and smoothed"
    )
    sigma: float = Field(default=4.0, ge=0, description="Gaussian smoothing of the map in pixels of the input; 0: none")
    sigma_side: int = Field(
        default=256, ge=0, description="side of the input that sigma is meant for, it grows with the input; 0: any"
    )
    top: float = Field(
        default=0.03,
        ge=0,
        le=1,
        description="score: how far a level's highest share stands out, summed over levels; 0: the map's maximum",
    )
    roots: bool = Field(
        default=True, description="that is, of roots above their lower quartile; else of distances above their mean"
    )
    votes: tuple[float, ...] = Field(
        default=(1.0, 1.0, 0.25), description="weights of the levels in the score; none: all the same"
    )
    foreign: float = Field(
        default=2.0,
        ge=0,
        description="with roots: a lower quartile above so many times that of good images raises the score; 0: never",
    )


LEAST = 1e-6
PAPER_MAP = {
    "energy": 0.0, "weights": (), "align_corners": True, "stride": 1, "sigma": 4.0, "sigma_side": 0, "top": 0.0,
    "votes": (),
}  # fmt: skip
"""Plain sum of the levels, upsampled with aligned corners, Gaussian of 4 px, maximum: RD4AD and its kin."""


def check_weights(settings: MapSettings, levels: Sequence[int]) -> None:
    """Whether the weights go with the levels.

    Raises:
        ConfigError: they do not.
    """
    given = f"map.weights has {len(settings.weights)} values for {len(levels)} levels"
    if settings.weights and settings.form == "product":
        raise ConfigError(f"{given} whose product is taken", "no weights, they change nothing there", "leave them out")
    for name, values in (("weights", settings.weights), ("votes", settings.votes)):
        if values and len(values) != len(levels):
            raise ConfigError(
                f"map.{name} has {len(values)} values for {len(levels)} levels", "one a level", "correct it"
            )


class LevelMap(nn.Module):
    """Sums the levels' distances to a map and reduces them to a score.

    A score of what stands out is blind to what is wrong everywhere: an empty frame, a dead camera, another product. So
    where a level's lower quartile is beyond `foreign` times what it is on good images (`usual`, (levels,)), the score
    rises by the number of times it is beyond. Good images are far below that, and their scores are as without it.

    Args:
        settings: how.
        levels: their number.
        side: of the input in pixels.
    """

    usual: Tensor

    def __init__(self, settings: MapSettings, levels: int, side: int = 256) -> None:
        super().__init__()
        self.settings = settings
        grown = side / settings.sigma_side if settings.sigma_side else 1.0
        self.smooth = Smooth(settings.sigma * grown / settings.stride)
        self.watchful = settings.top > 0 and settings.roots and settings.foreign > 0
        if self.watchful:
            self.register_buffer("usual", torch.full((levels,), torch.inf))

    @torch.no_grad()
    def settle(self, batches: Iterable[Sequence[Float[Tensor, "b _ _"]]]) -> None:
        """Take from the distances of good images what their lower quartiles usually are."""
        if self.watchful:
            low = torch.cat([torch.stack([lower_quartile(level) for level in levels], dim=1) for levels in batches])
            self.usual.copy_(low.mean(dim=0).clamp_min(LEAST))

    @property
    def reduction(self) -> str:
        """How the score is drawn, in words."""
        if self.settings.top == 0:
            return "maximum of the anomaly map"
        share = f"{self.settings.top * 100:g} %"
        if self.settings.roots:
            whole = f"mean of the highest {share} of each level's distances (roots) above the lower quartile, summed"
            times = f"{self.settings.foreign:g} times that of good images"
            return f"{whole}; plus what the lower quartile is beyond {times}" if self.watchful else whole
        return f"mean of the highest {share} of each level's distances minus their mean, summed over levels"

    def forward(
        self,
        distances: Sequence[Float[Tensor, "b _ _"]],
        target: Sequence[Float[Tensor, "b _ _ _"]],
        size: tuple[int, int],
        judged: Sequence[Float[Tensor, "b _ _"]] | None = None,
    ) -> tuple[Float[Tensor, "b h w"], Float[Tensor, " b"]]:
        """Map of `size` (height, width) and score.

        Args:
            distances: of each level, each at its own size; of these the map is made.
            target: the teacher's levels, for their energy.
            size: of the map.
            judged: distances that the score is drawn from, where it is not the map's maximum; None: the same.
        """
        settings = self.settings
        levels = list(distances)
        if settings.energy:
            levels = [map_ * energy(level) ** settings.energy for map_, level in zip(distances, target, strict=True)]
        grid = (size[0] // settings.stride, size[1] // settings.stride)
        fused = fuse(levels, grid, align_corners=settings.align_corners, weights=settings.weights, form=settings.form)
        map_ = self.smooth(fused)
        if settings.stride > 1:
            map_ = upsample(map_, size, settings.align_corners)
        if settings.top == 0:
            return map_, maximum(map_)
        judged = distances if judged is None else judged
        scores = [(prominence if settings.roots else contrast)(level, settings.top) for level in judged]
        votes = settings.votes or [1.0] * len(scores)
        scores = [vote * score for vote, score in zip(votes, scores, strict=True)]
        if self.watchful:
            times = [lower_quartile(level) / usual for level, usual in zip(judged, self.usual, strict=True)]
            scores += [(level - settings.foreign).clamp_min(0) for level in times]
        return map_, torch.stack(scores).sum(dim=0)
