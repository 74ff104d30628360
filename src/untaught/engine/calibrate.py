"""Thresholds from good images that were neither trained on nor chosen by."""

from __future__ import annotations

from collections.abc import Sequence

from untaught.calibration import Calibration, Kind, check_rate
from untaught.data.base import fingerprints, require_depth, source_of, train_good
from untaught.data.folder import AnyData, in_words, open_dataset
from untaught.data.products import as_known
from untaught.engine.guard import Guard
from untaught.engine.predict import AnyRun
from untaught.errors import DataError
from untaught.progress import Progress, Report, silent
from untaught.run import FileRecord, Run, opened


def calibrate(
    run: AnyRun,
    good: AnyData,
    false_reject: float | None = None,
    *,
    tail: bool | None = None,
    product: str = "",
    report: Report = silent,
) -> Calibration:
    """Set a run's thresholds anew from the good images in `good`, without training.

    Exact copies count once, as in training: a hundred copies of one image promise no more than that image. Which were
    left out is in the card (`data.calibration_copies`).

    Of a run on several products, data of several products sets the thresholds of each of them and those of all
    together; data of one sets only those of `product`, or of all together where that is empty. With `product`, images
    in folders of the run's other products are left out.

    Args:
        run: a finished run, its folder, or a detector made of it; its card is renewed.
        good: folder of good images, or a data set whose good training images are taken.
        false_reject: wanted false-reject rate; default: the run's.
        tail: extrapolate by a tail fit where images are too few, or promise only what they can; default: the run's way.
        product: which product of the run the images show.
        report: told of the progress.

    Raises:
        DataError: no good image there, one of them was trained on, or has no depth where the run wants it.
        ConfigError: the run knows no such product.
        CalibrationError: the wanted rate is none, or a score is not finite.
        RunError: another command is at work on the run.
    """
    if false_reject is not None:
        check_rate(false_reject)
    run = opened(run)
    with run.alone("calibrate"):
        return _calibrate(run, good, false_reject, tail, product, report)


def _calibrate(
    run: Run,
    good: AnyData,
    false_reject: float | None,
    tail: bool | None,
    product: str,
    report: Report,
) -> Calibration:
    dataset, detector = as_known(open_dataset(good), run.card.products), Guard(run, ("train", "monitor"))
    old = detector.calibration_of(product)
    known = run.card.products
    its = {item.name: item.product if item.product in known else product for item in train_good(dataset)}
    samples = [sample for sample in train_good(dataset) if product in ("", its[sample.name])]
    if not samples:
        came = f"{in_words(good)} holds good images of {', '.join(sorted({*its.values()}))} alone"
        raise DataError(came, f"good images of {product}", "correct --product, or name their folder")
    if detector.recipe.depth is not None:
        require_depth(dataset, samples)
    hashes, copies = fingerprints(dataset, samples, detector.recipe)
    seen = [name for name, told in hashes.items() if told in detector.files]
    if seen:
        raise DataError(
            f"{len(seen)} of {len(samples)} images in {in_words(good)} were trained on: {', '.join(seen[:5])}",
            "good images the run has never seen: on others its scores are too low",
            "take newly recorded good images",
        )
    ahead = [sample for sample in samples if sample.name not in copies]
    sources = [source_of(dataset, sample, detector.recipe) for sample in ahead]
    samples, pairs, shown = [], [], set[str]()
    predictions = detector.stream(sources, [sample.name for sample in ahead], [its[sample.name] for sample in ahead])
    for number, (sample, prediction) in enumerate(zip(ahead, predictions, strict=True), 1):
        picture = detector.pictures[sample.name]
        if picture and picture in shown:  # the same in another file
            copies.append(sample.name)
        else:
            shown.add(picture)
            samples.append(sample)
            pairs.append((prediction.score, float(prediction.map.max())))
        report(Progress("calibrate", number, len(ahead)))
    kind: Kind = old.kind if tail is None else "tail" if tail else "conformal"
    promise = (old.wanted if false_reject is None else false_reject, kind)
    calibration = calibrate_scores(pairs, *promise)
    if product:
        run.card.products[product] = calibration
    else:
        run.card.calibration = calibration
        run.card.products |= calibrate_products(pairs, [its[sample.name] for sample in samples], *promise)
    start = f"{product}/" if product and product not in {sample.product for sample in samples} else ""
    fresh = [
        FileRecord(name=start + item.name, sha256=hashes[item.name], picture=detector.pictures[item.name])
        for item in samples
    ]
    _replace(run, fresh, product, {its[sample.name] for sample in samples})
    run.card.data.calibration_copies = sorted(start + name for name in copies)
    run.card.metrics.clear()  # figures at the old threshold are no longer true
    run.forget_evaluation("drawn.json")  # first: cut short here, there is none rather than one of another threshold
    run.save_card()
    return calibration


def _replace(run: Run, fresh: Sequence[FileRecord], product: str, renewed: set[str]) -> None:
    """Put new images in the card's list, and among the earlier ones those that some threshold still stands on."""
    data, old = run.card.data, run.card.data.calibration
    stays = [item for item in old if product and run.card.product_of(item.name) != product]
    stands = old if product else [item for item in old if run.card.product_of(item.name) not in renewed]
    new = {item.sha256 for item in (*stays, *fresh)}
    if product or run.card.products.keys() - renewed:
        known = {item.sha256: item for item in (*data.earlier, *stands) if item.sha256 not in new}
        data.earlier = list(known.values())
    else:
        data.earlier = []
    data.calibration = [*stays, *fresh]


def calibrate_scores(pairs: Sequence[tuple[float, float]], rate: float, kind: Kind) -> Calibration:
    """Image and pixel thresholds from image scores and map maxima of held-out good images."""
    return Calibration.from_scores([score for score, _ in pairs], [highest for _, highest in pairs], rate, kind)


def calibrate_products(
    pairs: Sequence[tuple[float, float]], products: Sequence[str], rate: float, kind: Kind
) -> dict[str, Calibration]:
    """The calibration of each product from what its own images scored; nothing where there is only one product."""
    own = {
        name: [pair for pair, its in zip(pairs, products, strict=True) if its == name] for name in sorted({*products})
    }
    return {name: calibrate_scores(few, rate, kind) for name, few in own.items() if name}
