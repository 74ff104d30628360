"""What the page shows of one run: every text, table and picture, ready to be laid out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from untaught.calibration import Calibration, promise
from untaught.records import Finding, Result
from untaught.report import figures, tables, words
from untaught.report.drawn import DrawnView, view_drawn
from untaught.report.evaluation import Evaluation, read_evaluation
from untaught.report.facts import Facts, all_settings, run_facts, training_facts
from untaught.report.gallery import Gallery, view_gallery
from untaught.report.products import products_table, unnamed
from untaught.run import Run

Legend = Sequence[tuple[str, str]]
NAMED = 5  # images that a note names
NOT_EVALUATED = "Trained and calibrated, not evaluated yet."
HOW_TO_EVALUATE = (
    "To measure it on a test set: `untaught evaluate {0} --data DIR`. "
    "To see what it finds of drawn defects: `untaught anomalies detect {0}`"
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What an evaluation adds. What could not be computed is None."""

    result: Result
    tiles: Sequence[tuple[str, str, str]]
    curves: Evaluation | None
    roc: Markup | None
    roc_legend: Legend
    pro: Markup | None
    kinds: tables.Table | None
    images: tables.Table | None
    images_left_out: int
    gallery: Gallery | None


@dataclass(frozen=True, slots=True)
class RunView:
    """One run. `data` is the set it was last evaluated on, else the one it was trained on."""

    name: str
    data: str
    meta: Sequence[str]
    verdict: str
    promise: str
    todo: str
    warnings: Sequence[str]
    histogram: Markup
    histogram_legend: Legend
    calibration: Sequence[tuple[str, str]]
    products: tables.Table | None
    measured: Measured | None
    drawn: DrawnView | None
    training: Markup | None
    training_legend: Legend
    training_facts: Sequence[tuple[str, str]]
    facts: Sequence[Facts]
    settings: Sequence[tuple[str, str]]
    other: tables.Table | None


def view_run(run: Run, name: str, *, pictures: bool = True) -> RunView:
    """Read a run folder and draw what is shown of it.

    Raises:
        RunError: a file of the run is damaged.
    """
    card, evaluation, log = run.card, read_evaluation(run), run.log()
    data = evaluation.data.name if evaluation else card.data.name
    result = card.metrics.get(data)
    judge = card.products.get(data, card.calibration)  # one product evaluated by itself is judged by its own threshold
    threshold = judge.image
    together = unnamed(evaluation.rows, threshold.value) if evaluation and result and result.products else result
    histogram, histogram_legend = _histogram(judge, evaluation)
    has_held_out = any(row.get("held_out") is not None for row in log)
    return RunView(
        name=name,
        data=data,
        meta=_meta(run, data),
        verdict=words.verdict(result) if result else NOT_EVALUATED,
        promise=promise(threshold) if words.kept(threshold) else "",
        todo="" if result else HOW_TO_EVALUATE.format(run.folder),
        warnings=[
            *words.warnings(
                threshold, result, len(card.data.quarantined), {name: its.image for name, its in card.products.items()}
            ),
            *(words.of_products(card.products, data, result) if result else ()),
            *(in_the_data(item) for item in card.data.findings if item.severity == "error"),
        ],
        histogram=histogram,
        histogram_legend=histogram_legend,
        calibration=_calibration(judge, together),
        products=_products(run, result, together),
        measured=_measured(run, result, together or result, evaluation, pictures) if result else None,
        drawn=view_drawn(run) if pictures else None,
        training=figures.training(log),
        training_legend=[("c0", "training"), ("c1", "held-out good images")] if has_held_out else [("c0", "training")],
        training_facts=training_facts(card),
        facts=run_facts(run),
        settings=all_settings(run),
        other=tables.other_results(card, data),
    )


def in_the_data(finding: Finding) -> str:
    """What the doctor said, with the first names."""
    few = ", ".join(finding.names[:NAMED])
    more = f" and {len(finding.names) - NAMED} more" if len(finding.names) > NAMED else ""
    return f"In the data: {finding.what}" + (f" ({few}{more})." if few else ".")


def _meta(run: Run, data: str) -> list[str]:
    card = run.card
    method = f"{card.method}, preset {card.preset}"
    trained = f"trained on {card.data.name} ({card.data.layout})"
    tested = [] if data == card.data.name else [f"evaluated on {data}"]
    return [method, trained, *tested, f"{card.created[:10]}", f"seed {card.seed}"]


def _histogram(calibration: Calibration, evaluation: Evaluation | None) -> tuple[Markup, Legend]:
    rows = evaluation.rows if evaluation else []
    good = [row.score for row in rows if not row.defective]
    defective = [row.score for row in rows if row.defective]
    legend = [("good", "good"), ("bad", "defective")] if rows else []
    drawn = figures.histogram(good, defective, calibration.scores, calibration.image.value)
    return drawn, [*legend, ("held", "held-out good, one stroke each")]


def _calibration(calibration: Calibration, result: Result | None) -> list[tuple[str, str]]:
    image, pixel = calibration.image, calibration.pixel
    how = "split conformal, guaranteed" if image.guaranteed else "tail fit, an extrapolation"
    facts = [
        ("Part rejected above", f"{words.number(image.value)} (image score)"),
        ("Region outlined above", f"{words.number(pixel.value)} (heat map)"),
        ("False rejects wanted", words.percent(image.wanted)),
        ("False rejects promised" if image.guaranteed else "False rejects expected", words.percent(image.rate)),
        ("How", how),
        ("Held-out good images", f"{image.n:,}"),
    ]
    if result is not None:
        facts.insert(4, ("False rejects measured", words.percent(result.false_reject_rate)))
    return facts


def _products(run: Run, result: Result | None, together: Result | None) -> tables.Table | None:
    card, results = run.card, result.products if result else {}
    return products_table(card.calibration, card.products, results, result.aupro_limit if result else 0.3, together)


def _measured(run: Run, result: Result, together: Result, evaluation: Evaluation | None, pictures: bool) -> Measured:
    curves = evaluation.curves if evaluation else {}
    roc = {name: curves[key] for key, name in (("image_roc", "images"), ("pixel_roc", "pixels")) if curves.get(key)}
    found = None if together.miss_rate is None else 1 - together.miss_rate
    point = None if together.false_reject_rate is None or found is None else (together.false_reject_rate, found)
    pro = curves.get("pro")
    images, left_out = tables.image_table(evaluation.rows) if evaluation else (None, 0)
    return Measured(
        result=result,
        tiles=tables.tiles(result),
        curves=evaluation,
        roc=figures.roc(roc, point if "images" in roc else None) if roc else None,
        roc_legend=_roc_legend(roc, point),
        pro=figures.pro({"the test set": pro}, result.aupro_limit) if pro else None,
        kinds=tables.kinds_table(result) if result.kinds else None,
        images=images,
        images_left_out=left_out,
        gallery=view_gallery(run, evaluation.rows) if evaluation and pictures else None,
    )


def _roc_legend(curves: Mapping[str, object], point: object | None) -> Legend:
    legend = [(f"c{index}", name) for index, name in enumerate(curves)]
    return [*legend, ("dot", "at the threshold")] if point is not None and "images" in curves else legend
