"""What the report shows of drawn defects: always marked as synthetic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from untaught.metrics.wilson import wilson
from untaught.report.evaluation import Drawing, Drawn, read_drawn
from untaught.report.figures import share_bar
from untaught.report.products import ALL
from untaught.report.svg import Axis, Plot
from untaught.report.tables import Cell, Table
from untaught.report.words import NARROW, UNBROKEN, counted, interval, percent, plural
from untaught.run import Run


@dataclass(frozen=True, slots=True)
class DrawnView:
    """A sentence, the detection rate by size as a curve and a table, and tables by kind and by product, if several."""

    lead: str
    curve: Markup
    sizes: Table
    kinds: Table
    products: Table | None


def view_drawn(run: Run) -> DrawnView | None:
    """The section on drawn defects; None where none were inspected.

    Raises:
        RunError: drawn.json is damaged.
    """
    drawn = read_drawn(run)
    if drawn is None or not drawn.rows:
        return None
    judged = {row.product for row in drawn.rows}
    known = [run.card.products.get(name, run.card.calibration) for name in sorted(judged)]
    above = sum(score > its.image.value for its in known for score in its.scores)
    return DrawnView(
        f"Synthetic: {plural(len(drawn.rows), 'defect')} drawn on {plural(drawn.images, 'held-out good image')} and "
        "inspected at the calibrated threshold. It tells how large something must be to be seen, not how many real "
        f"defects will be found. Without a defect {above:,} of all {sum(its.image.n for its in known):,} are rejected."
        + left_out(drawn),
        curve(drawn.rows),
        sizes_table(drawn),
        groups_table(drawn.rows, "Kind", lambda row: row.kind),
        groups_table(drawn.rows, "Product", product) if several(drawn.rows) else None,
    )


def left_out(drawn: Drawn) -> str:
    """Of which products nothing was drawn; empty where there are none."""
    if not drawn.left_out:
        return ""
    return f" Nothing was drawn on {', '.join(drawn.left_out)}: no held-out image of them was found."


def by_size(rows: Iterable[Drawing]) -> list[tuple[float, list[Drawing]]]:
    """The drawings of each size, the smallest first."""
    groups: dict[float, list[Drawing]] = {}
    for row in rows:
        groups.setdefault(row.size, []).append(row)
    return sorted(groups.items())


def curve(rows: Sequence[Drawing]) -> Markup:
    """Share of drawn defects that are rejected, over their size."""
    points = [(size, rejected(part) / len(part)) for size, part in by_size(rows)]
    low, high = points[0][0], points[-1][0]
    x = Axis("longest side, share of the image's shorter side", low / 1.2, min(1.2, high * 1.2), log=True, percent=True)
    plot = Plot(
        x,
        Axis("drawn defects rejected (synthetic)", 0, 1, percent=True),
        f"Synthetic: from {percent(points[0][1])} of defects of {percent(low)} to {percent(points[-1][1])} of defects "
        f"of {percent(high)} of the image's side are rejected.",
    )
    plot.line(points, "c0")
    for (size, rate), (_, part) in zip(points, by_size(rows), strict=True):
        plot.dot((size, rate), "c0", f"{percent(size)}: {counted(rate, len(part))} rejected")
    return plot.draw()


def sizes_table(drawn: Drawn) -> Table:
    """One row a size: how many were rejected, and at how many a region was drawn."""
    head = ("Longest side", "Of the side", "Rejected", "Rate", "Marked in place")
    return Table(
        head,
        [
            [Cell(f"{size * drawn.side:.0f}{NARROW}px of {drawn.side}"), Cell(percent(size, 0)), *_cells(part)]
            for size, part in by_size(drawn.rows)
        ],
    )


def product(row: Drawing) -> str:
    """Whose thresholds judged, in words."""
    return row.product or ALL


def several(rows: Sequence[Drawing]) -> bool:
    """Whether defects were drawn on more than one product."""
    return len({row.product for row in rows}) > 1


def grouped(rows: Sequence[Drawing], name: Callable[[Drawing], str]) -> list[tuple[str, list[Drawing]]]:
    """The drawings of one name each, the least found first."""
    groups = {its: [row for row in rows if name(row) == its] for its in sorted(set(map(name, rows)))}
    return sorted(groups.items(), key=lambda item: rejected(item[1]) / len(item[1]))


def groups_table(rows: Sequence[Drawing], head: str, name: Callable[[Drawing], str]) -> Table:
    """One row a kind or a product over all sizes, the least found first."""
    return Table(
        (f"{head}, all sizes", "Rejected", "Rate", "Marked in place"),
        [[Cell(its), *_cells(part)] for its, part in grouped(rows, name)],
    )


def rejected(rows: Sequence[Drawing]) -> int:
    """How many were rejected."""
    return sum(row.reject for row in rows)


def _cells(part: Sequence[Drawing]) -> list[Cell]:
    count, rate, marked = rejected(part), rejected(part) / len(part), sum(row.marked for row in part)
    return [
        Cell(counted(rate, len(part)), bar=share_bar(rate)),
        Cell(percent(rate), note=interval(wilson(count, len(part)))),
        Cell(counted(marked / len(part), len(part))),
    ]


def drawn_lines(drawn: Drawn) -> str:
    """The same by size, and by product if several, as lines of plain ASCII, for a terminal."""
    groups = [(f"{size * drawn.side:.0f} px ({size:.0%})", part) for size, part in by_size(drawn.rows)]
    lines = ["Synthetic: drawn defects at the calibrated threshold", *_lines("longest side", groups)]
    if several(drawn.rows):
        lines += _lines("all sizes", grouped(drawn.rows, product))
    if drawn.left_out:
        lines.append(f"{left_out(drawn).strip()} Name all folders they are in, --good for each.")
    return "\n".join(lines).replace(NARROW, " ").replace(UNBROKEN, " ")


def _lines(head: str, groups: Sequence[tuple[str, Sequence[Drawing]]]) -> list[str]:
    wide = max(14, *(len(name) for name, _ in groups))
    lines = [f"{head:>{wide}}  {'rejected':>10}  marked"]
    for name, part in groups:
        count, marked = len(part), sum(row.marked for row in part)
        lines.append(f"{name:>{wide}}  {f'{rejected(part)} of {count}':>10}  {marked} of {count}")
    return lines
