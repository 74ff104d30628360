"""The table of products: what one model for several of them promises and does for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from untaught.calibration import Calibration
from untaught.metrics.wilson import wilson
from untaught.records import Result
from untaught.report.evaluation import Row
from untaught.report.tables import FIGURES, MEAN, Cell, Table, mean_figures
from untaught.report.words import counted, interval, number, percent

ALL = "any, not named"


def unnamed(rows: Sequence[Row], threshold: float) -> Result:
    """What the threshold of all products together makes of the test images, as if none of them had been named."""
    rejects = [row.score > threshold for row in rows if not row.defective]
    misses = [row.score <= threshold for row in rows if row.defective]
    return Result(
        len(rejects), len(misses), threshold=threshold,
        false_reject_rate=fmean(rejects) if rejects else None,
        false_reject_interval=wilson(sum(rejects), len(rejects)) if rejects else None,
        miss_rate=fmean(misses) if misses else None,
        miss_interval=wilson(sum(misses), len(misses)) if misses else None,
    )  # fmt: skip


def products_table(
    calibration: Calibration,
    products: Mapping[str, Calibration],
    results: Mapping[str, Result],
    limit: float,
    together: Result | None = None,
) -> Table | None:
    """One row a product, one for images whose product is not named, and the mean; None where there are no products.

    `together` is what `unnamed` finds.
    """
    names = list(dict.fromkeys([*products, *results]))
    if not names:
        return None
    head = ["Product", "Rejected above", "Promised", "False rejects", "Misses"]
    head += ["Image AUROC", "Pixel AUROC", f"AUPRO@{limit:g}"] if results else []
    rows = [_row(name, products.get(name, calibration), results.get(name), bool(results)) for name in names]
    if len(names) > 1:
        rows.append(_row(ALL, calibration, together if results else None, bool(results)))
    if len(results) > 1:
        rows.append([Cell(MEAN), *[Cell("")] * 4, *(Cell(percent(figure)) for figure in mean_figures(results))])
    return Table(head, rows)


def _row(name: str, known: Calibration, result: Result | None, measured: bool) -> list[Cell]:
    image = known.image
    cells = [Cell(name), Cell(number(image.value)), Cell(percent(image.rate), note=f"{image.n:,} held out")]
    if result is None:
        return [*cells, *[Cell("")] * (5 if measured else 2)]
    return [
        *cells,
        Cell(counted(result.false_reject_rate, result.n_good), note=interval(result.false_reject_interval)),
        Cell(counted(result.miss_rate, result.n_defective), note=interval(result.miss_interval)),
        *(Cell("" if name == ALL else percent(getattr(result, figure))) for figure in FIGURES),
    ]
