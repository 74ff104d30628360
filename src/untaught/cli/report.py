"""`untaught report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from untaught.cli.console import Json, Quiet


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders; several are compared.")],
    out: Annotated[
        Path | None, typer.Option(help="The page; default: report.html in the run, comparison.html for several.")
    ] = None,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Write one self-contained page on a run, or a comparison of several."""
    from untaught.report.page import report as write

    page = write(*runs, out=out)
    if json_:
        print(json.dumps({"runs": [str(folder) for folder in runs], "page": str(page)}))
    elif not quiet:
        typer.echo(page)
