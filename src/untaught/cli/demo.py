"""`untaught demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from untaught.cli.console import Quiet, progress, remark
from untaught.cli.train import new_folder


def demo(
    out: Annotated[Path | None, typer.Option(help="Run folder; default: a new one under runs/.")] = None,
    quiet: Quiet = False,
) -> None:
    """Draw a product line, train on its good parts, measure on its defects and write a report."""
    from untaught.config import Settings
    from untaught.engine.evaluate import evaluate
    from untaught.engine.train import train
    from untaught.report.page import write_report
    from untaught.report.tables import result_table
    from untaught.run import Run

    out = out or new_folder(Path("runs"), "demo")
    with progress(quiet) as report:
        run = train(Settings(method="reverse_distillation", data="toy"), out, report=report)
        result = evaluate(run, "toy", report=report)
    page = write_report([Run(out)], out / "report.html")
    remark(result_table(result), quiet)
    typer.echo(page.resolve())
