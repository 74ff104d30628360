"""The pixels of defect regions, which are the only ones that have to be kept: their scores and their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from untaught.metrics.tally import Floats, Ints
from untaught.regions import find_runs


@dataclass(frozen=True, slots=True)
class DefectPixels:
    """Defect pixels of some images, merged by score.

    `values` (m,) are their distinct scores, ascending; `hits` (m,) counts the pixels with each; `weights` (m,) sums
    1 / (size of the region) over them, so that all weights add up to `regions`.
    """

    values: NDArray[np.floating]
    hits: Ints
    weights: Floats
    regions: int


def defect_pixels(scores: NDArray[np.floating], mask: NDArray[np.bool_]) -> DefectPixels:
    """The defect pixels of one image.

    Args:
        scores: (h, w) finite map of raw scores.
        mask: (h, w) bool, True on defects.

    Raises:
        MetricError: the mask is not bool of two dimensions.
    """
    runs = find_runs(mask)
    # The pixels under the mask in reading order are the runs one after the other.
    weights = np.repeat((1.0 / runs.areas)[runs.label - 1], runs.length)
    values = scores[mask]
    return _merged(np.argsort(values), values, np.ones(len(values), np.int64), weights, runs.count)


def join(parts: Sequence[DefectPixels]) -> DefectPixels:
    """The defect pixels of several images as those of one; there must be at least one part."""
    values = np.concatenate([part.values for part in parts])
    return _merged(
        # A stable sort finds the ascending stretches of the parts and only merges them.
        np.argsort(values, kind="stable"),
        values,
        np.concatenate([part.hits for part in parts]),
        np.concatenate([part.weights for part in parts]),
        sum(part.regions for part in parts),
    )


def _merged(
    order: NDArray[np.int64], values: NDArray[np.floating], hits: Ints, weights: Floats, regions: int
) -> DefectPixels:
    if not len(values):
        return DefectPixels(values, hits, weights, regions)
    ordered = values[order]
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    return DefectPixels(
        ordered[first], np.add.reduceat(hits[order], first), np.add.reduceat(weights[order], first), regions
    )
