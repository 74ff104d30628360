"""The good images a run was calibrated and stopped with, found again by name and hash."""

from __future__ import annotations

from dataclasses import dataclass

from untaught.data.base import Dataset, source_of
from untaught.data.folder import AnyData, in_words, open_dataset
from untaught.engine.predict import run_settings
from untaught.errors import DataError, RunError
from untaught.image import Recipe, Source, WithDepth
from untaught.records import Sample
from untaught.run import Run


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Held-out good images: those of the thresholds first.

    `products` tells which product of the run each of them shows; all are empty where it was trained on one.
    """

    dataset: Dataset
    calibration: tuple[Sample, ...]
    monitor: tuple[Sample, ...]
    products: tuple[str, ...]

    @property
    def samples(self) -> tuple[Sample, ...]:
        """All of them."""
        return self.calibration + self.monitor

    def source(self, sample: Sample, recipe: Recipe) -> Source | WithDepth:
        """What is decoded: the image, with its depth where the recipe asks for it."""
        return source_of(self.dataset, sample, recipe)


def find_held_out(run: Run, data: AnyData | None = None) -> HeldOut:
    """The held-out images of a run, each the very file or drawing it was.

    Args:
        run: a finished run.
        data: where they are now; None: where the run's settings say.

    Raises:
        DataError: the place is gone, or an image is missing or another.
    """
    card, spec = run.card, data or run_settings(run).data
    try:
        dataset = open_dataset(spec)
    except DataError as error:
        raise _moved(run, spec, error.came) from error
    wanted = {item.sha256 for part in (card.data.calibration, card.data.monitor) for item in part}
    names = {item.name for part in (card.data.calibration, card.data.monitor) for item in part}
    found: dict[str, Sample] = {}
    # Most images still have their names: the others are read only where some are missing.
    for sample in sorted(dataset.samples, key=lambda sample: sample.name not in names):
        if len(found) < len(wanted) and not sample.defective:
            told = dataset.fingerprint(sample, card.recipe)
            if told in wanted:
                found.setdefault(told, sample)
    missing = [item.name for item in (*card.data.calibration, *card.data.monitor) if item.sha256 not in found]
    if missing:
        came = f"{len(missing)} of {len(wanted)} held-out images are missing or changed, {missing[0]} among them"
        raise _moved(run, spec, came)
    if not card.data.calibration:
        raise RunError(f"{run.folder} has no held-out images", "a run with thresholds", "train again")
    return HeldOut(
        dataset,
        tuple(found[item.sha256] for item in card.data.calibration),
        tuple(found[item.sha256] for item in card.data.monitor),
        tuple(card.product_of(item.name) for item in (*card.data.calibration, *card.data.monitor)),
    )


def _moved(run: Run, spec: AnyData, came: str) -> DataError:
    return DataError(
        f"the held-out images of {run.folder} are not in {in_words(spec)}: {came}",
        "the same images as at training, with which the exported file is proven",
        "say where they are now with --data DIR",
    )
