"""`untaught list`."""

from __future__ import annotations

import json
from typing import Any

import typer

from untaught.cli.console import Json

SHOWN = ("bottle", "toy")  # the product whose figures are told, the first that was measured


def list_methods(json_: Json = False) -> None:
    """Show the methods that can be trained, what they are and what they cost."""
    from untaught.registry import measured, method_card, method_idea, method_names

    known = measured()
    names = method_names()
    if json_:
        rows = [
            {"name": name, "idea": method_idea(name), "card": method_card(name), "measured": known["methods"].get(name)}
            for name in names
        ]
        print(json.dumps(rows))
        return
    for name in names:
        lines = [method_idea(name), method_card(name).partition("\n")[0].rstrip("."), cost(known["methods"].get(name))]
        typer.echo(f"{name:22} " + f"\n{'':22} ".join(line for line in lines if line))
    if known["machine"]:
        typer.echo(f"\nCPU times with preset lite on {known['machine']}; an image's with one thread.")


def cost(found: dict[str, Any] | None) -> str:
    """Size and times in words; what was not measured is not told."""
    if not found:
        return "not measured yet"
    products = found["products"]
    product = next((name for name in SHOWN if name in products), min(products))
    row = products[product]
    told = [f"{found['parameters'] / 1e6:.1f} M trained parameters"]
    if "train_cpu_seconds" in row:
        told.append(f"trained in {row['train_cpu_seconds']:.0f} s on {row['images']} images of {product}")
    if "ms_per_image" in row:
        told.append(f"{row['ms_per_image']:.0f} ms an image")
    if "processor" in row:
        told.append(f"on {row['processor']}")
    return ", ".join(told)
