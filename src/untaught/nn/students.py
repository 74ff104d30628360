"""Students of reverse distillation: from the teacher's levels through a narrow place back to the same levels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from untaught.config import Frozen
from untaught.errors import ConfigError
from untaught.nn.blocks import Form, conv, form_of
from untaught.nn.bottleneck import Fusion, OneClassEmbedding
from untaught.nn.decoders import MirroredDecoder


class StudentSettings(Frozen):
    """The student's build."""

    form: Literal["slim", "mirrored"] = Field(
        default="slim", description="`mirrored`: the paper's; `slim`: for two cores"
    )
    widths: tuple[int, ...] = Field(
        default=(48, 96, 192), description="slim: channels at each size, down to the embedding's"
    )
    embedding: int = Field(default=64, ge=1, description="slim: channels of the embedding")
    plain: int = Field(default=0, ge=0, description="slim: so many of the finest sizes go without a block of their own")

    @property
    def light(self) -> bool:
        """Whether the student is the one for two cores, which trains well in bfloat16."""
        return self.form == "slim"


class MirroredStudent(nn.Module):
    """Fusion, one-class embedding and mirrored decoder of RD4AD (Deng & Li, CVPR 2022).

    Args:
        channels: channels of the teacher's levels, finest first.
        form: build of the teacher.
    """

    def __init__(self, channels: Sequence[int], form: Form) -> None:
        super().__init__()
        self.fusion = Fusion(channels)
        self.embedding = OneClassEmbedding(self.fusion.channels, 2 * channels[-1], form)
        self.decoder = MirroredDecoder(self.embedding.channels, channels, form)

    def forward(self, features: Sequence[Float[Tensor, "b _ _ _"]]) -> list[Float[Tensor, "b _ _ _"]]:
        """Restored levels, shaped and ordered like `features`."""
        levels: list[Tensor] = self.decoder(self.embedding(self.fusion(features)))
        return levels

    def last(self) -> Iterable[nn.Parameter]:
        """No layer stands apart as the last."""
        return ()


class SlimStudent(nn.Module):
    """The same idea for small processors: one convolution a size, pixel shuffle in place of transposed convolutions.

    On the way down each level joins what comes from the level above; at the last size everything is squeezed to
    `embedding` channels; on the way up each level is restored by a linear 1x1 head, so that targets of either sign
    can be met.

    Args:
        channels: channels of the teacher's levels, finest first; each has half the size of the one before.
        widths: channels of the student at the size of the first level, at half of it and so on, down to the size of
            the embedding; at least as many as levels.
        embedding: channels of the embedding.
        plain: so many of the finest sizes are not refined by a block of their own on the way up.
    """

    def __init__(self, channels: Sequence[int], widths: Sequence[int], embedding: int, plain: int = 0) -> None:
        super().__init__()
        levels = [*channels, *[0] * (len(widths) - len(channels))]
        joined = [level + before for level, before in zip(levels, (0, *widths[1:]), strict=True)]
        last = widths[-1]
        self.down = nn.ModuleList(
            conv_norm(wide, width, 3, 2) for wide, width in zip(joined[:-1], widths[1:], strict=True)
        )
        self.squeeze = nn.Sequential(
            *conv_norm(joined[-1], last, 1), Residual(last), conv(last, embedding, 1), nn.BatchNorm2d(embedding)
        )
        self.open = conv_norm(embedding, last, 3)
        self.refine = nn.ModuleList(
            Residual(width) if size >= plain else nn.Identity() for size, width in enumerate(widths)
        )
        self.up = nn.ModuleList(PixelUp(coarse, fine) for fine, coarse in pairwise(widths))
        self.heads = nn.ModuleList(nn.Conv2d(width, level, 1) for width, level in zip(widths, channels, strict=False))

    def forward(self, features: Sequence[Float[Tensor, "b _ _ _"]]) -> list[Float[Tensor, "b _ _ _"]]:
        """Restored levels, shaped and ordered like `features`."""
        inner = self.open(self.squeeze(self._fused(features)))
        levels: list[Tensor] = []
        for size in reversed(range(len(self.refine))):
            inner = self.refine[size](inner)
            if size < len(self.heads):
                levels.insert(0, self.heads[size](inner))
            if size > 0:
                inner = self.up[size - 1](inner)
        return levels

    def last(self) -> Iterable[nn.Parameter]:
        """Parameters of the last layers, which Muon leaves to Adam."""
        return self.heads.parameters()

    def _fused(self, features: Sequence[Tensor]) -> Tensor:
        """All levels at the size of the embedding."""
        inner = features[0]
        for size, step in enumerate(self.down, start=1):
            inner = step(inner)
            if size < len(features):
                inner = torch.cat([inner, features[size]], dim=1)
        return inner


def conv_norm(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, SiLU."""
    return nn.Sequential(conv(c_in, c_out, kernel, stride), nn.BatchNorm2d(c_out), nn.SiLU(inplace=True))


class Residual(nn.Module):
    """A 3x3 convolution beside the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(conv(width, width, 3), nn.BatchNorm2d(width))
        self.act = nn.SiLU(inplace=True)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Keeps the shape."""
        result: Tensor = self.act(features + self.inner(features))
        return result


class PixelUp(nn.Module):
    """Doubles the size: a 1x1 convolution to four times the channels, which are then laid out as 2x2 pixels."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = conv(c_in, 4 * c_out, 1)
        self.shuffle = nn.PixelShuffle(2)
        self.norm = nn.BatchNorm2d(c_out)
        self.act = nn.SiLU(inplace=True)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d _ _"]:
        """(b, c_in, h, w) -> (b, c_out, 2h, 2w)."""
        large = self.shuffle(self.conv(features)).contiguous(memory_format=torch.channels_last)
        result: Tensor = self.act(self.norm(large))
        return result


def make_student(settings: StudentSettings, backbone: str, channels: Sequence[int]) -> MirroredStudent | SlimStudent:
    """The student that the settings ask for, for a teacher with these channels."""
    if settings.form == "mirrored":
        return MirroredStudent(channels, form_of(backbone))
    return SlimStudent(channels, settings.widths, settings.embedding, settings.plain)


def check_levels(settings: StudentSettings, levels: Sequence[int], image_size: int) -> None:
    """Whether levels (strides, finest first), the student's widths and image size go together.

    Raises:
        ConfigError: they do not.
    """
    widths = settings.widths
    if any(coarse != 2 * fine for fine, coarse in pairwise(levels)):
        raise ConfigError(
            f"levels are {tuple(levels)}", "strides that double from level to level", "for example levels=[16, 32]"
        )
    if settings.form == "slim" and len(widths) < len(levels):
        raise ConfigError(
            f"student.widths has {len(widths)} values for {len(levels)} levels",
            "a value for each level, and more where the embedding is to be smaller than the last level",
            f"give {len(levels)} values or more",
        )
    step = 2 * levels[-1] if settings.form == "mirrored" else levels[0] * 2 ** (len(widths) - 1)
    if image_size % step:
        near = max(step, round(image_size / step) * step)
        raise ConfigError(f"image_size is {image_size}", f"a multiple of {step}", f"for example {near}")
