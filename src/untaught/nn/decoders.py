"""The decoder of RD4AD: the encoder's mirror image (Deng & Li, CVPR 2022, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from untaught.nn.blocks import Form, init_kaiming


class MirroredDecoder(nn.Module):
    """Restores all levels from the embedding, deepest first; each stage doubles the size.

    Args:
        c_in: channels of the embedding.
        channels: channels of the levels, finest first.
        form: build of the encoder whose mirror image this is.
    """

    def __init__(self, c_in: int, channels: Sequence[int], form: Form) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        for number, c_out in enumerate(reversed(channels)):
            depth = form.depths[min(number, len(form.depths) - 1)]
            stage = form.stage(c_in, c_out, depth, "up")
            if not form.rectified:
                stage[-1].end = nn.Identity()
            self.stages.append(stage)
            c_in = c_out
        init_kaiming(self)

    def forward(self, embedding: Float[Tensor, "b c h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """(b, c, h, w) -> levels, finest first: the order of the teacher's features."""
        levels: list[Tensor] = []
        for stage in self.stages:
            embedding = stage(embedding)
            levels.insert(0, embedding)
        return levels
