"""Good pixels, counted below and up to every score of a defect pixel as they stream by."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from untaught.metrics.intervals import IntervalCounter
from untaught.metrics.tally import Ints

Piece = tuple[str | None, NDArray[np.floating]]


@dataclass(slots=True)
class GoodPixels:
    """How many of `n` good pixels lie below, and not above, each of some scores: (m,) each."""

    below: Ints
    upto: Ints
    n: int = 0

    @classmethod
    def none(cls, m: int) -> GoodPixels:
        """Nothing counted yet against m scores."""
        return cls(np.zeros(m, np.int64), np.zeros(m, np.int64))

    def add(self, other: GoodPixels) -> None:
        """Count the other's pixels in, against the same scores."""
        self.below += other.below
        self.upto += other.upto
        self.n += other.n

    def at(self, index: Ints) -> GoodPixels:
        """The same pixels against some of the scores only: counts from below need no more than a look-up."""
        return GoodPixels(self.below[index], self.upto[index], self.n)


@dataclass(slots=True)
class _Held:
    """What is known of some pixels before they are settled: (b,) counts, and the values near a defect's."""

    alone: Ints
    close: list[NDArray[np.floating]]
    n: int = 0


def count_good_pixels(
    pieces: Iterable[Piece], counter: IntervalCounter, index: Mapping[str, Ints], chunk: int, workers: int
) -> tuple[GoodPixels, dict[str, GoodPixels]]:
    """Count all pixels against all scores, and for each group its own and the shared ones against its own scores.

    Args:
        pieces: group name, or None where every group shares them, and (n,) scores of good pixels.
        counter: of the (m,) scores of all defect pixels.
        index: for each group, where its scores stand among those of the counter. Other groups count in the total only.
        chunk: number of pixels to work on at a time.
        workers: threads; numpy counts without holding the interpreter lock.
    """
    total, shared = GoodPixels.none(counter.edges), GoodPixels.none(counter.edges)
    own = {name: GoodPixels.none(len(where)) for name, where in index.items()}
    for name, counted in _settled(_chunks(pieces, chunk), counter, chunk, workers):
        total.add(counted)
        if name is None:
            shared.add(counted)
        elif name in own:
            own[name].add(counted.at(index[name]))
    for name, where in index.items():
        own[name].add(shared.at(where))
    return total, own


def _settled(
    chunks: Iterator[Piece], counter: IntervalCounter, most: int, workers: int
) -> Iterator[tuple[str | None, GoodPixels]]:
    """Settle each group once at the end, and the largest one whenever more than `most` close values are held."""
    held: dict[str | None, _Held] = {}
    waiting = 0
    for name, n, (alone, close) in _split(chunks, counter, workers):
        group = held.setdefault(name, _Held(np.zeros(counter.buckets, np.int64), []))
        group.alone += alone
        group.close.append(close)
        group.n += n
        waiting += len(close)
        if waiting > most:
            largest = max(held, key=lambda name: sum(map(len, held[name].close)))
            settled = held.pop(largest)
            waiting -= sum(map(len, settled.close))
            yield largest, _settle(counter, settled)
    for name, group in held.items():
        yield name, _settle(counter, group)


def _settle(counter: IntervalCounter, held: _Held) -> GoodPixels:
    return GoodPixels(*counter.settle(held.alone, np.concatenate(held.close)), held.n)


def _split(
    chunks: Iterator[Piece], counter: IntervalCounter, workers: int
) -> Iterator[tuple[str | None, int, tuple[Ints, NDArray[np.floating]]]]:
    # No more chunks under way than threads and one to follow, or memory would grow with the set.
    under_way: deque[tuple[str | None, int, Future[tuple[Ints, NDArray[np.floating]]]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for name, values in chunks:
            under_way.append((name, len(values), pool.submit(counter.split, values)))
            if len(under_way) > workers:
                name, n, future = under_way.popleft()
                yield name, n, future.result()
        for name, n, future in under_way:
            yield name, n, future.result()


def _chunks(pieces: Iterable[Piece], size: int) -> Iterator[Piece]:
    """Pieces of one group put together until `size` pixels are held; then the largest group's are handed on."""
    held: dict[str | None, list[NDArray[np.floating]]] = {}
    pixels: dict[str | None, int] = {}
    for name, values in pieces:
        for start in range(0, len(values), size):
            part = values[start : start + size]
            held.setdefault(name, []).append(part)
            pixels[name] = pixels.get(name, 0) + len(part)
            if sum(pixels.values()) >= size:
                largest = max(pixels, key=pixels.__getitem__)
                del pixels[largest]
                yield largest, np.concatenate(held.pop(largest))
    for name, parts in held.items():
        yield name, np.concatenate(parts)
