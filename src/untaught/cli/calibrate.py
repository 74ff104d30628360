"""`untaught calibrate`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from untaught.cli.console import Json, Quiet, progress, remark


def calibrate(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    good: Annotated[
        list[str], typer.Option(help="Folder of good images that were not trained on; may be repeated, for products.")
    ],
    false_reject: Annotated[
        float | None, typer.Option(help="Wanted share of rejected good parts; default: the run's.")
    ] = None,
    product: Annotated[str, typer.Option(help="Product they show, where the run was trained on several.")] = "",
    tail: Annotated[bool, typer.Option("--tail", help="Extrapolate by a tail fit where images are too few.")] = False,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Set a run's thresholds anew from other good images, without training."""
    from untaught.calibration import promises
    from untaught.engine.calibrate import calibrate as calibrate_run
    from untaught.report.page import write_report
    from untaught.run import Run

    opened = Run(run)
    with opened.alone("calibrate"):
        with progress(quiet or json_) as report:
            calibration = calibrate_run(opened, good, false_reject, tail=tail or None, product=product, report=report)
        write_report([opened], run / "report.html")
    card = opened.card
    copies = card.data.calibration_copies
    shown = set() if product else card.calibrated()
    renewed = {name: its for name, its in card.products.items() if name in shown}
    if json_:
        own = {name: asdict(its) for name, its in renewed.items()}
        print(json.dumps({**asdict(calibration), "products": own, "copies": copies}))
        return
    if copies:
        remark(f"left out: {len(copies)} exact copies of other images (named in {run / 'card.json'})")
    standing = ", ".join(name for name in card.products if name not in renewed and not product)
    if standing and renewed:
        remark(
            f"These images show nothing of {standing}: their thresholds stay, and that of all products together stands "
            "on the others alone."
        )
    elif standing:
        remark(
            "This is the threshold of all products together; of each by itself nothing changed. Of one: --product "
            + standing
        )
    typer.echo("\n".join(promises(calibration.image, {name: its.image for name, its in renewed.items()})))
