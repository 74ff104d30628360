"""`untaught inspect`."""

from __future__ import annotations

import contextlib
import glob
import json
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from untaught.cli.allocator import share_heaps
from untaught.cli.console import Json, Quiet, progress, remark
from untaught.errors import DataError, UntaughtError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from untaught.image import Recipe, WithDepth
    from untaught.records import Prediction


def inspect_images(
    source: Annotated[Path, typer.Argument(help="Run folder, or a file made by `untaught export`.")],
    paths: Annotated[list[str], typer.Argument(help="Images, folders or glob patterns.")],
    out: Annotated[Path | None, typer.Option(help="Folder for overlays and results.jsonl.")] = None,
    jsonl: Annotated[Path | None, typer.Option(help="File for one JSON line an image.")] = None,
    depth: Annotated[
        Path | None, typer.Option(help="Depth file of the one image, or a folder with one of each image's name.")
    ] = None,
    overlays: Annotated[bool, typer.Option("--overlays", help="Write an overlay PNG an image into --out.")] = False,
    product: Annotated[
        str, typer.Option(help="Product the images show, where the run was trained on several; default: any of them.")
    ] = "",
    backend: Annotated[
        Literal["auto", "onnxruntime", "openvino"],
        typer.Option(help="Of a file: the runtime; `auto` is OpenVINO where it is installed."),
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option(help="Of a file: threads for one image, or images at a time; default: all cores.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Of a file: PEM of the public key that must have signed it.")] = None,
    max_pixels: Annotated[
        int | None, typer.Option(min=1, help="Largest width times height that is decoded; default: the run's.")
    ] = None,
    max_bytes: Annotated[int | None, typer.Option(min=1, help="Largest file that is read; default: the run's.")] = None,
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Inspect images: score, p-value, verdict, regions and time of each.

    A run that was trained with depth finds an image's depth file beside it (7.png: 7_depth.tiff, .tif, .png, .npy;
    rgb/7.png: xyz/7.tiff ...), or is told by --depth. Lines for --jsonl are written as they come, to a temporary name;
    it takes its own when all are inspected, or as far as they are when Ctrl-C is pressed.
    """
    share_heaps()
    files = find_images(paths)
    if overlays and out is None:
        out = Path("inspection")
    if out is not None and jsonl is None:
        jsonl = out / "results.jsonl"

    from untaught import load
    from untaught.files import replacing
    from untaught.progress import Progress

    inspector = load(source, backend, threads, key=key)
    limits = {"max_pixels": max_pixels, "max_bytes": max_bytes}
    given_limits = {key: value for key, value in limits.items() if value is not None}
    inspector.recipe = inspector.recipe.model_copy(update=given_limits)
    pixel, recipe = inspector.calibration_of(product).pixel.value, inspector.recipe.of(product)
    given = list(with_depth(files, depth, recipe))
    files = [image_of(one) for one in given]
    rows, broken = [], 0
    with contextlib.ExitStack() as stack:
        lines = None if jsonl is None else stack.enter_context(replacing(jsonl))
        stack.enter_context(_kept_as_far_as_it_is(jsonl, quiet))
        report = stack.enter_context(progress(quiet or json_))
        for number, (one, answer) in enumerate(
            zip(given, inspector.stream_all(given, products=repeat(product)), strict=True)
        ):
            path = files[number]
            rows.append(row := as_row(path, answer))
            if isinstance(answer, UntaughtError):
                broken += 1
            elif overlays and out is not None:
                write_overlay(recipe, pixel, one, answer, out / f"{number:05d}_{path.stem}.png")
            if lines is not None:
                lines.write(f"{json.dumps(row)}\n".encode())
                lines.flush()
            if not json_:
                typer.echo(as_line(row))
            report(Progress("inspect", number + 1, len(files)))
    if json_:
        print(json.dumps(rows))
    if len(rows) < len(files):
        raise typer.Exit(130)
    if broken:
        remark(f"{broken} of {len(files)} images could not be inspected", quiet)
        raise typer.Exit(2)


@contextlib.contextmanager
def _kept_as_far_as_it_is(jsonl: Path | None, quiet: bool) -> Iterator[None]:
    """Ctrl-C ends the inspection, and what was inspected stays."""
    try:
        yield
    except KeyboardInterrupt:
        remark("Interrupted." + (f" What was inspected stands in {jsonl}." if jsonl else ""), quiet)


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


def with_depth(files: Sequence[Path], depth: Path | None, recipe: Recipe) -> Iterator[Path | WithDepth]:
    """The images as the inspector takes them: with their depth where the run wants it, depth files left out.

    Args:
        files: image files, depth files among them.
        depth: the depth file of the one image, or a folder with one of each image's name; None: those beside them.
        recipe: the run's.

    Raises:
        DataError: the run takes no depth, or there is one depth file for several images.
    """
    from untaught.image.depth_file import WithDepth, in_any_form, is_depth_file

    if recipe.depth is None:
        if depth is not None:
            came = f"--depth {depth} came for a run that looks at no depth"
            raise DataError(came, "a run that was trained with depth", "leave it out, or name another run")
        yield from files
        return
    pictures = [path for path in files if not is_depth_file(path)] or files
    if depth is not None and not depth.is_dir():
        if len(pictures) > 1:
            came = f"one depth file for {len(pictures)} images"
            raise DataError(came, "one image, or a folder of depth files", "name the folder with --depth")
        yield from (WithDepth(path, depth) for path in pictures)
        return
    for path in pictures:
        yield WithDepth(path, None if depth is None else in_any_form(depth / path.stem))


def image_of(source: Path | WithDepth) -> Path:
    """The image's file."""
    return source if isinstance(source, Path) else Path(str(source.image))


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
    from untaught.report.words import at_odds

    figures = f"score {row['score']:9.4f}  p {row['p_value']:.4f}  {len(row['regions'])} region(s)"
    remarked = at_odds(row["verdict"] == "reject", len(row["regions"]))
    return f"{row['verdict']:7} {figures}  {row['seconds'] * 1000:5.0f} ms  {row['name']}" + (
        f"  ({remarked})" if remarked else ""
    )


def write_overlay(recipe: Recipe, threshold: float, source: Path | WithDepth, answer: Prediction, target: Path) -> None:
    """Write the inspected image with heat map and contours; with depth, its picture with contours beside it."""
    import numpy as np
    from PIL import Image

    from untaught.files import replacing
    from untaught.image import decode, read_inputs
    from untaught.regions import outlines_of
    from untaught.render import depth_picture, draw_contours, overlay

    area = recipe.area
    bounds = [] if area is None else outlines_of(area.inside, answer.size)
    picture = overlay(decode(image_of(source), recipe), answer.map, threshold, answer.regions, bounds)
    if recipe.depth is not None:
        depth = Image.fromarray(depth_picture(read_inputs(source, recipe)[0]["depth"])).resize(answer.size)
        picture = np.concatenate([picture, draw_contours(np.asarray(depth), answer.regions)], axis=1)
    with replacing(target) as file:
        Image.fromarray(picture).save(file, format="PNG")
