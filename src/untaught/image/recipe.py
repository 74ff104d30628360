"""What may be decoded, and how an image becomes the model's input: settings only."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Limits(BaseModel):
    """What may be decoded, and how bright 16-bit white is.

    Attributes:
        white: Grey value of full scale in 16-bit images; 4095 for a 12-bit camera that does not shift its bits.
        max_pixels: Largest width times height. Pillow's own `Image.MAX_IMAGE_PIXELS` holds for TIFF as well.
        max_bytes: Largest encoded size in bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    white: int = Field(default=65535, ge=1, le=65535)
    max_pixels: int = Field(default=100_000_000, ge=1)
    max_bytes: int = Field(default=256 * 2**20, ge=1)


class Recipe(Limits):
    """How an image becomes the model's input. Given one of `height` and `width`, the other is equal to it (pixels)."""

    height: int = Field(default=256, ge=1, le=8192)
    width: int = Field(default=256, ge=1, le=8192)

    @model_validator(mode="before")
    @classmethod
    def _square(cls, values: Any) -> Any:
        if isinstance(values, dict) and ("height" in values) != ("width" in values):
            side = values.get("height", values.get("width"))
            return {**values, "height": side, "width": side}
        return values


NO_LIMITS_GIVEN = Limits()
