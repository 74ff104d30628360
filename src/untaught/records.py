"""The nouns every layer speaks of. Frozen, numpy only, no behaviour beyond what they mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Severity = Literal["error", "warning", "info"]
Split = Literal["train", "validation", "test"]
GOOD = "good"


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of a data set.

    `name` is unique within its data set and stable (a path relative to its root, with forward slashes);
    `path` is None where the image is drawn in memory. `kind` is "good" or the name of the defect. `product` is empty
    where the data set holds one product only. `depth_path` is the file of distances that belongs to the image. The
    split "validation" holds good images for the thresholds alone.
    """

    name: str
    split: Split
    kind: str = GOOD
    path: Path | None = None
    mask_path: Path | None = None
    product: str = ""
    depth_path: Path | None = None

    @property
    def defective(self) -> bool:
        """Whether the label says that the part is defective."""
        return self.kind != GOOD


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the doctor found in a data set.

    An error spoils a result, a warning may, an info is worth knowing. `code` is a stable name for machines, such as
    `broken-image`; `what` says what was found and `fix` what to do about it, empty for an info that needs nothing.
    `names` are the images or masks it was found in; for copies each entry is `first = second`. `reasons` says why, for
    some names.
    """

    severity: Severity
    code: str
    what: str
    fix: str = ""
    names: tuple[str, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScoreMap:
    """What a method says of one image: raw, dimensionless, never clamped; higher is more anomalous.

    `map` is (h, w) float32 at the model's input size; `score` is the method's own reduction of it.
    """

    map: NDArray[np.float32]
    score: float


@dataclass(frozen=True, slots=True)
class Region:
    """A connected set of pixels above the pixel threshold, in pixels of the inspected image.

    `box` is (left, top, right, bottom), right and bottom exclusive; `contour` is (n, 2) of x, y;
    `area` counts pixels; `score` is the highest map value inside.
    """

    box: tuple[int, int, int, int]
    area: int
    score: float
    contour: NDArray[np.int32]


def region_row(region: Region) -> dict[str, Any]:
    """A region as plain data, for JSON."""
    contour = region.contour.tolist()
    return {"box": list(region.box), "area": region.area, "score": region.score, "contour": contour}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit on scores and what is promised of it.

    A part is rejected when its score is greater than `value`. `wanted` is the false-reject rate that was asked
    for, `rate` the one this threshold stands for. `guaranteed` is True where the rate is a finite-sample bound
    (split conformal, exchangeable good images) and False where it is an extrapolation (tail fit).
    """

    value: float
    wanted: float
    rate: float
    guaranteed: bool
    kind: Literal["conformal", "tail"]
    n: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one inspected image.

    `p_value` is the share of good parts that score at least this high, as bounded by the calibration images;
    `map` is (height, width) float32 at the model's input size; `size` is (width, height) of the inspected image;
    `seconds` is the wall time from source to verdict; `product` is the one whose calibration judged, empty where all
    products' together did.
    """

    name: str
    score: float
    p_value: float
    reject: bool
    size: tuple[int, int]
    map: NDArray[np.float32]
    regions: tuple[Region, ...] = ()
    seconds: float = 0.0
    product: str = ""

    @property
    def verdict(self) -> str:
        """`reject` or `accept`."""
        return "reject" if self.reject else "accept"


@dataclass(frozen=True, slots=True)
class Result:
    """Figures of one group of test images: all of them, one product, or one kind of defect beside all good ones.

    Rates are fractions; a figure that cannot be computed (no defects, no masks) is None, never a made-up number.
    Intervals are Wilson 95 % (low, high). `left_out` tells of images that could not be used: name -> reason.
    """

    n_good: int
    n_defective: int
    image_auroc: float | None = None
    image_ap: float | None = None
    image_f1_max: float | None = None
    pixel_auroc: float | None = None
    pixel_ap: float | None = None
    pixel_f1_max: float | None = None
    aupro: float | None = None
    aupro_limit: float = 0.3
    aupro_05: float | None = None
    false_reject_rate: float | None = None
    false_reject_interval: tuple[float, float] | None = None
    miss_rate: float | None = None
    miss_interval: tuple[float, float] | None = None
    threshold: float | None = None
    seconds_per_image: float | None = None
    kinds: dict[str, Result] = field(default_factory=dict)
    products: dict[str, Result] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
