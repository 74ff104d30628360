"""`untaught`: the application, its commands, and how errors end.

Exit code 0: done. 1: the data would spoil a result (`doctor`). 2: something the user can mend, said in one message.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from untaught.cli import (
    anomalies,
    calibrate,
    demo,
    doctor,
    evaluate,
    export,
    inspection,
    listing,
    pretrain_teacher,
    report,
    train,
)
from untaught.cli.allocator import keep_memory
from untaught.cli.console import console
from untaught.errors import UntaughtError
from untaught.lock import first_process

EXTRA = ("torch", "timm", "accelerate", "safetensors", "jaxtyping", "onnx", "onnxscript")

app = typer.Typer(
    name="untaught",
    help="Learn from images of good parts, find the defects nobody taught.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    demo.demo,
    doctor.doctor,
    train.train,
    calibrate.calibrate,
    evaluate.evaluate,
    export.export,
    report.report,
):
    app.command()(command)
app.add_typer(anomalies.app, name="anomalies")
app.command("list")(listing.list_methods)
app.command("pretrain-teacher")(pretrain_teacher.pretrain_teacher)
app.command("inspect")(inspection.inspect_images)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"untaught {version('untaught')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; what a user can mend ends with exit code 2 and one message."""
    keep_memory()
    try:
        app()
    except UntaughtError as error:
        if "--json" in sys.argv and first_process():
            print(
                json.dumps(
                    {"error": type(error).__name__, "came": error.came, "expected": error.expected, "fix": error.fix}
                )
            )
        console().print(f"[bold red]Error[/]: {_plain(str(error))}", highlight=False)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        text = f"The package {error.name} is not installed; this command needs the extra `train`."
        console().print(f"[bold red]Error[/]: {text} What to do: pip install 'untaught\\[train]'.", highlight=False)
        sys.exit(2)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


if __name__ == "__main__":
    main()
