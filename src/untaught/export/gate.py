"""What a smaller precision costs, and where it costs too much to be written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from untaught.anomalies.draw import Drawer
from untaught.anomalies.settings import AnomalySettings
from untaught.bundle.card import DropRecord
from untaught.engine.drawn import looked_at
from untaught.engine.seed import derive
from untaught.errors import BundleError, ConfigError
from untaught.image import Recipe
from untaught.inspector import Inputs
from untaught.metrics.auroc import auroc
from untaught.records import GOOD, ScoreMap

ATTEMPTS = 20  # to draw one where the picture is looked at
MOST = 24  # pictures, and as many drawings, from which ranges and the cost are taken
AUROC_DROP = 0.01
CORRELATION = 0.95


Shown: TypeAlias = tuple[Recipe, Inputs]
"""A picture and the recipe of the product it shows."""


def drawn(pictures: Sequence[Shown], seed: int) -> Iterator[Shown]:
    """Each picture with a drawn defect where it is looked at; those on which none would show are left out.

    Raises:
        ConfigError: the method does not look at colour pictures, and on others nothing can be drawn; or none shows.
    """
    if "image" not in pictures[0][1]:
        came = "a smaller precision of a method that looks at depth alone"
        raise ConfigError(came, "colour pictures, on which defects can be drawn", "export in fp32")
    drawer = Drawer(AnomalySettings(clean=0.0))
    images, count = [inputs["image"] for _, inputs in pictures], 0
    for number, (recipe, inputs) in enumerate(pictures):
        others, rng = images[:number] + images[number + 1 :], np.random.default_rng(derive(seed, "precision", number))
        pairs = (drawer(images[number], rng, others, looked_at(recipe)) for _ in range(ATTEMPTS))
        pair = next((pair for pair in pairs if pair.kind != GOOD), None)
        if pair is not None:
            count += 1
            yield recipe, {**inputs, "image": pair.defect if recipe.area is None else recipe.area.paint(pair.defect)}
    if not count:
        came = "a smaller precision of a model on whose pictures no drawn defect shows where they are looked at"
        raise ConfigError(came, "a larger region, or pictures with more to see", "export in fp32")


@dataclass
class Cost:
    """Answers at full and at smaller precision, to good pictures and to drawn defects."""

    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    defective: list[bool] = field(default_factory=list)
    correlations: list[float] = field(default_factory=list)

    def add(self, answers: Iterable[tuple[ScoreMap, ScoreMap]], *, defective: bool) -> None:
        """Take answers, each at full and at smaller precision."""
        for full, small in answers:
            self.before.append(full.score)
            self.after.append(small.score)
            self.defective.append(defective)
            if defective:
                self.correlations.append(correlation(full, small))

    def record(self) -> DropRecord:
        """What it costs."""
        return DropRecord(
            auroc=auroc(self.before, self.defective),
            auroc_after=auroc(self.after, self.defective) if np.isfinite(self.after).all() else 0.0,
            correlation=float(np.mean(self.correlations)),
        )

    def check(self, precision: str) -> DropRecord:
        """What it costs.

        Raises:
            BundleError: more than is allowed, with the figures.
        """
        record = self.record()
        if not bearable(record):
            raise BundleError(
                f"in {precision} the image AUROC on drawn defects goes from {record.auroc:.4f} to "
                f"{record.auroc_after:.4f}, and the maps correlate by {record.correlation:.4f} with those of fp32",
                f"a fall of at most {AUROC_DROP:g} and a correlation of at least {CORRELATION:g}",
                "export in fp32 or fp16; nothing was written",
            )
        return record


def bearable(record: DropRecord) -> bool:
    """Whether so much may be lost."""
    return record.auroc - record.auroc_after <= AUROC_DROP + 1e-9 and record.correlation >= CORRELATION


def correlation(full: ScoreMap, small: ScoreMap) -> float:
    """Pearson's, of two maps; 0 where one of them is flat or not finite."""
    one, two = (np.asarray(says.map, np.float64).ravel() for says in (full, small))
    one, two = one - one.mean(), two - two.mean()
    length = float(np.sqrt((one @ one) * (two @ two)))
    return float(one @ two) / length if np.isfinite(length) and length > 0 else 0.0
