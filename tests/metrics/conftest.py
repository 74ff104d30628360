"""Slow references, written from the definitions and independent of the code under test."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage


def brute_aupro(maps, masks, limit):
    """AUPRO by trying every distinct score of every pixel as a threshold."""
    good = np.concatenate([scores[~mask] for scores, mask in zip(maps, masks, strict=True)]).astype(np.float64)
    regions = []
    for scores, mask in zip(maps, masks, strict=True):
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        regions += [scores[labels == number].astype(np.float64) for number in range(1, count + 1)]
    thresholds = np.unique(np.concatenate([good, *regions]))[::-1]
    points = [(0.0, 0.0)]
    points += [((good >= t).mean(), np.mean([(region >= t).mean() for region in regions])) for t in thresholds]
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 >= limit:
            break
        if x1 > limit:
            x1, y1 = limit, y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
        area += (x1 - x0) * (y0 + y1) / 2
    return area / limit


@pytest.fixture(scope="session")
def reference_aupro():
    return brute_aupro


@pytest.fixture
def rng():
    return np.random.default_rng(0)
