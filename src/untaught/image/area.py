"""The area of a picture that is inspected. What lies outside is painted over before anything looks at it.

Training, calibration, inspection and the exported file all read images by one recipe, which holds the area as a mask
at the model's size. They cannot but agree, and nothing outside can reach a weight, a statistic, a map or a score.
"""

from __future__ import annotations

import base64
import hashlib
import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST = 8192 * 8192
Colour = tuple[int, int, int]


class Area(BaseModel):
    """Where a picture is looked at.

    Attributes:
        png: 1-bit PNG in base64 at the recipe's size, white inside.
        sha256: of the mask's bytes, one a pixel, 0 or 1, row by row.
        fill: RGB of everything outside.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    png: str
    sha256: str
    fill: Colour = Field(default=(128, 128, 128))

    @classmethod
    def of(cls, inside: NDArray[np.bool_], fill: Colour) -> Area:
        """The area where a mask (h, w) is True."""
        file = io.BytesIO()
        Image.fromarray(inside).save(file, "PNG", optimize=True)
        return cls(png=base64.b64encode(file.getvalue()).decode(), sha256=_hash(inside), fill=fill)

    @model_validator(mode="after")
    def _unchanged(self) -> Area:
        if _hash(self.inside) != self.sha256:
            raise ValueError("the mask of the area is not the one its sha256 tells of")
        return self

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(h, w), True where the picture is looked at; not to be written to."""
        return _decoded(self.png)

    def at(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """`inside` at another size (width, height)."""
        stretched = Image.fromarray(self.inside).resize(size, Image.Resampling.NEAREST)
        return np.asarray(stretched, np.bool_)

    def paint(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Give everything outside of a picture (h, w, 3) the colour `fill`, in place."""
        picture[~self.inside] = self.fill
        return picture

    def silence(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """A map (h, w) in which everything outside is as low as the lowest place inside."""
        return np.where(self.inside, scores, scores[self.inside].min())


def box_of(inside: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Top, left, bottom and right (exclusive) of the True pixels of a mask that has some."""
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


@lru_cache(maxsize=16)
def _decoded(png: str) -> NDArray[np.bool_]:
    try:
        with Image.open(io.BytesIO(base64.b64decode(png, validate=True)), formats=["PNG"]) as image:
            if image.mode != "1" or image.width * image.height > MOST:
                raise ValueError(f"the mask of the area is {image.mode}, {image.width} x {image.height} pixels")
            inside = np.array(image, np.bool_)
    except (OSError, SyntaxError) as error:
        raise ValueError(f"the mask of the area does not decode ({error})") from None
    if not inside.any():
        raise ValueError("the mask of the area holds no pixel")
    inside.setflags(write=False)
    return inside


def _hash(inside: NDArray[np.bool_]) -> str:
    return hashlib.sha256(np.ascontiguousarray(inside).astype(np.uint8).tobytes()).hexdigest()
