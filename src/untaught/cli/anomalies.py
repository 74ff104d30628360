"""`untaught anomalies`: drawn defects, to be looked at and to measure a run with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from untaught.cli.console import Quiet, progress

app = typer.Typer(help="Draw defects: look at them, or measure what a run detects.", no_args_is_help=True)


@app.command()
def preview(
    data: Annotated[str, typer.Argument(help="Data set: a folder, or `toy`.")],
    out: Annotated[Path, typer.Option(help="Picture to write: PNG.")] = Path("anomalies.png"),
    rows: Annotated[int, typer.Option(min=1, max=50, help="Good images shown.")] = 4,
    size: Annotated[int, typer.Option(min=32, max=1024, help="Side of each picture in pixels.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the defects.")] = 0,
    paper: Annotated[bool, typer.Option("--paper", help="The published recipe in place of the defaults.")] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, such as foreground=largest or size=[0.1,0.3].")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Draw defects of each kind on good images and write them as one picture."""
    from untaught.anomalies.draw import Drawer
    from untaught.anomalies.settings import PAPER, AnomalySettings
    from untaught.anomalies.sheet import preview as draw_sheet
    from untaught.config import merge, parse_overrides, validate
    from untaught.data.base import train_good
    from untaught.data.folder import open_dataset
    from untaught.data.split import shuffled
    from untaught.files import replacing
    from untaught.image import Recipe
    from untaught.progress import Progress

    drawer = Drawer(validate(AnomalySettings, merge(PAPER if paper else {}, parse_overrides(set_ or []))))
    dataset = open_dataset(data)
    by_name = {sample.name: sample for sample in train_good(dataset)}
    names = shuffled(list(by_name), seed)[:rows]
    images = []
    with progress(quiet) as report:
        for number, name in enumerate(names):
            images.append(dataset.image(by_name[name], Recipe(height=size)))
            report(Progress("read", number + 1, len(names)))
    sheet = draw_sheet(images, drawer, seed)
    with replacing(out) as file:
        sheet.save(file, "PNG")
    typer.echo(out)
