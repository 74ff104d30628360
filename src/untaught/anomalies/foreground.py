"""Where anomalies may lie: the object, found by Otsu's threshold, or the user's mask.

The object is found on a thumbnail and stretched: an outline to draw within need not be finer, and every image of a
training run passes here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from untaught.anomalies.base import RGB
from untaught.errors import ConfigError
from untaught.image import read_mask
from untaught.regions import label_regions

Mask = NDArray[np.bool_]  # (h, w)
_SIDE = 128


def otsu(image: RGB) -> Mask:
    """The pixels on the side of Otsu's threshold that is rarer along the image's border.

    Source: Otsu, A Threshold Selection Method from Gray-Level Histograms, IEEE SMC 1979.
    """
    return _stretched(_object(image), image)


def largest(image: RGB) -> Mask:
    """The largest connected part of what `otsu` finds, its holes filled."""
    labels, count = label_regions(_object(image))
    if count == 0:
        return np.ones(image.shape[:2], np.bool_)
    part = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    # What is not the part and hangs together with a frame around the image is outside; the rest are holes.
    around, _ = label_regions(np.pad(~part, 1, constant_values=True))
    return _stretched((around != around[0, 0])[1:-1, 1:-1], image)


def from_file(path: Path) -> Mask:
    """The bright pixels of a mask file, at its own size.

    Raises:
        MaskError: the file cannot be read as an image.
        ConfigError: nothing in it is bright.
    """
    mask = read_mask(path)
    if not mask.any():
        raise ConfigError(
            f"foreground: {path} is dark everywhere", "a mask that is bright on the part", "draw the part"
        )
    return mask


def stretched(mask: Mask, height: int, width: int) -> Mask:
    """A mask stretched to an image's size; everything where nothing of it is left."""
    fitted = np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST), np.bool_)
    return fitted if fitted.any() else np.ones((height, width), np.bool_)


def _object(image: RGB) -> Mask:
    """The object on a thumbnail; all of it where the image has one tone only."""
    small = Image.fromarray(image).convert("L")
    small = small.resize((min(_SIDE, small.width), min(_SIDE, small.height)), Image.Resampling.BOX)
    level = np.asarray(small.filter(ImageFilter.GaussianBlur(1)))
    bright = level > threshold(np.bincount(level.ravel(), minlength=256))
    frame = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
    found = ~bright if frame.mean() > 0.5 else bright
    return found if found.any() else np.ones_like(found)


def threshold(histogram: NDArray[np.int64]) -> int:
    """The level (0..255) that parts a histogram (256,) into two classes of the largest variance between them."""
    below = np.cumsum(histogram, dtype=np.float64)
    weighted = np.cumsum(histogram * np.arange(256), dtype=np.float64)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (weighted / below - (weighted[-1] - weighted) / above) ** 2
    best = np.nan_to_num(between)
    # All levels of an empty valley are equally good; its middle is the farthest from both classes.
    return int(np.flatnonzero(best >= best.max() * (1 - 1e-12)).mean())


def _stretched(mask: Mask, image: RGB) -> Mask:
    size = (image.shape[1], image.shape[0])
    soft = Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(soft) > 127
