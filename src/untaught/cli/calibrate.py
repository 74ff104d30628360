"""`untaught calibrate`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from untaught.cli.console import Json, Quiet, progress, remark

if TYPE_CHECKING:
    from untaught.run import Card


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
    from untaught.calibration import promise, promises
    from untaught.engine.calibrate import calibrate as calibrate_run
    from untaught.report.page import write_report
    from untaught.run import Run

    opened = Run(run)
    with opened.alone("calibrate"):
        with progress(quiet or json_) as report:
            calibration = calibrate_run(opened, good, false_reject, tail=tail or None, product=product, report=report)
        write_report([opened], run / "report.html")
    copies = opened.card.data.calibration_copies
    card = opened.card
    renewed = {} if product else {name: its for name, its in card.products.items() if name in shown_products(card)}
    if json_:
        own = {name: asdict(its) for name, its in renewed.items()}
        print(json.dumps({**asdict(calibration), "products": own, "copies": copies}))
    else:
        if copies:
            remark(f"left out: {len(copies)} exact copies of other images (named in {run / 'card.json'})")
        standing = [name for name in card.products if name not in renewed]
        if standing and not product and not renewed:
            remark(
                "This is the threshold of all products together; of each by itself nothing changed. Of one: --product "
                + ", ".join(card.products)
            )
        elif standing and not product:
            remark(
                f"These images show nothing of {', '.join(standing)}: their thresholds stay, and that of all products "
                "together stands on the others alone."
            )
        if renewed:
            typer.echo("\n".join(promises(calibration.image, {name: its.image for name, its in renewed.items()})))
        else:
            typer.echo(promise(calibration.image))


def shown_products(card: Card) -> set[str]:
    """The products that the images of the thresholds show."""
    return {card.product_of(item.name) for item in card.data.calibration}
