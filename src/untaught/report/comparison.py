"""What the page shows of several runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from untaught.report import figures, tables
from untaught.report.facts import differing, read_settings
from untaught.report.svg import Point
from untaught.report.view import Legend, RunView
from untaught.run import Run


@dataclass(frozen=True, slots=True)
class Comparison:
    """Tables and curves of several runs; None where there is nothing to show."""

    warnings: Sequence[str]
    table: tables.Table
    roc: Markup | None
    pro: Markup | None
    legend: Legend
    kinds: tables.Table | None
    differing: tables.Table | None


def view_comparison(runs: Sequence[Run], views: Sequence[RunView]) -> Comparison:
    """Lay several runs beside each other."""
    rows = [
        (view.name, run.card, view.data, view.measured.result if view.measured else None)
        for run, view in zip(runs, views, strict=True)
    ]
    limits = [result.aupro_limit for *_, result in rows if result is not None]
    roc, pro = _curves(views, "image_roc"), _curves(views, "pro")
    return Comparison(
        warnings=_warnings(views, set(limits)),
        table=tables.comparison_table(rows),
        roc=figures.roc(roc) if any(roc.values()) else None,
        pro=figures.pro(pro, min(limits)) if any(pro.values()) else None,
        legend=[(f"c{index % 8}", name) for index, name in enumerate(roc) if roc[name] or pro[name]],
        kinds=tables.kinds_comparison(rows),
        differing=_differing(runs, [view.name for view in views]),
    )


def _curves(views: Sequence[RunView], key: str) -> dict[str, list[Point]]:
    """One curve a run, empty where it has none, so that colours stay with the runs."""
    return {
        view.name: view.measured.curves.curves.get(key, []) if view.measured and view.measured.curves else []
        for view in views
    }


def _warnings(views: Sequence[RunView], limits: set[float]) -> list[str]:
    found = []
    measured = [view for view in views if view.measured]
    if len({view.data for view in measured}) > 1:
        names = ", ".join(sorted({view.data for view in measured}))
        found.append(
            f"These runs were evaluated on different data ({names}); figures compare only within one data set."
        )
    if len(limits) > 1:
        found.append("AUPRO was taken to different limits, named below each figure; it does not compare across them.")
    missing = [view.name for view in views if not view.measured]
    if missing:
        found.append(f"Not evaluated yet: {', '.join(missing)}.")
    return found


def _differing(runs: Sequence[Run], names: Sequence[str]) -> tables.Table | None:
    settings = []
    for run in runs:
        card = run.card
        own = {"method": card.method, "preset": card.preset, "seed": str(card.seed), "backbone": card.backbone.name}
        settings.append({**own, **dict(read_settings(run.folder)), **card.versions, **card.machine})
    rows = [[tables.Cell(key), *map(tables.Cell, values)] for key, values in differing(settings)]
    return tables.Table(("Setting", *names), rows) if rows else None
