"""`untaught report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders; several are compared.")],
    out: Annotated[
        Path | None, typer.Option(help="The page; default: report.html in the run, comparison.html for several.")
    ] = None,
) -> None:
    """Write one self-contained page on a run, or a comparison of several."""
    from untaught.report.page import write_report
    from untaught.run import Run

    target = out or (runs[0] / "report.html" if len(runs) == 1 else Path("comparison.html"))
    typer.echo(write_report([Run(folder) for folder in runs], target))
