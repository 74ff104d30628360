"""`untaught export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from untaught.cli.console import Json, Quiet, progress, remark


def export(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    out: Annotated[
        Path | None, typer.Option(help="The file; default: beside the run folder, its name with .untaught.")
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="Where the held-out good images are now, if they moved since the training.")
    ] = None,
    precision: Annotated[
        Literal["fp32", "fp16", "int8"],
        typer.Option(help="fp16: half the file. int8: faster. Refused where it costs too much of the quality."),
    ] = "fp32",
    sign: Annotated[Path | None, typer.Option(help="PEM file of a private ed25519 key to sign with.")] = None,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Write a run as one file that proves itself and needs no torch."""
    from untaught.export.exporter import export_run

    target = out or run.parent / f"{run.resolve().name}.untaught"
    with progress(quiet or json_) as report:
        card = export_run(run, target, data=data, precision=precision, sign=sign, report=report).card
    parity = {backend: record.model_dump() for backend, record in card.parity.items()}
    drop = card.drop and card.drop.model_dump()
    if json_:
        print(json.dumps({"bundle": str(target), "held_out": card.held_out, "parity": parity, "drop": drop}))
        return
    for backend, record in card.parity.items():
        far = f"score {record.score:.1e}, map {record.map:.1e}"
        truth = "torch" if card.drop is None else "onnxruntime"
        remark(f"{backend} {record.version} beside {truth} on {card.held_out} held-out images: {far}", quiet)
    if card.drop is not None:
        fall = f"image AUROC on drawn defects {card.drop.auroc:.4f} -> {card.drop.auroc_after:.4f}"
        remark(f"{precision} beside torch: {fall}, maps correlate by {card.drop.correlation:.4f}", quiet)
    typer.echo(target)
