"""Exact pixel figures of a whole test set in two passes; good pixels are counted and never kept.

The first pass keeps the defect pixels. The second counts every good pixel into the intervals between their scores,
chunk by chunk. Memory therefore grows with the defect pixels only, and all figures come from one tally: AUROC, average
precision, F1 and AUPRO at any number of limits, for all images and for each group of defective images beside the good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from untaught.errors import MetricError
from untaught.metrics.aupro import area_to
from untaught.metrics.auroc import auroc_from
from untaught.metrics.average_precision import average_precision_from
from untaught.metrics.curves import Curve, pro_from, roc_from, thin
from untaught.metrics.defect_pixels import DefectPixels, defect_pixels, join
from untaught.metrics.f1_max import f1_max_from
from untaught.metrics.good_pixels import GoodPixels, Piece, count_good_pixels
from untaught.metrics.intervals import IntervalCounter
from untaught.metrics.tally import Tally

CHUNK = 1 << 21


@dataclass(frozen=True, slots=True)
class MaskedMap:
    """One image as the pixel figures see it.

    `scores` is the (h, w) map at the mask's own resolution, raw and finite, of any float type; `mask` is (h, w) bool,
    True on defects, or None where every pixel is good. `group` names the kind of a defective image; the pixels of
    an image without a group (a good one) are shared by all groups. Where `inside`, (h, w), is False a pixel counts
    neither as good nor as defective: nobody looks there.
    """

    name: str
    scores: NDArray[np.floating]
    mask: NDArray[np.bool_] | None = None
    group: str | None = None
    inside: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class PixelMetrics:
    """Figures over all pixels of a set, all in 0..1.

    `f1_threshold` is where scores equal to it count as defective. `aupro` is keyed by its limit. The curves have at
    most 512 points. `groups` holds the same for each group of defective images beside the shared ones; a group of
    which nothing can be said (no defect pixel, or no good one) is absent.
    """

    auroc: float
    ap: float
    f1_max: float
    f1_threshold: float
    aupro: dict[float, float]
    roc: Curve
    pro: Curve
    regions: int
    defect_pixels: int
    good_pixels: int
    groups: dict[str, PixelMetrics] = field(default_factory=dict)


Maps = Callable[[], Iterable[MaskedMap]] | Iterable[MaskedMap]


def pixel_metrics(
    maps: Maps, limits: Sequence[float] = (0.3, 0.05), *, chunk: int = CHUNK, workers: int = 2
) -> PixelMetrics:
    """All pixel figures of a set of maps.

    Args:
        maps: the images, read twice, one at a time: a list, or a function that returns a new iterator at each call.
        limits: false-positive rates in (0, 1] at which AUPRO is cut.
        chunk: number of good pixels to count at a time; sets memory and speed, not the figures.
        workers: threads to count with.

    Raises:
        MetricError: a map is not finite, or does not fit its mask (named); no defect pixel, or no good one, in the
            whole set; the second reading gave other pixels than the first; a limit is out of range.
    """
    groups, pixels = _first_pass(maps)
    everything = join(list(groups.values()))
    if not everything.regions:
        raise MetricError(
            "no mask shows a defect", "at least one defect pixel", "check the masks with `untaught doctor`"
        )
    # A group without a name is in the total only; one without a defect pixel has no figures.
    named = {name: own for name, own in groups.items() if name is not None and own.regions}
    total, beside = count_good_pixels(
        _good_pieces(maps),
        IntervalCounter(everything.values),
        {name: np.searchsorted(everything.values, own.values) for name, own in named.items()},
        chunk,
        workers,
    )
    if total.n != pixels - int(everything.hits.sum()):
        raise MetricError("the second reading of the maps gave other pixels than the first", "the same images twice")
    if not total.n:
        raise MetricError("no good pixel in the whole set", "good images, or masks that leave some pixels good")
    figures = {name: _figures(own, beside[name], limits) for name, own in named.items() if beside[name].n}
    return _figures(everything, total, limits, figures)


def _figures(
    defects: DefectPixels, good: GoodPixels, limits: Sequence[float], groups: dict[str, PixelMetrics] | None = None
) -> PixelMetrics:
    counted = Tally(defects.values, defects.hits, defects.weights / defects.regions, good.below, good.upto, good.n)
    best, threshold = f1_max_from(counted)
    pro = pro_from(counted)
    return PixelMetrics(
        auroc=auroc_from(counted),
        ap=average_precision_from(counted),
        f1_max=best,
        f1_threshold=threshold,
        aupro={limit: area_to(pro, limit) for limit in limits},
        roc=thin(roc_from(counted)),
        pro=thin(pro),
        regions=defects.regions,
        defect_pixels=counted.positives,
        good_pixels=good.n,
        groups=groups or {},
    )


def _first_pass(maps: Maps) -> tuple[dict[str | None, DefectPixels], int]:
    """The defect pixels of each group, and the number of all pixels."""
    parts: dict[str | None, list[DefectPixels]] = {}
    pixels = 0
    for item in _read(maps):
        _check(item)
        pixels += item.scores.size if item.inside is None else int(item.inside.sum())
        if item.mask is not None:
            seen = item.mask if item.inside is None else item.mask & item.inside
            parts.setdefault(item.group, []).append(defect_pixels(item.scores, seen))
    if not parts:
        raise MetricError("no image has a mask", "at least one mask with a defect")
    return {name: join(own) for name, own in parts.items()}, pixels


def _good_pieces(maps: Maps) -> Iterator[Piece]:
    for item in _read(maps):
        # Both branches copy, so that the source may reuse its arrays.
        good = None if item.mask is None else ~item.mask
        if item.inside is not None:
            good = item.inside if good is None else good & item.inside
        yield item.group, item.scores.flatten() if good is None else item.scores[good]


def _read(maps: Maps) -> Iterator[MaskedMap]:
    if callable(maps):
        return iter(maps())
    iterator = iter(maps)
    if iterator is maps:
        raise MetricError(
            "the maps are an iterator, which can be read once only",
            "maps that can be read twice",
            "pass a list, or a function that returns a new iterator",
        )
    return iterator


def _check(item: MaskedMap) -> None:
    if item.scores.ndim != 2 or item.scores.dtype.kind != "f":
        came = f"the map of {item.name} is {item.scores.dtype} of shape {item.scores.shape}"
        raise MetricError(came, "floats of shape (h, w)")
    if item.mask is None and item.group is not None:
        raise MetricError(f"{item.name} is defective ({item.group}) and has no mask", "a mask", "leave the image out")
    if item.mask is not None and (item.mask.shape != item.scores.shape or item.mask.dtype != np.bool_):
        raise MetricError(
            f"the mask of {item.name} is {item.mask.dtype} of shape {item.mask.shape}",
            f"bool of shape {item.scores.shape}, as its map",
            "resize the map to the mask, not the mask to the map",
        )
    finite = np.isfinite(item.scores)
    if not finite.all():
        row, column = (int(i) for i in np.argwhere(~finite)[0])
        raise MetricError(
            f"the map of {item.name} is {item.scores[row, column]} at row {row}, column {column}",
            "finite scores",
            "find out what made the method overflow on this image; a figure without it would be of another test set",
        )
