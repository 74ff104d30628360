"""Masks: any image -> True where the part is defective."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from untaught.errors import ImageError, MaskError
from untaught.image.decoder import upright
from untaught.image.pixels import eight_bit
from untaught.image.recipe import NO_LIMITS_GIVEN, Limits


def read_mask(path: str | Path, limits: Limits = NO_LIMITS_GIVEN, *, labels: bool = False) -> NDArray[np.bool_]:
    """Read a mask at its own size, (h, w), True where defective.

    A mask that is nowhere brighter than 127 holds labels (0 and 1, or 0 to k): everything but 0 is defective.
    A brighter one holds brightness (0 and 255, perhaps smoothed or compressed): defective is at least half of
    its brightest value. Of a colour image the brightest channel counts. `labels` says that every mask of the
    data set holds labels, however large.

    Raises:
        MaskError: The file cannot be read as an image.
    """
    try:
        image, header = upright(Path(path), str(path), limits)
        if not image.mode.startswith("I"):
            image = eight_bit(image, str(path), limits, header.deep)
    except ImageError as error:
        raise MaskError(error.came, error.expected, error.fix) from error
    value = np.asarray(image).astype(np.int64)
    value = value.max(axis=2) if value.ndim == 3 else value
    brightest = int(value.max())
    return value > 0 if labels or brightest < 128 else value >= (brightest + 1) // 2
