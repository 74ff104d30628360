"""Which good images are trained on and which are held back: by a hash of seed and name, never by order.

The hash makes a split that anyone can repeat from the list of names alone, on any file system, and that moves
few images when some are added.
"""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from untaught.errors import DataError

LEAST = 4


class GoodSplit(NamedTuple):
    """Names of good images, sorted; the three parts are disjoint and together all."""

    train: tuple[str, ...]
    monitor: tuple[str, ...]
    calibration: tuple[str, ...]


def shuffled(names: Sequence[str], seed: int = 0) -> list[str]:
    """The names in an order that depends on seed and names only.

    Raises:
        DataError: A name comes twice.
    """
    if len(set(names)) != len(names):
        twice = sorted(name for name in set(names) if list(names).count(name) > 1)
        raise DataError(f"the name {twice[0]!r} comes twice", "unique names", "rename one of the images")

    def key(name: str) -> tuple[str, str]:
        # The same name is stored composed on Linux and decomposed on macOS.
        text = f"{seed}:{unicodedata.normalize('NFC', name)}"
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest(), name

    return sorted(names, key=key)


def hold_out(names: Sequence[str], share: float, seed: int = 0, most: int | None = None) -> frozenset[str]:
    """A share of the names, rounded down and at most `most`, for a test split that nobody has made."""
    count = int(share * len(names) + 1e-9)
    return frozenset(shuffled(names, seed)[: count if most is None else min(count, most)])


def sizes(n: int) -> tuple[int, int]:
    """How many of `n` good images are kept to monitor and to calibrate.

    Calibration takes a tenth, but at least 20 as long as that is no more than a fifth: max(10 %, min(20, n // 5)).
    The monitor, on which only the stopping rule looks, takes max(2, 5 %). Below ten images each takes one.

    Raises:
        DataError: Fewer than four: two to learn from (one has no variation), one to monitor, one to calibrate.
    """
    if n < LEAST:
        noun = "image" if n == 1 else "images"
        raise DataError(
            f"{n} good {noun}",
            f"at least {LEAST} (2 to learn from, 1 to decide when to stop, 1 to calibrate); 50 are a sensible start",
            "take more images of good parts",
        )
    if n < 10:
        return 1, 1
    return max(2, n // 20), max(math.ceil(n / 10), min(20, n // 5))


def split_products(products: Mapping[str, str], seed: int = 0) -> GoodSplit:
    """Divide the good training images of several products, each by itself.

    So every product is present in every part, and is divided as it would be alone.

    Args:
        products: name of each image -> its product; the name begins with the product where there is one.
        seed: of the split.

    Raises:
        DataError: a product has fewer than four images.
    """
    parts: GoodSplit = GoodSplit((), (), ())
    for product in sorted(set(products.values())):
        start = f"{product}/" if product else ""
        own = [name.removeprefix(start) for name, its in products.items() if its == product]
        try:
            split = split_good(own, seed)
        except DataError as error:
            raise DataError(f"{product}: {error.came}", error.expected, error.fix) if product else error from None
        parts = GoodSplit(*(kept + tuple(start + name for name in new) for kept, new in zip(parts, split, strict=True)))
    return parts


def split_good(names: Sequence[str], seed: int = 0) -> GoodSplit:
    """Divide the good training images; the counts are those of `sizes`.

    Raises:
        DataError: Fewer than four names, or one comes twice.
    """
    monitor, calibration = sizes(len(names))
    order = shuffled(names, seed)
    parts = order[calibration + monitor :], order[calibration : calibration + monitor], order[:calibration]
    return GoodSplit(*(tuple(sorted(part)) for part in parts))


def calibrated_by(parts: GoodSplit, validation: Sequence[str], products: Mapping[str, str]) -> GoodSplit:
    """Where a product brings good images for the thresholds, these calibrate; what was held back for it is learned.

    Args:
        parts: the division of the training images.
        validation: names of the images that are brought; with none nothing changes.
        products: name of each image -> its product.
    """
    bring = {products[name] for name in validation}
    freed = [name for name in parts.calibration if products[name] in bring]
    kept = [name for name in parts.calibration if products[name] not in bring]
    return GoodSplit(tuple(sorted([*parts.train, *freed])), parts.monitor, tuple(sorted([*kept, *validation])))
