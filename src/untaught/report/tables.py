"""The tables of the report as rows of text, ready to be laid out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from markupsafe import Markup

from untaught.records import Result
from untaught.report.evaluation import Row
from untaught.report.figures import share_bar
from untaught.report.words import NARROW, NONE, UNBROKEN, counted, duration, interval, number, percent, verdict
from untaught.run import Card

FIGURES = ("image_auroc", "pixel_auroc", "aupro")
MEAN = "mean of products"

ROWS_SHOWN = 1000
_ORDER = {"miss": 0, "false reject": 1, "caught": 2, "passed": 3}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; `best` marks the best of its column, `bar` is drawn before the text, `note` stands small below it."""

    text: str
    best: bool = False
    note: str = ""
    bar: Markup | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under a head; the first cell of a row names it."""

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def tiles(result: Result) -> list[tuple[str, str, str]]:
    """The figures on top: name, figure, and what to know about it."""
    good, defective = result.n_good, result.n_defective
    return [
        ("Image AUROC", percent(result.image_auroc), "chance that a defective part scores above a good one"),
        ("Pixel AUROC", percent(result.pixel_auroc), "the same of defect and normal pixels"),
        (
            f"AUPRO@{result.aupro_limit:g}",
            percent(result.aupro),
            f"mean overlap with each defect region, up to {result.aupro_limit * 100:g} % of normal pixels",
        ),
        (
            "False rejects",
            percent(result.false_reject_rate),
            _rate_note(result.false_reject_rate, good, result.false_reject_interval),
        ),
        ("Misses", percent(result.miss_rate), _rate_note(result.miss_rate, defective, result.miss_interval)),
    ]


def _rate_note(rate: float | None, n: int, bounds: tuple[float, float] | None) -> str:
    return f"{counted(rate, n)}\n95 % interval {interval(bounds)}" if rate is not None else "cannot be computed"


def mean_figures(results: Mapping[str, Result]) -> tuple[float | None, ...]:
    """Image AUROC, pixel AUROC and AUPRO averaged over products; None where a product lacks one."""
    rows = [[getattr(result, figure) for result in results.values()] for figure in FIGURES]
    return tuple(None if None in row else fmean(row) for row in rows)


def result_table(result: Result) -> str:
    """The figures of all test images, of each product and of each kind as lines of plain ASCII, for a terminal."""
    head = [
        "",
        "good",
        "defective",
        "image AUROC",
        "pixel AUROC",
        f"AUPRO@{result.aupro_limit:g}",
        "false rejects",
        "misses",
    ]
    lines = [head]
    keys = (*FIGURES, "false_reject_rate", "miss_rate")
    for name, part in (("all", result), *result.products.items(), *result.kinds.items()):
        lines.append([name, str(part.n_good), str(part.n_defective), *(percent(getattr(part, key)) for key in keys)])
    if len(result.products) > 1:
        lines.insert(2 + len(result.products), [MEAN, "", "", *map(percent, mean_figures(result.products)), "", ""])
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    first = widths[0]
    rows = ([line[0].ljust(first), *map(str.rjust, line[1:], widths[1:])] for line in lines)
    text = "\n".join("  ".join(row) for row in rows)
    return f"{verdict(result)}\n\n{text}".translate({ord(NARROW): " ", ord(UNBROKEN): " ", ord(NONE): "-"})


def kinds_table(result: Result) -> Table:
    """One row a kind of defect, the least found first, each beside all good images."""
    head = ("Kind", "Found", "Missed", "Image AUROC", "Image AP", "Pixel AUROC", f"AUPRO@{result.aupro_limit:g}")
    kinds = sorted(
        result.kinds.items(), key=lambda item: (-(item[1].miss_rate or 0), item[1].image_auroc or 0, item[0])
    )
    return Table(head, [_kind_row(kind, part) for kind, part in kinds])


def _kind_row(kind: str, part: Result) -> list[Cell]:
    found = None if part.miss_rate is None else 1 - part.miss_rate
    return [
        Cell(kind),
        Cell(counted(found, part.n_defective), bar=None if found is None else share_bar(found)),
        Cell(percent(part.miss_rate), note=interval(part.miss_interval)),
        *(Cell(percent(figure)) for figure in (part.image_auroc, part.image_ap, part.pixel_auroc, part.aupro)),
    ]


def image_table(images: Sequence[Row]) -> tuple[Table, int]:
    """The images, worst misses and worst false rejects first, and how many were left out for length."""
    rows = sorted(images, key=worst_first)
    shown = [
        [Cell(row.name), Cell(row.kind), Cell(number(row.score)), Cell(f"{row.p_value:.2g}"), Cell(row.outcome)]
        for row in rows[:ROWS_SHOWN]
    ]
    return Table(("Image", "Kind", "Score", "p-value", "Outcome"), shown), len(rows) - len(shown)


def worst_first(row: Row) -> tuple[int, float, str]:
    """Order: misses from the lowest score, false rejects from the highest, then the closest calls first."""
    return _ORDER[row.outcome], row.score if row.defective else -row.score, row.name


Compared = tuple[str, Card, str, Result | None]  # name, card, data set and figures of a run
Column = tuple[str, Callable[[Card, Result | None], float | None], Callable[[float | None], str], int]


def _of(figure: str) -> Callable[[Card, Result | None], float | None]:
    return lambda _, result: getattr(result, figure, None)


def _fine(rate: float | None) -> str:
    return percent(rate, 2)


# Name, value, text, and whether more (1) or less (-1) is better.
COLUMNS: tuple[Column, ...] = (
    ("Image AUROC", _of("image_auroc"), _fine, 1),
    ("Pixel AUROC", _of("pixel_auroc"), _fine, 1),
    ("AUPRO", _of("aupro"), _fine, 1),
    ("Image F1-max", _of("image_f1_max"), _fine, 1),
    ("False rejects", _of("false_reject_rate"), percent, -1),
    ("Misses", _of("miss_rate"), percent, -1),
    ("Training", lambda card, _: card.training.seconds, duration, -1),
    ("Per image", _of("seconds_per_image"), duration, -1),
)
_HEAD = tuple(column[0] for column in COLUMNS)


def other_results(card: Card, shown: str) -> Table | None:
    """Figures of the same run on other data sets; None where there are no others."""
    rows = [[Cell(data), *_figures(card, result)] for data, result in card.metrics.items() if data != shown]
    return Table(("Data", *_HEAD), rows) if rows else None


def comparison_table(runs: Sequence[Compared]) -> Table:
    """One row a run; the best of a column is marked among runs on the same data, unless all are equal."""
    rows = []
    for name, card, data, result in runs:
        peers = [(other, figures) for _, other, where, figures in runs if where == data]
        rows.append([Cell(name), Cell(data), *_figures(card, result, peers)])
    return Table(("Run", "Data", *_HEAD), rows)


def _figures(card: Card, result: Result | None, peers: Sequence[tuple[Card, Result | None]] = ()) -> list[Cell]:
    cells = []
    for name, value, text, sign in COLUMNS:
        own = value(card, result)
        best = is_best(own, [value(*peer) for peer in peers], sign)
        note = f"to {result.aupro_limit:g}" if name == "AUPRO" and result is not None and own is not None else ""
        cells.append(Cell(text(own), best=best, note=note))
    return cells


def is_best(own: float | None, all_values: Sequence[float | None], sign: int = 1) -> bool:
    """Whether a figure is the best of several that are not all equal; `sign` is -1 where less is better."""
    known = {sign * value for value in all_values if value is not None}
    return own is not None and len(known) > 1 and sign * own == max(known)


def kinds_comparison(runs: Sequence[Compared]) -> Table | None:
    """Image AUROC by kind of defect (rows) and run (columns); None where no two runs share a data set with kinds."""
    known = [(name, data, result) for name, _, data, result in runs if result is not None and result.kinds]
    if len(known) < 2 or len({data for _, data, _ in known}) > 1:
        return None
    rows = []
    for kind in sorted({kind for _, _, result in known for kind in result.kinds}):
        values = [part.image_auroc if (part := result.kinds.get(kind)) else None for _, _, result in known]
        best = max((value for value in values if value is not None), default=None)
        rows.append(
            [Cell(kind), *(Cell(percent(value, 2), best=value is not None and value == best) for value in values)]
        )
    return Table(("Kind", *(name for name, _, _ in known)), rows)
