"""The drawn product of `untaught.data.moulding` as a data set with depth: dents, bumps and holes that only depth shows,
stains that only colour shows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from untaught.data import moulding
from untaught.data.toy import Toy, save_png
from untaught.files import replacing
from untaught.image import NO_LIMITS_GIVEN, Limits
from untaught.records import Sample


@dataclass(frozen=True)
class Toy3D(Toy):
    """The drawn data set with depth; see `Toy` for its attributes. Defective images are of four kinds in turn."""

    word: ClassVar[str] = "toy3d"
    kinds: ClassVar[tuple[str, ...]] = moulding.KINDS
    place: ClassVar[str] = "{split}/{kind}/rgb/{number:03}.png"

    def draw(self, sample: Sample) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """The image, (size, size, 3), and the exact footprint of its defect, (size, size)."""
        made = self._made(sample)
        return made.image, made.footprint

    def depth(self, sample: Sample) -> NDArray[np.float32]:
        """Distance in metres, (size, size); 0 where the sensor saw nothing."""
        return self._made(sample).distance

    def fingerprint(self, sample: Sample, limits: Limits = NO_LIMITS_GIVEN) -> str:
        """SHA-256 of the drawn pixels and distances, in hex."""
        made = self._made(sample)
        return hashlib.sha256(made.image.tobytes() + made.distance.tobytes()).hexdigest()

    def write(self, folder: str | Path) -> Path:
        """Write everything in MVTec 3D-AD's layout, distances as .npy files in metres."""
        folder = Path(folder)
        for sample in self.samples:
            made, path = self._made(sample), folder / sample.name
            save_png(made.image, path)
            with replacing(path.parent.with_name("xyz") / f"{path.stem}.npy") as file:
                np.save(file, made.distance)
            if sample.defective:
                save_png(made.footprint.astype(np.uint8) * 255, path.parent.with_name("gt") / path.name)
        return folder

    def _made(self, sample: Sample) -> moulding.Moulding:
        return moulding.draw(self._entropy(sample), self.size, sample.kind)
