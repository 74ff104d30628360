"""A run measured on a test split: raw scores, each mask at its own resolution, at the calibrated threshold."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from untaught.data.base import Dataset, require_depth, source_of
from untaught.data.folder import AnyData, in_words, open_dataset
from untaught.data.products import as_known
from untaught.engine.gallery import Item, choose, write_gallery
from untaught.engine.guard import Guard
from untaught.engine.predict import AnyRun, Detector
from untaught.engine.usable import broken, check_aspect, spoiled, tested
from untaught.errors import ConfigError, DataError, ImageError, MetricError, RunError
from untaught.files import write_text
from untaught.image import EVERYWHERE, Area, Recipe, resize_map
from untaught.metrics.accumulate import MaskedMap, PixelMetrics, pixel_metrics
from untaught.metrics.auroc import auroc
from untaught.metrics.average_precision import average_precision
from untaught.metrics.curves import roc_curve, thin
from untaught.metrics.f1_max import f1_max
from untaught.metrics.wilson import wilson
from untaught.progress import Progress, Report, silent
from untaught.records import GOOD, Prediction, Result, Sample, region_row
from untaught.run import Run, opened

USED = ("train", "monitor", "calibration", "earlier")  # lists of the card in which no test image may be
KEYS = [
    "image_auroc",
    "image_ap",
    "image_f1_max",
    "pixel_auroc",
    "pixel_ap",
    "pixel_f1_max",
    "aupro",
    "aupro_limit",
    "false_reject_rate",
    "miss_rate",
    "threshold",
    "n_good",
    "n_defective",
    "seconds_per_image",
]


def evaluate(
    run: AnyRun, data: AnyData, *, limit: float = 0.3, on_bad_image: str = "fail", report: Report = silent
) -> Result:
    """Measure a run on the test split of `data`; the figures go into the run's card, its rows into evaluation.json.

    A run on several products judges each image by the thresholds of its product where it knows it by name, else by
    those of all together. Where `data` has several products, the figures of each are given besides.

    Args:
        run: a finished run, its folder, or a detector made of it.
        data: a data set with a test split, or several.
        limit: false-positive rate at which AUPRO is cut; AUPRO@0.05 is given besides.
        on_bad_image: `fail` or `skip` where test images do not decode or their masks cannot be used; skipped ones are
            in the result's `left_out`.
        report: told of the progress.

    Raises:
        ConfigError: `on_bad_image` is neither.
        DataError: there is no test split, one of its images was trained on, or has no depth where the run wants it;
            images do not decode (all are named), or none does.
        MaskError: masks do not decode or are not of their image's shape (all are named).
        MetricError: a score is not finite.
        RunError: another command is at work on the run.
    """
    run = opened(run)
    with run.alone("evaluate"):
        return _evaluate(run, data, limit, on_bad_image, report)


def _evaluate(run: Run, data: AnyData, limit: float, on_bad_image: str, report: Report) -> Result:
    if on_bad_image not in ("fail", "skip"):
        raise ConfigError(f"--on-bad-image {on_bad_image}", "fail or skip", "correct it")
    if not isinstance(limit, int | float) or not 0 < limit <= 1:
        raise MetricError(f"the limit of AUPRO is {limit}", "a false-positive rate above 0 and at most 1", "give 0.3")
    dataset = as_known(open_dataset(data), run.card.products)
    samples = tested(dataset, in_words(data))
    detector = Guard(run, USED)
    refuse_leaks(detector, dataset, samples)
    recipe = run.card.recipe
    if recipe.depth is not None:
        require_depth(dataset, samples)
    unmeasured = spoiled(dataset, samples, recipe, on_bad_image)
    samples = tuple(sample for sample in samples if sample.name not in unmeasured)
    side = (recipe.height, recipe.width)
    with spilled((len(samples), *side)) as maps:
        answers = list(_score(detector, dataset, samples, maps, report))
        left_out = unmeasured | broken(dataset, samples, answers, on_bad_image)
        samples = tuple(sample for sample in samples if sample.name not in left_out)
        rows = [answer for answer in answers if not isinstance(answer, ImageError)]
        scored = Scored(dataset, samples, rows, maps, recipe)
        pixels = scored.pixels(limit, report)
        judged_by = {product_of(sample, dataset, detector) for sample in samples}
        judge = detector.calibration_of(judged_by.pop() if len(judged_by) == 1 else "")
        result = scored.result(limit, pixels, judge.image.value)
        products = _products(scored, limit, detector, report)
        result = dataclasses.replace(result, products=products, left_out=left_out)
        places = choose(samples, rows)
        table = {
            "data": {
                "spec": in_words(data),
                "name": dataset.name,
                "layout": dataset.layout,
            },
            "aupro_limit": limit,
            "curves": scored.curves(pixels),
            "rows": [
                as_row(sample, row, places.index(number) if number in places else None)
                for number, (sample, row) in enumerate(zip(samples, rows, strict=True))
            ],
        }
        run.forget_evaluation()
        run.card.metrics[dataset.name] = result
        run.save_card()
        items = [
            Item(source_of(dataset, samples[place], recipe), maps[place], _mask(dataset, samples[place]))
            for place in places
        ]
        write_gallery(run.folder / "gallery.npz", recipe, items)
    write_text(run.folder / "evaluation.json", json.dumps(table))  # last: see `Run.forget_evaluation`
    return result


def refuse_leaks(detector: Guard, dataset: Dataset, samples: Sequence[Sample]) -> None:
    """Raise where a test image was trained on, held out or calibrated with, by the bytes of its file.

    The same picture in another file is found when it is decoded.
    """
    leaks = [sample.name for sample in samples if dataset.fingerprint(sample, detector.recipe) in detector.files]
    if leaks:
        raise DataError(
            f"{len(leaks)} test image(s) were used in training or calibration, {', '.join(leaks[:5])} among them",
            "test images the run has never seen",
            "remove the copies (`untaught doctor` lists them) and train again",
        )


@contextlib.contextmanager
def spilled(shape: tuple[int, ...]) -> Iterator[NDArray[np.float32]]:
    """An array on disk that is gone afterwards. Its space is taken at once: a full disk is an error, not a fault."""
    size = int(np.prod(shape)) * 4
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.TemporaryFile())
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            file.truncate(size)
        except OSError as error:
            came = f"{size / 2**20:.0f} MiB cannot be kept in {tempfile.gettempdir()} ({error.strerror})"
            raise RunError(came, "as much free space", "free space, or name another place by TMPDIR") from None
        yield np.memmap(file, np.float32, "r+", shape=shape)


def to_json(result: Result) -> dict[str, Any]:
    """The figures as plain data: the keys of `KEYS`, the same for each kind of defect under `kinds`.

    Where there are several products, all this for each of them is under `products`. Images that were left out, as they
    or their masks cannot be used, are under `left_out`, each with the reason.
    """
    row: dict[str, Any] = {key: getattr(result, key) for key in KEYS}
    row["kinds"] = {kind: {key: getattr(part, key) for key in KEYS} for kind, part in result.kinds.items()}
    if result.products:
        row["products"] = {product: to_json(part) for product, part in result.products.items()}
    if result.left_out:
        row["left_out"] = result.left_out
    return row


def _score(
    detector: Detector, dataset: Dataset, samples: Sequence[Sample], maps: NDArray[np.float32], report: Report
) -> Iterator[Prediction | ImageError]:
    """The answers, in order; the maps of those that decode fill `maps` from its start."""
    sources = (source_of(dataset, sample, detector.recipe) for sample in samples)
    names = (sample.name for sample in samples)
    products = (product_of(sample, dataset, detector) for sample in samples)
    place = 0
    for number, answer in enumerate(detector.stream_all(sources, names, products)):
        if isinstance(answer, ImageError):
            yield answer
        else:
            maps[place] = answer.map
            yield dataclasses.replace(answer, map=maps[place])
            place += 1
        report(Progress("inspect", number + 1, len(samples)))


def product_of(sample: Sample, dataset: Dataset, detector: Detector) -> str:
    """The product whose thresholds judge a sample; empty where the run does not know it by name."""
    name = sample.product or dataset.name
    return name if name in detector.products else ""


def _mask(dataset: Dataset, sample: Sample) -> NDArray[np.bool_] | None:
    return dataset.mask(sample) if sample.defective else None


@dataclass
class Scored:
    """Test images with their predictions; maps lie on disk. Pixels outside the recipe's area count in no figure."""

    dataset: Dataset
    samples: Sequence[Sample]
    rows: Sequence[Prediction]
    maps: Sequence[NDArray[np.float32]] | NDArray[np.float32]
    recipe: Recipe = EVERYWHERE

    def pixels(self, limit: float, report: Report) -> PixelMetrics | None:
        """Pixel figures; None where no mask shows a defect in what is looked at."""
        if not any(map(self._shown, range(len(self.samples)))):
            return None
        done, kinds = 0, set(self.kinds)

        def masked() -> Iterator[MaskedMap]:
            nonlocal done
            for number, sample in enumerate(self.samples):
                done += 1
                report(Progress("measure", done, 2 * len(self.samples)))
                mask = _mask(self.dataset, sample)
                if mask is None and sample.defective:
                    continue  # without a mask nobody knows which of its pixels are good
                size = self.rows[number].size if mask is None else mask.shape[::-1]
                check_aspect(sample.name, size, self.rows[number].size)
                area = self._area(number)
                yield MaskedMap(
                    sample.name,
                    resize_map(self.maps[number], size),
                    mask,
                    sample.kind if sample.kind in kinds else None,
                    None if area is None else area.at(size),
                )

        return pixel_metrics(masked, sorted({limit, 0.05}))

    def _area(self, number: int) -> Area | None:
        return self.recipe.of(self.rows[number].product).area

    def _shown(self, number: int) -> bool:
        mask, area = _mask(self.dataset, self.samples[number]), self._area(number)
        return mask is not None and bool((mask if area is None else mask & area.at(mask.shape[::-1])).any())

    def of(self, product: str) -> Scored:
        """The part of one product."""
        chosen = [number for number, sample in enumerate(self.samples) if sample.product == product]
        samples, rows = [self.samples[number] for number in chosen], [self.rows[number] for number in chosen]
        return Scored(self.dataset, samples, rows, [self.maps[number] for number in chosen], self.recipe)

    @property
    def products(self) -> list[str]:
        """Names of the products; empty where there is one only, without a name."""
        return [name for name in dict.fromkeys(sample.product for sample in self.samples) if name]

    @property
    def kinds(self) -> list[str]:
        """Kinds of defect; empty where there are several products, for each has its own."""
        several = len(self.products) > 1
        return [] if several else sorted({sample.kind for sample in self.samples if sample.defective})

    def result(self, limit: float, pixels: PixelMetrics | None, threshold: float) -> Result:
        """All figures, with one result for each kind of defect beside all good images."""
        groups = pixels.groups if pixels else {}
        parts = {kind: self._group(limit, groups.get(kind), threshold, {GOOD, kind}) for kind in self.kinds}
        everything = {sample.kind for sample in self.samples}
        return dataclasses.replace(self._group(limit, pixels, threshold, everything), kinds=parts)

    def _group(self, limit: float, pixels: PixelMetrics | None, threshold: float, kinds: set[str]) -> Result:
        chosen = [(sample, row) for sample, row in zip(self.samples, self.rows, strict=True) if sample.kind in kinds]
        scores = np.array([row.score for _, row in chosen])
        labels = np.array([sample.defective for sample, _ in chosen])
        good, bad = int((~labels).sum()), int(labels.sum())
        rejected = np.array([row.reject for _, row in chosen])
        rejects, misses = int(rejected[~labels].sum()), int((~rejected[labels]).sum())
        names = [sample.name for sample, _ in chosen]
        figures = Result(
            n_good=good,
            n_defective=bad,
            aupro_limit=limit,
            threshold=threshold,
            false_reject_rate=rejects / good if good else None,
            false_reject_interval=wilson(rejects, good) if good else None,
            miss_rate=misses / bad if bad else None,
            miss_interval=wilson(misses, bad) if bad else None,
            seconds_per_image=float(np.mean([row.seconds for _, row in chosen])),
        )
        if good and bad:
            figures = dataclasses.replace(
                figures,
                image_auroc=auroc(scores, labels, names),
                image_ap=average_precision(scores, labels, names),
                image_f1_max=f1_max(scores, labels, names)[0],
            )
        if pixels:
            figures = dataclasses.replace(
                figures,
                pixel_auroc=pixels.auroc,
                pixel_ap=pixels.ap,
                pixel_f1_max=pixels.f1_max,
                aupro=pixels.aupro[limit],
                aupro_05=pixels.aupro[0.05],
            )
        return figures

    def curves(self, pixels: PixelMetrics | None) -> dict[str, list[list[float]]]:
        """Points for the report; a curve that cannot be drawn is absent."""
        found = {}
        if len({sample.defective for sample in self.samples}) == 2:
            scores, labels = [row.score for row in self.rows], [sample.defective for sample in self.samples]
            found["image_roc"] = thin(roc_curve(scores, labels))
        if pixels:
            found |= {"pixel_roc": pixels.roc, "pro": pixels.pro}
        return {name: np.stack([curve.x, curve.y], axis=1).tolist() for name, curve in found.items()}


def _products(scored: Scored, limit: float, detector: Detector, report: Report) -> dict[str, Result]:
    """The figures of each product by itself."""
    found = {}
    for name in scored.products:
        part = scored.of(name)
        threshold = detector.calibration_of(product_of(part.samples[0], part.dataset, detector)).image.value
        found[name] = part.result(limit, part.pixels(limit, report), threshold)
    return found


def as_row(sample: Sample, row: Prediction, gallery: int | None) -> dict[str, Any]:
    """One test image as plain data."""
    return {
        "name": sample.name,
        "kind": sample.kind,
        "product": sample.product or row.product,
        "score": row.score,
        "p_value": row.p_value,
        "reject": row.reject,
        "seconds": row.seconds,
        "size": row.size,
        "regions": [region_row(region) for region in row.regions],
        "gallery": gallery,
    }
