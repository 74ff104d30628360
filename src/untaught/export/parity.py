"""How far apart torch and a runtime are, image by image, without keeping a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from untaught.bundle.card import ParityRecord, Precision
from untaught.calibration import Calibration
from untaught.errors import BundleError
from untaught.records import ScoreMap

TOLERANCES: dict[Precision, float] = {"fp32": 1e-4, "fp16": 1e-4, "int8": 0.05}
"""Largest difference between runtimes; in 8 bits a value on the edge between two steps may fall to either side."""
ROUNDING = 1e-6


@dataclass
class Tally:
    """The largest differences between one runtime and torch so far."""

    version: str
    score: float = 0.0
    map: float = 0.0
    scores: list[float] = field(default_factory=list)
    maxima: list[float] = field(default_factory=list)

    def add(self, expected: ScoreMap, came: ScoreMap) -> None:
        """Take one image; what is not a number differs infinitely."""
        self.scores.append(came.score)
        self.maxima.append(float(came.map.max()))
        self.score = max(self.score, _distance(abs(expected.score - came.score)))
        self.map = max(self.map, _distance(float(np.abs(expected.map - came.map).max())))


def _distance(value: float) -> float:
    return value if np.isfinite(value) else np.inf


@dataclass
class Comparison:
    """The truth beside the runtimes, over all held-out images: torch, or in a smaller precision ONNX Runtime."""

    truth: str
    tallies: dict[str, Tally]
    scores: list[float] = field(default_factory=list)
    maxima: list[float] = field(default_factory=list)
    score_scale: float = 0.0
    map_scale: float = 0.0

    def add(self, expected: ScoreMap, came: dict[str, ScoreMap]) -> None:
        """Take torch's answer to one image and that of each runtime."""
        self.scores.append(expected.score)
        self.maxima.append(float(expected.map.max()))
        self.score_scale = max(self.score_scale, abs(expected.score))
        self.map_scale = max(self.map_scale, float(np.abs(expected.map).max()))
        for backend, tally in self.tallies.items():
            tally.add(expected, came[backend])

    @property
    def least(self) -> dict[str, float]:
        """What float32 leaves open in any case."""
        return {"score": ROUNDING * self.score_scale, "map": ROUNDING * self.map_scale}

    @property
    def rounding(self) -> dict[str, float]:
        """Twice the largest difference seen, and never less than float32 leaves open."""
        far = {what: max((getattr(tally, what) for tally in self.tallies.values()), default=0.0) for what in self.least}
        return {what: max(2 * far[what], least) for what, least in self.least.items()}

    @property
    def highest(self) -> list[tuple[float, float]]:
        """Score and map maximum of each image in the runtime that gives more: a threshold on these holds in all."""
        rows = [(self.scores, self.maxima), *((tally.scores, tally.maxima) for tally in self.tallies.values())]
        scores, maxima = (np.max([row[part] for row in rows], axis=0).tolist() for part in (0, 1))
        return list(zip(scores, maxima, strict=True))

    def records(self) -> dict[str, ParityRecord]:
        """The differences as the card tells of them."""
        return {
            backend: ParityRecord(
                version=tally.version,
                score=tally.score / (self.score_scale or 1),
                map=tally.map / (self.map_scale or 1),
                score_absolute=tally.score,
                map_absolute=tally.map,
            )
            for backend, tally in self.tallies.items()
        }

    def check(self, tolerance: float) -> None:
        """Refuse to export where a runtime is too far from the truth.

        Raises:
            BundleError: with the runtime and the figures.
        """
        for backend, record in self.records().items():
            if not (record.score <= tolerance and record.map <= tolerance):
                raise BundleError(
                    f"{backend} {record.version} differs from {self.truth} by {record.score:.2g} in the score and "
                    f"{record.map:.2g} in the map, as shares of the largest value",
                    f"at most {tolerance:g}",
                    "report it with the method's name; nothing was written",
                )

    def check_verdicts(self, calibration: Calibration, judged: Sequence[bool] | None = None) -> None:
        """Refuse to export where one image gets another verdict, or regions where there were none.

        Both sides are judged by the thresholds of the file: those of the run are scores of held-out images, which torch
        itself meets to the last digit only with the number of threads it was trained with.

        Args:
            calibration: of the file.
            judged: for each image whether these thresholds judge it; None: all are.

        Raises:
            BundleError: with the runtime and how many.
        """
        which = np.ones(len(self.scores), np.bool_) if judged is None else np.array(judged, np.bool_)
        for backend, tally in self.tallies.items():
            changed = _changed(self.scores, tally.scores, calibration.image.value, which)
            changed += _changed(self.maxima, tally.maxima, calibration.pixel.value, which)
            if changed:
                raise BundleError(
                    f"{changed} of {which.sum()} held-out images get another verdict or other regions in "
                    f"{backend} {tally.version}",
                    "the same verdict for each",
                    "report it with the method's name; nothing was written",
                )


def _changed(one: list[float], other: list[float], limit: float, which: NDArray[np.bool_]) -> int:
    return int(((np.array(one) > limit) != (np.array(other) > limit))[which].sum())


def raised(calibration: Calibration, rounding: dict[str, float]) -> Calibration:
    """The calibration with its scores and thresholds raised by what rounding may add to a score.

    A threshold is the score of one held-out image; in another runtime the same image could fall on either side of it.
    A higher threshold rejects no more good parts: what is promised stays true.
    """
    image, pixel = calibration.image, calibration.pixel
    return replace(
        calibration,
        scores=tuple(score + rounding["score"] for score in calibration.scores),
        image=replace(image, value=image.value + rounding["score"]),
        pixel=replace(pixel, value=pixel.value + rounding["map"]),
    )
