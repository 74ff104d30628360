"""`untaught list`."""

from __future__ import annotations

import json

import typer

from untaught.cli.console import Json


def list_methods(json_: Json = False) -> None:
    """Show the methods that can be trained."""
    from untaught.registry import method_card, method_names

    cards = {name: method_card(name) for name in method_names()}
    if json_:
        print(json.dumps([{"name": name, "card": card} for name, card in cards.items()]))
        return
    for name, card in cards.items():
        typer.echo(f"{name:24} {card.partition(chr(10))[0]}")
