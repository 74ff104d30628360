"""Several products as one data set: every sample knows its product, and its name begins with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from untaught.data.base import Dataset, FileDataset
from untaught.errors import DataError
from untaught.image import NO_LIMITS_GIVEN, DepthSource, Limits, Recipe, Source
from untaught.records import Sample


@dataclass(frozen=True)
class MultiDataset:
    """Data sets side by side, each under the name of its product.

    A sample is called `product/name`, where `name` is what its own data set calls it.

    Attributes:
        parts: Product -> its data set, at least two.
        root: The folder that holds them all, where there is one.
        beside: Folders of images beside the products, of which none is called good: they are left aside.
    """

    parts: Mapping[str, Dataset]
    root: Path | None = None
    beside: tuple[Path, ...] = ()
    samples: tuple[Sample, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        every = [
            replace(sample, name=f"{product}/{sample.name}", product=product)
            for product, part in self.parts.items()
            for sample in part.samples
        ]
        object.__setattr__(self, "samples", tuple(sorted(every, key=lambda sample: sample.split == "test")))

    @property
    def name(self) -> str:
        """That of the folder, or the products' names."""
        return self.root.resolve().name if self.root else " + ".join(self.parts)

    @property
    def layout(self) -> str:
        """The products, and how each was understood."""
        told = "; ".join(f"{product}: {part.layout}" for product, part in self.parts.items())
        return f"{len(self.parts)} products ({told})"

    @property
    def orphans(self) -> tuple[Path, ...]:
        """Mask files of all products that belong to no image."""
        return tuple(path for part in self.parts.values() if isinstance(part, FileDataset) for path in part.orphans)

    @property
    def unlabelled(self) -> tuple[Path, ...]:
        """Test images of all products of which nothing says whether they are good."""
        return tuple(path for part in self.parts.values() if isinstance(part, FileDataset) for path in part.unlabelled)

    def source(self, sample: Sample) -> Source:
        """What `untaught.image` decodes."""
        return self.parts[sample.product].source(own(sample))

    def image(self, sample: Sample, recipe: Recipe) -> NDArray[np.uint8]:
        """The model's input, (height, width, 3) of the recipe; raises ImageError."""
        return self.parts[sample.product].image(own(sample), recipe)

    def mask(self, sample: Sample) -> NDArray[np.bool_] | None:
        """True where defective, (h, w) at the mask file's own size; None where no mask exists; raises MaskError."""
        return self.parts[sample.product].mask(own(sample))

    def depth(self, sample: Sample) -> DepthSource | None:
        """The distances that belong to the image; None where there are none."""
        return self.parts[sample.product].depth(own(sample))

    def fingerprint(self, sample: Sample, limits: Limits = NO_LIMITS_GIVEN) -> str:
        """SHA-256 of what `source` and `depth` hold, in hex; where it cannot be read, a word no other image has."""
        told = self.parts[sample.product].fingerprint(own(sample), limits)
        return f"{told} of {sample.product}" if told.startswith("unreadable:") else told


def own(sample: Sample) -> Sample:
    """A sample as its product's own data set knows it."""
    return replace(sample, name=sample.name.removeprefix(f"{sample.product}/"), product="")


def combine(datasets: Sequence[Dataset], root: Path | None = None, beside: Sequence[Path] = ()) -> MultiDataset:
    """Several data sets as one; a data set of several products adds all of them.

    A product is named after its folder, and after the folder above as well where two have the same name.

    Raises:
        DataError: The same product is named twice.
    """
    flat: list[tuple[str, Dataset]] = []
    beside = [*beside, *(path for dataset in datasets if isinstance(dataset, MultiDataset) for path in dataset.beside)]
    for dataset in datasets:
        flat += dataset.parts.items() if isinstance(dataset, MultiDataset) else [(dataset.name, dataset)]
    count = Counter(name for name, _ in flat)
    named = [(_longer(name, part) if count[name] > 1 else name, part) for name, part in flat]
    twice = sorted(name for name, n in Counter(name for name, _ in named).items() if n > 1)
    if twice:
        raise DataError(f"the product {', '.join(twice)} comes twice", "each product once", "name its folder once")
    return MultiDataset(dict(named), root, tuple(beside))


def as_known(dataset: Dataset, known: Container[str]) -> Dataset:
    """A data set with its products called as a run knows them: after the folder above as well where only that is known.

    So what was trained as `a-cup` beside `b-cup` is `a-cup` also where it comes alone.
    """
    if isinstance(dataset, MultiDataset):
        parts = {_known(name, part, known): part for name, part in dataset.parts.items()}
        return replace(dataset, parts=parts) if len(parts) == len(dataset.parts) else dataset
    return replace(dataset, name=_known(dataset.name, dataset, known)) if isinstance(dataset, FileDataset) else dataset


def _known(name: str, part: Dataset, known: Container[str]) -> str:
    longer = _longer(name, part)
    return longer if name not in known and longer in known else name


def _longer(name: str, part: Dataset) -> str:
    return f"{part.root.resolve().parent.name}-{name}" if part.root else name
