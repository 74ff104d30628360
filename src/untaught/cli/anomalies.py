"""`untaught anomalies`: drawn defects, to be looked at and to measure a run with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from untaught.cli.console import Json, Quiet, progress

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


@app.command()
def detect(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    good: Annotated[
        list[str] | None,
        typer.Option(
            help="Data set with the run's held-out good images, may be repeated; default: what it was trained on."
        ),
    ] = None,
    draws: Annotated[int, typer.Option(min=1, max=10_000, help="Defects of each size.")] = 40,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, such as contrast=[10,40] or kinds={scar=1}.")
    ] = None,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Draw defects of several sizes on held-out good images, count how many a run rejects, and renew its report."""
    from untaught.anomalies.settings import AnomalySettings
    from untaught.config import parse_overrides, validate
    from untaught.engine.drawn import SIZES, detect_drawn
    from untaught.errors import ConfigError
    from untaught.report.drawn import drawn_lines
    from untaught.report.evaluation import read_drawn
    from untaught.report.page import write_report
    from untaught.run import Run

    given = parse_overrides(set_ or [])
    settings = validate(AnomalySettings, given)
    if idle := {"size", "clean"} & given.keys():
        sizes = ", ".join(f"{size:.0%}" for size in SIZES)
        raise ConfigError(
            f"--set {' and '.join(sorted(idle))}, while each image gets a defect, of sizes that are given ({sizes})",
            "what is drawn, how strong and where",
            "leave it out",
        )
    opened = Run(run)
    with opened.alone("anomalies detect"):
        with progress(quiet or json_) as report:
            detect_drawn(opened, good or None, settings=settings, draws=draws, report=report)
        page = write_report([opened], run / "report.html")
        drawn = read_drawn(opened)
    if json_:
        print(json.dumps(opened.drawn()))
    elif drawn is not None:
        typer.echo(drawn_lines(drawn))
        typer.echo(page)
