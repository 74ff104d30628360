"""What may be decoded, and how an image becomes the model's input: settings only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from untaught.errors import ConfigError
from untaught.image.area import Area
from untaught.image.depth import DepthRecipe
from untaught.image.tiles import Tiling, corners


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
    """How an image becomes the model's input. Given one of `height` and `width`, the other is equal to it (pixels).

    Attributes:
        height: Of the picture an image is resized to.
        width: Of the picture an image is resized to.
        tiling: How the picture is cut into the model's inputs; None where it is the model's input itself.
        area: Where the picture is looked at; None: everywhere.
        areas: The area of each product, where a model knows several that are not looked at alike; else empty.
        depth: How depth is read beside the image; None where the method takes none.
    """

    height: int = Field(default=256, ge=1, le=8192)
    width: int = Field(default=256, ge=1, le=8192)
    tiling: Tiling | None = None
    area: Area | None = None
    areas: Mapping[str, Area] = Field(default_factory=dict)
    depth: DepthRecipe | None = None

    def of(self, product: str) -> Recipe:
        """The recipe of one product's images; this one where all are looked at within the same area.

        Raises:
            ConfigError: each product has its own, and this is none of them.
        """
        if not self.areas:
            return self
        if product not in self.areas:
            raise ConfigError(
                f"an image of {product or 'a product that nobody names'}, while this model looks at each product "
                "within a region of its own",
                f"one of {', '.join(self.areas)}",
                "name it: --product NAME, in Python inspect(image, product=NAME); to evaluate, call its folder so",
            )
        return self.model_copy(update={"area": self.areas[product], "areas": {}})

    @property
    def tiles(self) -> int:
        """Inputs of the model that an image is cut into."""
        return 1 if self.tiling is None else len(corners(self.height, self.width, self.tiling))

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the model's input."""
        return (self.height, self.width) if self.tiling is None else (self.tiling.side, self.tiling.side)

    @model_validator(mode="after")
    def _fits(self) -> Recipe:
        if self.tiling is not None:
            _, _, bottom, right = self.tiling.within(self.height, self.width)
            if self.tiling.side > min(self.height, self.width) or bottom > self.height or right > self.width:
                raise ValueError(f"tiles of {self.tiling.side} px of a picture of {self.width} x {self.height}")
        if self.area is not None and self.areas:
            raise ValueError("an area of all products beside those of single ones")
        for area in filter(None, (self.area, *self.areas.values())):
            height, width = area.inside.shape
            if (height, width) != (self.height, self.width):
                raise ValueError(f"an area of {width} x {height} px of a picture of {self.width} x {self.height}")
        return self

    @model_validator(mode="before")
    @classmethod
    def _square(cls, values: Any) -> Any:
        if isinstance(values, dict) and ("height" in values) != ("width" in values):
            side = values.get("height", values.get("width"))
            return {**values, "height": side, "width": side}
        return values


NO_LIMITS_GIVEN = Limits()
EVERYWHERE = Recipe()
