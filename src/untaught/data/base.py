"""What a data set is, for everything above: a name, samples, and how to get an image and its mask."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from untaught.errors import DataError, ImageError
from untaught.image import (
    NO_LIMITS_GIVEN,
    DepthSource,
    Limits,
    Recipe,
    Source,
    WithDepth,
    check_file,
    read,
    read_mask,
)
from untaught.records import GOOD, Sample


class Dataset(Protocol):
    """Images with labels, split into train and test.

    `layout` says in words how the folder was understood. `samples` are in a fixed order and their names unique.
    """

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def root(self) -> Path | None:
        """Folder the sample names are relative to; None where images are drawn in memory."""

    @property
    def layout(self) -> str:
        """How the folder was understood, in words."""

    @property
    def samples(self) -> tuple[Sample, ...]:
        """All samples, train before test."""

    def source(self, sample: Sample) -> Source:
        """What `untaught.image` decodes."""

    def image(self, sample: Sample, recipe: Recipe) -> NDArray[np.uint8]:
        """The model's input, (height, width, 3) of the recipe; raises ImageError."""

    def mask(self, sample: Sample) -> NDArray[np.bool_] | None:
        """True where defective, (h, w) at the mask file's own size; None where no mask exists; raises MaskError."""

    def depth(self, sample: Sample) -> DepthSource | None:
        """The distances that belong to the image; None where there are none."""

    def fingerprint(self, sample: Sample, limits: Limits = NO_LIMITS_GIVEN) -> str:
        """SHA-256 of what `source` and `depth` hold, in hex; where it cannot be read, a word no other image has."""


@dataclass(frozen=True, slots=True)
class FileDataset:
    """A data set of files, whatever its layout was.

    Attributes:
        orphans: Mask files that belong to no image.
        labels: Masks hold class numbers rather than brightness (see `untaught.image.read_mask`).
        unlabelled: Images of the test of which nothing says whether they are good; they are left aside.
    """

    name: str
    root: Path
    layout: str
    samples: tuple[Sample, ...]
    orphans: tuple[Path, ...] = ()
    labels: bool = False
    unlabelled: tuple[Path, ...] = ()

    def source(self, sample: Sample) -> Source:
        """The image's path."""
        return sample.path or self.root / sample.name

    def image(self, sample: Sample, recipe: Recipe) -> NDArray[np.uint8]:
        """The model's input, (height, width, 3) of the recipe; raises ImageError."""
        return read(self.source(sample), recipe)

    def mask(self, sample: Sample) -> NDArray[np.bool_] | None:
        """True where defective, (h, w) at the mask file's own size; None where no mask exists; raises MaskError."""
        return None if sample.mask_path is None else read_mask(sample.mask_path, labels=self.labels)

    def depth(self, sample: Sample) -> DepthSource | None:
        """The path of the depth file, None where there is none."""
        return sample.depth_path

    def fingerprint(self, sample: Sample, limits: Limits = NO_LIMITS_GIVEN) -> str:
        """SHA-256 of the bytes of its files, in hex; `unreadable:` and its name where the decoder would refuse them."""
        told = hashlib.sha256()
        try:
            for path in (self.source(sample), sample.depth_path):
                if path is not None:
                    check_file(Path(str(path)), limits)
                    with Path(str(path)).open("rb") as file:
                        hashlib.file_digest(file, lambda: told)
        except (OSError, ImageError):
            return f"unreadable:{sample.name}"
        return told.hexdigest()


def train_good(dataset: Dataset) -> tuple[Sample, ...]:
    """The good images to learn from.

    Raises:
        DataError: There are none.
    """
    good = tuple(sample for sample in dataset.samples if sample.split == "train" and sample.kind == GOOD)
    if not good:
        where = dataset.root or dataset.name
        raise DataError(
            f"{where}: no good images to learn from ({dataset.layout})",
            "a folder `good` or `train/good` with PNG, JPEG, BMP or TIFF files",
            "put images of good parts there",
        )
    return good


def fingerprints(
    dataset: Dataset, samples: Iterable[Sample], limits: Limits = NO_LIMITS_GIVEN
) -> tuple[dict[str, str], list[str]]:
    """The fingerprint of each image by name, and the names of those that are exact copies of others.

    Of copies the first by name counts. The others may neither learn nor set a threshold: one of them might calibrate
    what its copy was trained on, and a hundred of them promise no more than one image does.
    """
    hashes = {sample.name: dataset.fingerprint(sample, limits) for sample in samples}
    first: dict[str, str] = {}
    for name in sorted(hashes):
        first.setdefault(hashes[name], name)
    return hashes, sorted(set(hashes) - set(first.values()))


def to_evaluate(dataset: Dataset) -> tuple[Sample, ...]:
    """The images to evaluate on, good and defective; empty where the data set has no test split."""
    return tuple(sample for sample in dataset.samples if sample.split == "test")


def source_of(dataset: Dataset, sample: Sample, recipe: Recipe) -> Source | WithDepth:
    """What `read_inputs` and an inspector take: the image, with its depth where the recipe asks for it."""
    image = dataset.source(sample)
    return image if recipe.depth is None else WithDepth(image, dataset.depth(sample))


def require_depth(dataset: Dataset, samples: Sequence[Sample]) -> None:
    """Whether all these images have depth.

    Raises:
        DataError: naming those that have none.
    """
    without = [sample.name for sample in samples if dataset.depth(sample) is None]
    if without:
        few = ", ".join(without[:5]) + (" ..." if len(without) > 5 else "")
        raise DataError(
            f"{len(without)} of {len(samples)} images have no depth file: {few}",
            "a file of the same name in `xyz` (or `depth`) beside `rgb` for each image: .tiff, .png (16 bits) or .npy",
            "add the missing files, remove these images, or train on colour alone",
        )
