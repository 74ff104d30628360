"""Count a stream of values into the intervals between fixed edges, exactly, without sorting most of them.

A table cuts the number line into about a million buckets. Values in a bucket that holds no edge are only counted, for
one addition settles where they lie; values that share a bucket with an edge (a few in a hundred) are sorted and looked
up. The buckets are of one width around the median edge and widen far from it, so that neither zero nor an outlier takes
them all. The result does not depend on them: badly cut buckets cost time, not exactness.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from untaught.metrics.tally import Ints

BUCKET_BITS = 20


class IntervalCounter:
    """Tells how many of a stream of values lie below, and how many not above, each edge. Threads may share it."""

    def __init__(self, edges: NDArray[np.floating], bucket_bits: int = BUCKET_BITS) -> None:
        """Lay the table for (m,) edges: finite, ascending, distinct, at least one; about 2 ** bucket_bits buckets."""
        self._edges = edges
        low, centre, high = (float(edges[len(edges) * part // 4]) for part in (1, 2, 3))
        largest = float(np.finfo(np.float32).max)
        self._centre = np.float32(min(max(centre, -largest), largest))
        self._spread = np.float32(min(high - low, largest))
        keys = self._keys(edges)
        first, last = int(keys[0]), int(keys[-1])
        self._shift = max(0, (last - first).bit_length() - bucket_bits)
        # One bucket more on either side, for all that is lower or higher than every bucket with an edge.
        self._first = (first >> self._shift) - 1
        self._last = (last >> self._shift) + 1
        self._edge_bucket = self._buckets(edges)
        self._crowded = np.zeros(self._last - self._first + 1, np.bool_)
        self._crowded[self._edge_bucket] = True

    @property
    def edges(self) -> int:
        """Number of edges, m."""
        return len(self._edges)

    @property
    def buckets(self) -> int:
        """Number of buckets, b."""
        return len(self._crowded)

    def split(self, values: NDArray[np.floating]) -> tuple[Ints, NDArray[np.floating]]:
        """Number of values in each bucket without an edge, (b,), and the values of all other buckets.

        Both may be summed, and joined, over chunks of (n,) finite values before `settle`.
        """
        bucket = self._buckets(values)
        alone = np.bincount(bucket, minlength=self.buckets)
        alone[self._crowded] = 0
        return alone, values[self._crowded[bucket]]

    def settle(self, alone: Ints, close: NDArray[np.floating]) -> tuple[Ints, Ints]:
        """How many values are lower than, and lower than or equal to, each edge: two of (m,)."""
        passed = np.cumsum(alone)[self._edge_bucket]
        ordered = np.sort(close)
        below = passed + np.searchsorted(ordered, self._edges, side="left")
        upto = passed + np.searchsorted(ordered, self._edges, side="right")
        return below, upto

    def _buckets(self, values: NDArray[np.floating]) -> NDArray[np.int32]:
        bucket = self._keys(values)
        bucket >>= self._shift
        np.clip(bucket, self._first, self._last, out=bucket)
        bucket -= self._first
        return bucket

    def _keys(self, values: NDArray[np.floating]) -> NDArray[np.int32]:
        """Integers that never fall where values rise: linear within the spread of the edges, logarithmic beyond.

        The bits of a positive float, read as an integer, are such a scale. Each step rounds, and so keeps the order.
        """
        with np.errstate(over="ignore"):
            distance = values.astype(np.float32, copy=False) - self._centre
            keys: NDArray[np.int32] = (np.abs(distance) + self._spread).view(np.int32)
        keys -= self._spread.view(np.int32)
        # Negative where the value is below the centre: x ^ -1 is -x - 1.
        sign = distance.view(np.int32) >> 31
        keys ^= sign
        keys -= sign
        return keys
