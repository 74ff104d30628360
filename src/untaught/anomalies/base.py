"""What drawing gives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Pair(NamedTuple):
    """A good image (h, w, 3), the same with a defect, where it is (h, w), and its kind."""

    image: NDArray[np.uint8]
    defect: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    kind: str
