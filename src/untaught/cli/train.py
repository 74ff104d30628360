"""`untaught train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from untaught.cli.console import Json, Quiet, progress, remark
from untaught.cli.doctor import as_lines
from untaught.errors import RunError
from untaught.files import disk_full
from untaught.lock import first_process

if TYPE_CHECKING:
    from untaught.data.diagnosis import Diagnosis
    from untaught.run import Run


def train(
    method: Annotated[str, typer.Argument(help="Method: see `untaught list`.")],
    data: Annotated[
        list[str],
        typer.Option(
            help="Folder with good images, a folder of products, or `toy` for a product drawn in memory; "
            "given several times, one model for all."
        ),
    ],
    preset: Annotated[
        str, typer.Option(help="Named settings: `lite` for two cores, `paper` for the paper's.")
    ] = "lite",
    backbone: Annotated[
        str | None, typer.Option(help="Any timm model with feature maps, in place of the preset's.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Backbone weights: a local safetensors file.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Side of the square input in pixels.")] = None,
    tile: Annotated[
        str | None, typer.Option(help="Cut images of their own size into tiles of this side in pixels, or `auto`.")
    ] = None,
    overlap: Annotated[int, typer.Option(help="Pixels that neighbouring tiles share at least.")] = 32,
    roi: Annotated[
        Path | None,
        typer.Option(
            help="Region to look at: mask picture, bright inside, or JSON polygon; or a folder of one a product."
        ),
    ] = None,
    ignore: Annotated[Path | None, typer.Option(help="Region not to look at, given as --roi is.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each stage, in place of the stopping rule.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Time budget of training in minutes.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of split, initialisation and order.")] = 0,
    false_reject: Annotated[float, typer.Option(help="Wanted share of good parts that are rejected.")] = 0.01,
    on_bad_image: Annotated[str, typer.Option(help="`fail` or `skip` where an image does not decode.")] = "fail",
    out: Annotated[Path | None, typer.Option(help="Run folder; default: a new one under runs/.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting: key=value, e.g. cache.memory=4.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted training in --out.")] = False,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Train a detector on good images and set its thresholds from held-out ones."""
    from untaught.config import asked, parse_overrides
    from untaught.run import run_folder

    given = {
        "method": method,
        "data": data[0] if len(data) == 1 else data,
        "preset": preset,
        "image_size": image_size,
        "tile": int(tile) if tile and tile.isdecimal() else tile,
        "overlap": overlap,
        "roi": roi and str(roi.resolve()),
        "ignore": ignore and str(ignore.resolve()),
        "epochs": epochs,
        "minutes": minutes,
        "seed": seed,
        "false_reject": false_reject,
        "on_bad_image": on_bad_image,
        "backbone": backbone,
        "weights": weights,
    }
    settings = asked(given, parse_overrides(set_ or []))
    with run_folder(out, settings.name, "train", resume=resume) as out:
        if resume and not (out / "settings.toml").exists():
            remark(f"Nothing to resume: {out} holds no training that was begun. A new one begins there.")
        from untaught.engine.train import train as train_run
        from untaught.report.page import write_report

        try:
            with progress(quiet or json_) as report:
                run = train_run(
                    settings, out, resume=resume, report=report, diagnosed=lambda told: warn(told, quiet, json_)
                )
            if not first_process():
                return
            write_report([run], run.folder / "report.html")
        except KeyboardInterrupt:
            remark(f"Interrupted. Go on where it was: the same command with --out {out} --resume", quiet)
            raise typer.Exit(130) from None
        except RunError as error:
            if disk_full(error) and (out / "settings.toml").exists():
                fix = f"free space and repeat the command with --out {out} --resume: it goes on where it was"
                raise RunError(error.came, "free space", fix) from error
            raise
    tell(run, quiet or json_)
    if json_:
        kept = {"name", "method", "preset", "seed", "training", "calibration", "products"}
        told = run.card.data.model_dump(mode="json", include={"copies", "quarantined", "reasons", "findings"})
        print(json.dumps({"run": str(run.folder), **run.card.model_dump(mode="json", include=kept), **told}))
    else:
        typer.echo(run.folder)


def warn(diagnosis: Diagnosis, quiet: bool, json_: bool) -> None:
    """Say before the first epoch what the doctor found: errors even where quiet is wanted; JSON has it in the end."""
    told = {"error"} if quiet else {"error", "warning"}
    for finding in diagnosis.findings:
        if (finding.severity in told or finding.code == "left-out") and not json_:
            remark(as_lines(finding))
    if diagnosis.spoiled and not json_:
        remark(
            "Training goes on, but errors in the data spoil what `untaught evaluate` measures: better mend them first."
        )


def tell(run: Run, quiet: bool) -> None:
    """Say in a few lines what the training did and what its threshold promises."""
    from untaught.calibration import promises

    card = run.card
    stopped = card.training.stopped
    remark(
        "; ".join(
            f"{stage}: {count} epoch{'s' * (count != 1)} ({stopped[stage]})"
            for stage, count in card.training.epochs.items()
        ),
        quiet,
    )
    if card.data.copies or card.data.quarantined:
        left = f"{len(card.data.copies)} exact copies, {len(card.data.quarantined)} that do not decode"
        remark(f"left out of the good images: {left} (named in {run.folder / 'card.json'})", quiet)
        for name in card.data.quarantined:
            remark(f"    {card.data.reasons.get(name, name)}", quiet)
    first, *rest = promises(card.calibration.image, {name: its.image for name, its in card.products.items()})
    remark(f"{card.training.images} images, {card.training.seconds:.0f} s. {first}", quiet)
    for line in rest:
        remark(f"    {line}", quiet)
