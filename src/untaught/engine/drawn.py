"""What a run finds of drawn defects, size by size: for whoever has no real defect yet.

Defects are drawn on the good images that set the threshold. On these, as they are, the false-reject rate is known;
with a drawing on them they show how large, or how strong, something must be to be rejected.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from untaught.anomalies.base import LEAST_SIDE, Pair
from untaught.anomalies.draw import Drawer
from untaught.anomalies.settings import AnomalySettings
from untaught.data.folder import open_dataset
from untaught.data.split import shuffled
from untaught.engine.predict import Detector
from untaught.engine.seed import derive
from untaught.errors import DataError
from untaught.files import write_text
from untaught.image import Recipe
from untaught.progress import Progress, Report, silent
from untaught.records import GOOD, Sample
from untaught.run import Run

SIZES = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
DRAWS = 40


@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawn defect and what became of it.

    `size` is the longest side that was asked for, as a share of the image's shorter side; `area` the share of the
    image's pixels that were changed and `change` by how many grey levels of 255 on average. `reject` says that the
    image was rejected, `marked` that a region shown to the user touches the defect.
    """

    image: str
    kind: str
    size: float
    area: float
    change: float
    score: float
    reject: bool
    marked: bool


def detect_drawn(
    run: Run,
    good: str | None = None,
    *,
    settings: AnomalySettings | None = None,
    sizes: Sequence[float] = SIZES,
    draws: int = DRAWS,
    report: Report = silent,
) -> list[Drawing]:
    """Draw defects on the held-out good images of a run, inspect them, and keep the answers in its drawn.json.

    Args:
        run: a finished run.
        good: data set that holds the held-out images, known by their hashes; default: what the run was trained on.
        settings: what is drawn; its `size` and `clean` do not count.
        sizes: longest sides, as shares of the image's shorter side; those below 3 pixels are left out.
        draws: defects of each size.
        report: told of the progress.

    Raises:
        DataError: none of the held-out images is there any more, no defect could be drawn, or the run looks at depth.
        RunError: another command is at work on the run.
    """
    with run.alone("anomalies detect"):
        return _detect(run, good, settings or AnomalySettings(), sizes, draws, report)


def _detect(
    run: Run, good: str | None, settings: AnomalySettings, sizes: Sequence[float], draws: int, report: Report
) -> list[Drawing]:
    if run.card.recipe.depth is not None:
        came = f"{run.folder} looks at depth, of which nothing is drawn"
        raise DataError(came, "a run on colour alone", "look at real defects with `untaught evaluate`")
    spec = run.card.data.spec if good is None else good
    detector = Detector(run)
    samples, products, images = held_out(detector, spec, draws)
    side = min(images[0].shape[:2])
    sizes = [size for size in sizes if round(size * side) >= LEAST_SIDE]  # smaller ones are drawn no smaller
    jobs = list(draw(images, settings, sizes, draws, run.card.seed))
    jobs = [job for job in jobs if looked_at(run.card.recipe.of(products[job[0]]), job[2].mask)]
    if not jobs:
        raise DataError(
            f"none of {draws * len(sizes)} attempts gave a visible defect", "defects that show", "allow larger ones"
        )
    found = []
    predictions = detector.stream([pair.defect for _, _, pair in jobs], products=[products[job[0]] for job in jobs])
    for done, ((number, size, pair), prediction) in enumerate(zip(jobs, predictions, strict=True), 1):
        limit = detector.calibration_of(products[number]).pixel.value
        marked = bool((prediction.map[pair.mask] > limit).any())
        change = np.abs(pair.defect[pair.mask].astype(np.int16) - pair.image[pair.mask]).max(axis=1).mean()
        found.append(
            Drawing(
                samples[number].name, pair.kind, size, float(pair.mask.mean()), round(float(change), 1),
                prediction.score, prediction.reject, marked,
            )
        )  # fmt: skip
        report(Progress("inspect drawn defects", done, len(jobs)))
    table = {"data": spec, "images": len(images), "side": side, "rows": list(map(asdict, found))}
    write_text(run.folder / "drawn.json", json.dumps(table))
    return found


def held_out(detector: Detector, spec: str, most: int) -> tuple[list[Sample], list[str], list[NDArray[np.uint8]]]:
    """At most so many of the good images that set the thresholds, whose thresholds judge them, and pixels (h, w, 3).

    Raises:
        DataError: none is there.
        ImageError: one does not decode.
    """
    run = detector.run
    dataset, wanted = open_dataset(spec), {item.sha256: item.name for item in run.card.data.calibration}
    good = {sample.name: sample for sample in dataset.samples if not sample.defective}
    order = [good[name] for name in shuffled(sorted(good), run.card.seed)]  # so that all products have their turn
    known = ((sample, wanted.get(dataset.fingerprint(sample, run.card.recipe))) for sample in order)
    found = [(sample, run.card.product_of(name)) for sample, name in known if name is not None][:most]
    if not found:
        raise DataError(
            f"{spec} holds none of the {len(wanted)} good images that set the threshold of {run.folder}",
            "these images, unchanged",
            "name the folder they are in with --good",
        )
    images = [dataset.image(sample, run.card.recipe.of(product)) for sample, product in found]
    return [sample for sample, _ in found], [product for _, product in found], images


def looked_at(recipe: Recipe, mask: NDArray[np.bool_]) -> bool:
    """Whether a defect with this mask (h, w) lies for the most part where one product's images are looked at."""
    return recipe.area is None or bool(recipe.area.inside[mask].mean() > 0.5)


def draw(
    images: Sequence[NDArray[np.uint8]], settings: AnomalySettings, sizes: Sequence[float], draws: int, seed: int
) -> Iterator[tuple[int, float, Pair]]:
    """Number of the image, size and pair; images take turns, and draws that show nothing are left out."""
    for size in sizes:
        drawer = Drawer(settings.model_copy(update={"size": (size, size), "clean": 0.0}))
        for turn in range(draws):
            number = turn % len(images)
            rng = np.random.default_rng(derive(seed, "drawn", f"{size:g}", turn))
            pair = drawer(images[number], rng, images)
            if pair.kind != GOOD:
                yield number, size, pair
