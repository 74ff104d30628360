"""A small product line drawn in memory: the data set that needs no file.

Each image is drawn when it is asked for, from the seed and its own number alone: order, repetition and threads make
no difference. The part is that of `untaught.data.part`, its defects those of `untaught.data.flaws`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from untaught.data.flaws import KINDS, flaw
from untaught.data.part import View, coverage, mat, noise, steel, view, whole
from untaught.files import replacing
from untaught.image import NO_LIMITS_GIVEN, Limits, Recipe, read
from untaught.records import GOOD, Sample, Split


@dataclass(frozen=True)
class Toy:
    """The drawn data set.

    Attributes:
        seed: Another seed is another set of parts from the same line.
        train: Number of good images to learn from.
        test_good: Number of good images to test with.
        test_bad: Number of defective images, the five kinds in turn.
        size: Height and width in pixels.
    """

    seed: int = 0
    train: int = 100
    test_good: int = 20
    test_bad: int = 40
    size: int = 256
    samples: tuple[Sample, ...] = field(init=False, repr=False, compare=False)
    word: ClassVar[str] = "toy"
    kinds: ClassVar[tuple[str, ...]] = KINDS
    place: ClassVar[str] = "{split}/{kind}/{number:03}.png"

    def __post_init__(self) -> None:
        groups: list[tuple[Split, str, int]] = [("train", GOOD, self.train), ("test", GOOD, self.test_good)]
        share, rest = divmod(self.test_bad, len(self.kinds))
        groups += [("test", kind, share + (number < rest)) for number, kind in enumerate(self.kinds)]
        made = (
            Sample(self.place.format(split=split, kind=kind, number=n), split, kind)
            for split, kind, count in groups
            for n in range(count)
        )
        object.__setattr__(self, "samples", tuple(made))

    @property
    def name(self) -> str:
        """The word that opens it, with the seed where it is not 0."""
        return f"{self.word}:{self.seed}" if self.seed else self.word

    @property
    def root(self) -> None:
        """There is no folder."""
        return

    @property
    def layout(self) -> str:
        """What this is, in words."""
        return f"drawn in memory with seed {self.seed}, {self.size} x {self.size} pixels"

    def draw(self, sample: Sample) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """The image, (size, size, 3), and the exact footprint of its defect, (size, size)."""
        return draw(self._entropy(sample), self.size, sample.kind)

    def source(self, sample: Sample) -> NDArray[np.uint8]:
        """The drawn image, (size, size, 3)."""
        return self.draw(sample)[0]

    def image(self, sample: Sample, recipe: Recipe) -> NDArray[np.uint8]:
        """The model's input, (height, width, 3) of the recipe."""
        return read(self.source(sample), recipe)

    def mask(self, sample: Sample) -> NDArray[np.bool_] | None:
        """The exact footprint, (size, size); None for a good part."""
        return self.draw(sample)[1] if sample.defective else None

    def depth(self, sample: Sample) -> NDArray[np.float32] | None:
        """There is none."""
        return None

    def fingerprint(self, sample: Sample, limits: Limits = NO_LIMITS_GIVEN) -> str:
        """SHA-256 of the drawn pixels, in hex."""
        return hashlib.sha256(self.source(sample).tobytes()).hexdigest()

    def _entropy(self, sample: Sample) -> list[int]:
        group = (sample.split == "test") + (self.kinds.index(sample.kind) + 1 if sample.defective else 0)
        return [self.seed, group, int(Path(sample.name).stem)]

    def write(self, folder: str | Path) -> Path:
        """Write everything as PNG files in MVTec AD's layout; each file appears complete or not at all."""
        folder = Path(folder)
        for sample in self.samples:
            image, mask = self.draw(sample)
            save_png(image, folder / sample.name)
            if sample.defective:
                truth = Path("ground_truth", *sample.name.split("/")[1:])
                save_png(mask.astype(np.uint8) * 255, folder / truth.with_name(f"{truth.stem}_mask.png"))
        return folder


def draw(entropy: list[int], size: int, kind: str = GOOD) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """One part: pose, light and grain depend on `entropy` only, so a part is the same with a flaw and without.

    Returns:
        The image, (size, size, 3) uint8, and the flaw's footprint, (size, size), empty for a good part.
    """
    seen = view(np.random.default_rng([*entropy, 0]), size)
    good = whole(seen)
    made = None if kind == GOOD else flaw(kind, seen, good, np.random.default_rng([*entropy, 1]))
    form = made.form if made else good
    ground, metal = mat(seen), steel(seen, form)
    if made and made.add is not None:
        metal = metal + made.add
    cover = coverage(form.metal, seen.pixel)
    grey = (ground + cover * (metal - ground)) * np.float32(seen.brightness)
    colour = grey[..., None] * np.asarray(seen.tint, np.float32)
    if made and made.film is not None:
        film = (made.film * cover)[..., None]
        colour *= 1 - film * (1 - np.asarray(made.colour, np.float32))
    footprint = made.footprint if made else np.zeros((size, size), bool)
    return _photographed(colour, seen), footprint


def _photographed(colour: NDArray[np.float32], seen: View) -> NDArray[np.uint8]:
    """A slightly soft lens and a little noise."""
    wide = np.pad(colour, ((1, 1), (1, 1), (0, 0)), mode="edge")
    wide = np.float32(0.18) * (wide[:-2] + wide[2:]) + np.float32(0.64) * wide[1:-1]
    soft = np.float32(0.18) * (wide[:, :-2] + wide[:, 2:]) + np.float32(0.64) * wide[:, 1:-1]
    dark = np.stack([noise(seen.rng, seen.size) for _ in range(3)], axis=2)
    return np.asarray(np.clip(soft * 255 + np.float32(1.8) * dark, 0, 255), np.uint8)


def save_png(array: NDArray[np.uint8], path: Path) -> None:
    """Write a picture, whole or not at all."""
    with replacing(path) as file:
        Image.fromarray(array).save(file, "PNG")
