"""Writes what can be written: pages and figures of the methods, figures in the guide, the list of all messages.

    python docs/pages.py [--check]

A method's page comes from its card, its settings and what was measured of it.

`docs/methods/NAME.toml` holds what cannot be taken from the method: when to choose it, and its figure's description.
`--check` writes nothing and ends with 1 where a page is not current.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
import tomllib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import messages
from diagram import draw
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from untaught.registry import measured, method_card, method_class, method_names

FOLDER = Path(__file__).parent / "methods"
GUIDE = Path(__file__).parent / "guide"
ABLATIONS = Path(__file__).parent / "ablations"
SENTENCE = re.compile(r"(?<=[.]) ")
SECTION = re.compile(r"^(\S.*)\n(?=    \S)", re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        print(path)
        if not args.check:
            path.write_text(pages()[path], encoding="utf-8")
    sys.exit(1 if args.check and stale else 0)


def pages() -> dict[Path, str]:
    """What every generated file has to hold."""
    found = {}
    for name in method_names():
        described = description(name)
        if "boxes" in described:
            found[FOLDER / f"{name}.svg"] = draw(described["boxes"], described["arrows"], f"Architecture of {name}")
        found[FOLDER / f"{name}.md"] = page(name, described)
    found[FOLDER / "README.md"] = index()
    found[GUIDE / "choosing.md"] = choosing((GUIDE / "choosing.md").read_text("utf-8"))
    found[GUIDE / "messages.md"] = messages.page()
    return found


def description(name: str) -> dict[str, Any]:
    """When to choose the method and what its figure shows; empty where nobody wrote it."""
    path = FOLDER / f"{name}.toml"
    return tomllib.loads(path.read_text("utf-8")) if path.exists() else {}


def index() -> str:
    """The list of all pages."""
    rows = [f"- [{name}]({name}.md): {method_card(name).splitlines()[0].rstrip('.')}" for name in method_names()]
    return "\n".join(["# Methods", "", "Written by `docs/pages.py`.", "", *rows, ""])


def page(name: str, described: Mapping[str, Any]) -> str:
    """One method's page."""
    title, _, card = method_card(name).partition("\n")
    parts = [
        f"# {name}",
        f"{title.rstrip('.')}.",
        "Written by `docs/pages.py` from the method's card, settings and measurements.",
    ]
    if "boxes" in described:
        parts.append(f"![Architecture of {name}]({name}.svg)")
    parts += [sections(card.strip()), "## Settings", SETTINGS, settings(method_class(name))]
    parts += ["## Results", results(name)]
    if "choose" in described:
        parts += ["## When to choose it", described["choose"].strip()]
    return "\n\n".join(parts) + "\n"


SETTINGS = "Set with `--set model.PATH=VALUE`, or in Python as keywords of `configure`; a dash is the value of `lite`."


def sections(card: str) -> str:
    """The card as Markdown: a line followed by an indented block is a heading."""
    pieces = SECTION.split(card)
    parts = [pieces[0].strip()]
    for heading, body in zip(pieces[1::2], pieces[2::2], strict=True):
        text = textwrap.dedent(body).strip("\n").rstrip()
        parts += [f"## {heading}", f"```text\n{text}\n```" if heading.startswith("Symbols") else text]
    return "\n\n".join(parts)


def settings(method: Any) -> str:
    """All settings of a method with their values in each preset."""
    presets = sorted(method.presets, key=lambda preset: preset != "lite")
    lines = ["| setting | type | " + " | ".join(f"`{preset}`" for preset in presets) + " | meaning |"]
    lines.append("| --- | --- |" + " --- |" * len(presets) + " --- |")
    values = [dict(leaves(method.configure(preset).model_dump())) for preset in presets]
    for path, field in fields(method.Config):
        cells = [shown(value.get(path)) for value in values]
        cells = [cells[0], *("–" if cell == cells[0] else cell for cell in cells[1:])]
        meaning = (field.description or "").replace("|", "\\|")
        lines.append(f"| `{path}` | {kind(field.annotation)} | " + " | ".join(cells) + f" | {meaning} |")
    return "\n".join(lines)


def fields(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every leaf of a settings model with its dotted path."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation, f"{path}{name}.")
        else:
            yield path + name, field


def leaves(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Nested values by dotted path."""
    for key, value in values.items():
        yield path + key, value
        if isinstance(value, Mapping):
            yield from leaves(value, f"{path}{key}.")


def kind(annotation: Any) -> str:
    """A type in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join("nothing" if argument is type(None) else kind(argument) for argument in arguments)
    if origin in (tuple, list):
        inner = [argument for argument in arguments if argument is not Ellipsis]
        some = "" if len(arguments) != len(inner) or origin is list else f"{len(inner)} "
        return f"list of {some}{kind(inner[0])}"
    if origin is dict:
        return "table"
    words = {int: "whole number", float: "number", bool: "yes or no", str: "text", Path: "path"}
    return words.get(annotation, f"`{getattr(annotation, '__name__', annotation)}`")


def shown(value: Any) -> str:
    """A value as it stands in a table."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(str, value)) + "]"
    return f"`{value}`" if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def results(name: str) -> str:
    """What benchmarks/results.py measured of the method with preset `lite`."""
    record = measured()
    found = record["methods"].get(name, {}).get("products", {})
    ablation = ABLATIONS / f"{name}.md"
    parts = [f"\nWhat its parts are worth: [ablation](../ablations/{name}.md)."] if ablation.exists() else []
    if not found:
        return "\n".join(["Not measured yet: run `python benchmarks/results.py --methods " + name + "`.", *parts])
    lines = [
        "Preset `lite`, default settings, last epoch, mean over seeds, in percent; [all methods](../results.md).",
        "",
        "| product | seeds | image AUROC | pixel AUROC | AUPRO@0.3 | training, CPU s | ms an image |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for product, row in found.items():
        figures = [percent(row.get(key)) for key in ("image_auroc", "pixel_auroc", "aupro")]
        times = [plain(row.get(key)) + star(row) for key in ("train_cpu_seconds", "ms_per_image")]
        seeds = ", ".join(map(str, row["seeds"]))
        lines.append(f"| {product} | {seeds} | " + " | ".join([*figures, *times]) + " |")
    return "\n".join([*lines, "", f"Machine: {record['machine']}.{starred(found.values())}", *parts])


def choosing(text: str) -> str:
    """The guide's page on choosing with its two tables renewed."""
    for name, table in (("figures", compared()), ("decisions", decisions())):
        begin, end = f"<!-- {name}: written by docs/pages.py -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{table}\n\n{end}{rest.partition(end)[2]}"
    return text


def compared() -> str:
    """All measured methods beside each other."""
    record = measured()
    names = [name for name in method_names() if record["methods"].get(name, {}).get("products")]
    if not names:
        return "Not measured yet: `benchmarks/results.py` writes them."
    products = sorted({product for name in names for product in record["methods"][name]["products"]})
    lines = ["Image AUROC / AUPRO@0.3 in percent with preset `lite`; training in CPU seconds, an image in CPU ms.", ""]
    lines.append("| product | " + " | ".join(f"[{name}](../methods/{name}.md)" for name in names) + " |")
    lines.append("| --- |" + " --- |" * len(names))
    for product in products:
        rows = [record["methods"][name]["products"].get(product, {}) for name in names]
        cells = [f"{percent(row.get('image_auroc'))} / {percent(row.get('aupro'))}" if row else "–" for row in rows]
        lines.append(f"| {product} | " + " | ".join(cells) + " |")
        costs = [
            f"{plain(row.get('train_cpu_seconds'), ' s')}, {plain(row.get('ms_per_image'), ' ms')}{star(row)}"
            if row
            else ""
            for row in rows
        ]
        lines.append("| | " + " | ".join(costs) + " |")
    every = [row for name in names for row in record["methods"][name]["products"].values()]
    return "\n".join([*lines, "", f"Machine: {record['machine']}.{starred(every)}"])


def star(row: dict[str, Any]) -> str:
    """A star behind times of another processor than most."""
    return " *" if "processor" in row else ""


def starred(rows: Iterable[dict[str, Any]]) -> str:
    """What the star means, where there is one."""
    named = sorted({row["processor"] for row in rows if "processor" in row})
    return f" With a star: on {' or '.join(named)}; compare these with each other only." if named else ""


def decisions() -> str:
    """What speaks for which method: the first sentence on when to choose it."""
    lines = ["| choose | when |", "| --- | --- |"]
    told = {name: " ".join(description(name).get("choose", "").split()) for name in method_names()}
    rows = [
        f"| [{name}](../methods/{name}.md) | {re.split(SENTENCE, text)[0]} |" for name, text in told.items() if text
    ]
    return "\n".join([*lines, *rows])


def percent(value: float | None) -> str:
    return "not measured" if value is None else f"{100 * value:.1f}"


def plain(value: float | None, unit: str = "") -> str:
    return "not measured" if value is None else f"{value:.0f}{unit}"


if __name__ == "__main__":
    main()
