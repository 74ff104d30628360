"""`untaught demo`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from untaught.cli.console import Json, Quiet, progress, remark
from untaught.progress import Report, silent

if TYPE_CHECKING:
    from untaught.run import Run


def demo(
    out: Annotated[Path | None, typer.Option(help="Run folder; default: a new one under runs/.")] = None,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Draw a product line, train on its good parts, measure on its defects and write a report."""
    from untaught.engine.evaluate import to_json
    from untaught.report.tables import result_table

    with progress(quiet or json_) as report:
        run = draw_train_measure(out, report=report)
    page, result = run.folder / "report.html", run.card.metrics["toy"]
    if json_:
        print(json.dumps({"run": str(run.folder), "page": str(page), **to_json(result)}))
    else:
        remark(result_table(result), quiet)
        typer.echo(page.resolve())


def draw_train_measure(out: Path | str | None = None, *, report: Report = silent) -> Run:
    """The demonstration: a run on a drawn product, evaluated, with its report.

    Args:
        out: the run folder; default: a new one under runs/.
        report: told of the progress.

    Raises:
        RunError: the folder holds a run already or cannot be written.
    """
    from untaught.config import Settings
    from untaught.engine.evaluate import evaluate
    from untaught.engine.train import train
    from untaught.report.page import write_report
    from untaught.run import run_folder

    with run_folder(out, "demo", "demo") as out:
        run = train(Settings(method="reverse_distillation", data="toy"), out, report=report)
        evaluate(run, "toy", report=report)
        write_report([run], out / "report.html")
    return run
