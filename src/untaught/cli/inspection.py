"""`untaught inspect`."""

from __future__ import annotations

import glob
import json
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from untaught.cli.console import Json, Quiet, progress, remark
from untaught.errors import DataError, UntaughtError

if TYPE_CHECKING:
    from untaught.image import Recipe
    from untaught.records import Prediction


def inspect_images(
    source: Annotated[Path, typer.Argument(help="Run folder, or a file made by `untaught export`.")],
    paths: Annotated[list[str], typer.Argument(help="Images, folders or glob patterns.")],
    out: Annotated[Path | None, typer.Option(help="Folder for overlays and results.jsonl.")] = None,
    jsonl: Annotated[Path | None, typer.Option(help="File for one JSON line an image.")] = None,
    overlays: Annotated[bool, typer.Option("--overlays", help="Write an overlay PNG an image into --out.")] = False,
    product: Annotated[
        str, typer.Option(help="Product the images show, where the run was trained on several; default: any of them.")
    ] = "",
    backend: Annotated[
        Literal["auto", "onnxruntime", "openvino"],
        typer.Option(help="Of a file: the runtime; `auto` is OpenVINO where it is installed."),
    ] = "auto",
    threads: Annotated[int | None, typer.Option(help="Of a file: threads for one image; default: all cores.")] = None,
    key: Annotated[Path | None, typer.Option(help="Of a file: PEM of the public key that must have signed it.")] = None,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Inspect images: score, p-value, verdict, regions and time of each."""
    files = find_images(paths)
    if overlays and out is None:
        out = Path("inspection")
    if out is not None and jsonl is None:
        jsonl = out / "results.jsonl"

    from untaught import load
    from untaught.files import write_text
    from untaught.progress import Progress

    inspector = load(source, backend, threads, key=key)
    pixel = inspector.calibration_of(product).pixel.value
    rows, broken = [], 0
    with progress(quiet or json_) as report:
        for number, (path, answer) in enumerate(
            zip(files, inspector.stream_all(files, products=repeat(product)), strict=True)
        ):
            rows.append(row := as_row(path, answer))
            if isinstance(answer, UntaughtError):
                broken += 1
            elif overlays and out is not None:
                write_overlay(inspector.recipe, pixel, path, answer, out / f"{number:05d}_{path.stem}.png")
            if not json_:
                typer.echo(as_line(row))
            report(Progress("inspect", number + 1, len(files)))
    if jsonl is not None:
        write_text(jsonl, "".join(json.dumps(row) + "\n" for row in rows))
    if json_:
        print(json.dumps(rows))
    if broken:
        remark(f"{broken} of {len(files)} images could not be inspected", quiet)
        raise typer.Exit(2)


def find_images(paths: list[str]) -> list[Path]:
    """Image files named by paths, folders and patterns, each once, in order.

    Raises:
        DataError: one of them names no image.
    """
    from untaught.data.listing import images

    found: dict[Path, None] = {}
    for text in paths:
        path = Path(text)
        if path.is_dir():
            matches = images(path)
        elif path.exists():
            matches = [path]
        else:
            named = map(Path, sorted(glob.glob(text, recursive=True)))  # noqa: PTH207
            matches = [item for item in named if not item.is_dir()]
        if not matches:
            raise DataError(
                f"{text} names no image", "an image file, a folder with images or a pattern", "check the path"
            )
        found.update(dict.fromkeys(matches))
    return list(found)


def as_row(path: Path, answer: Prediction | UntaughtError) -> dict[str, Any]:
    """One image's answer as plain data."""
    from untaught.records import region_row

    if isinstance(answer, UntaughtError):
        return {"name": str(path), "error": str(answer)}
    return ({"product": answer.product} if answer.product else {}) | {
        "name": str(path),
        "score": answer.score,
        "p_value": answer.p_value,
        "verdict": answer.verdict,
        "regions": [region_row(region) for region in answer.regions],
        "seconds": round(answer.seconds, 4),
    }


def as_line(row: dict[str, Any]) -> str:
    """One image's answer as a line for people."""
    if "error" in row:
        return f"error   {row['name']}: {row['error']}"
    figures = f"score {row['score']:9.4f}  p {row['p_value']:.4f}  {len(row['regions'])} region(s)"
    return f"{row['verdict']:7} {figures}  {row['seconds'] * 1000:5.0f} ms  {row['name']}"


def write_overlay(recipe: Recipe, threshold: float, path: Path, answer: Prediction, target: Path) -> None:
    """Write the inspected image with heat map and contours."""
    from PIL import Image

    from untaught.files import replacing
    from untaught.image import decode
    from untaught.regions import outlines_of
    from untaught.render import overlay

    area = recipe.area
    bounds = [] if area is None else outlines_of(area.inside, answer.size)
    picture = overlay(decode(path, recipe), answer.map, threshold, answer.regions, bounds)
    with replacing(target) as file:
        Image.fromarray(picture).save(file, format="PNG")
