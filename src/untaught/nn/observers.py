"""Students that look at the image themselves, beside the teacher, and answer level by level as it does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from untaught.config import Frozen
from untaught.errors import ConfigError
from untaught.nn.backbones import Backbone, fresh_backbone
from untaught.nn.students import Residual, conv_norm


class ObserverSettings(Frozen):
    """The student's build."""

    form: Literal["plain", "twin"] = Field(
        default="plain", description="`twin`: the teacher's architecture; `plain`: ordinary convolutions, for two cores"
    )
    widths: tuple[int, ...] = Field(
        default=(24, 32, 64, 128, 192), description="plain: channels at stride 2, 4, 8 and so on"
    )
    depth: int = Field(default=1, ge=0, description="plain: residual blocks at each level that is compared")

    @property
    def light(self) -> bool:
        """Whether the student is the one for two cores, which trains well in bfloat16."""
        return self.form == "plain"


class Twin(Backbone):
    """The teacher's architecture with random weights.

    Args:
        name: the timm model.
        strides: its levels.
    """

    def __init__(self, name: str, strides: Sequence[int]) -> None:
        super().__init__(name, fresh_backbone(name, strides))

    def last(self) -> Iterable[nn.Parameter]:
        """No layer stands apart as the last."""
        return ()


class PlainStudent(nn.Module):
    """Ordinary 3x3 convolutions that halve the image step by step, with a linear 1x1 head for each level.

    An ordinary convolution trains several times faster on a processor than the depthwise ones of a small teacher.

    Args:
        channels: channels of the teacher's levels, finest first.
        strides: of the levels, powers of two.
        widths: channels at stride 2, 4, 8 and so on, down to the last level.
        depth: residual blocks behind the step to each level.

    Raises:
        ConfigError: a stride is no power of two, or there are too few widths.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], widths: Sequence[int], depth: int) -> None:
        super().__init__()
        steps = [stride.bit_length() - 1 for stride in strides]
        if any(2**step != stride for step, stride in zip(steps, strides, strict=True)) or max(steps) > len(widths):
            raise ConfigError(
                f"student.widths has {len(widths)} values for levels of stride {', '.join(map(str, strides))}",
                "strides that are powers of two, and a width for stride 2, 4, 8 and so on down to the last",
                f"give {max(steps)} widths",
            )
        self.at = steps
        self.steps = nn.ModuleList()
        wide = 3
        for number, width in enumerate(widths[: max(steps)], start=1):
            blocks = [Residual(width) for _ in range(depth if number in steps else 0)]
            self.steps.append(nn.Sequential(*conv_norm(wide, width, 3, 2), *blocks))
            wide = width
        self.outputs = nn.ModuleList(
            nn.Conv2d(widths[step - 1], level, 1) for step, level in zip(steps, channels, strict=True)
        )

    def last(self) -> Iterable[nn.Parameter]:
        """Parameters of the last layers, which Muon leaves to Adam."""
        return self.outputs.parameters()

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Levels shaped and ordered like the teacher's; `image` is RGB in 0..1."""
        inner = (2 * image - 1).contiguous(memory_format=torch.channels_last)
        seen = []
        for step in self.steps:
            inner = step(inner)
            seen.append(inner)
        return [output(seen[step - 1]) for step, output in zip(self.at, self.outputs, strict=True)]


def make_observer(
    settings: ObserverSettings, backbone: str, strides: Sequence[int], channels: Sequence[int]
) -> Twin | PlainStudent:
    """The student that the settings ask for, for a teacher with these levels."""
    if settings.form == "twin":
        return Twin(backbone, strides)
    return PlainStudent(channels, strides, settings.widths, settings.depth)
