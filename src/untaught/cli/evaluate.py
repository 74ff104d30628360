"""`untaught evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from untaught.cli.console import Json, Quiet, progress, remark


def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    data: Annotated[list[str], typer.Option(help="Data set whose test split is measured; may be repeated.")],
    limit: Annotated[float, typer.Option(help="False-positive rate up to which AUPRO integrates.")] = 0.3,
    on_bad_image: Annotated[
        str, typer.Option(help="`fail` or `skip` where an image or its mask cannot be used.")
    ] = "fail",
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Measure a run on the test split of a data set and renew its report."""
    from untaught.engine.evaluate import evaluate as evaluate_run
    from untaught.engine.evaluate import to_json
    from untaught.report.evaluation import read_evaluation
    from untaught.report.page import write_report
    from untaught.report.tables import result_table
    from untaught.report.words import of_products
    from untaught.run import Run

    opened = Run(run)
    with opened.alone("evaluate"):
        with progress(quiet or json_) as report:
            spec = data[0] if len(data) == 1 else data
            result = evaluate_run(opened, spec, limit=limit, on_bad_image=on_bad_image, report=report)
        page = write_report([opened], run / "report.html")
        evaluation = read_evaluation(opened)
    if json_:
        print(json.dumps(to_json(result)))
    else:
        if result.left_out:
            remark(f"left out: {len(result.left_out)} test images that cannot be used")
            for name, reason in result.left_out.items():
                remark(f"    {name}: {reason}")
        if evaluation is not None:
            for told in of_products(opened.card.products, evaluation.data.name, result):
                remark(told)
        typer.echo(result_table(result))
        typer.echo(page)
