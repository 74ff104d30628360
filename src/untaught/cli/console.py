"""What the user sees: progress on standard error, results on standard output."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from untaught.lock import first_process
from untaught.progress import Progress, Report, silent

if TYPE_CHECKING:
    from rich.console import Console

SECONDS = 10.0

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no remarks; errors and results only.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def console() -> Console:
    """The console on standard error."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True)


def remark(text: str, quiet: bool = False) -> None:
    """Tell the user something that is not a result."""
    if not quiet and first_process():
        console().print(text, highlight=False, markup=False)


@contextlib.contextmanager
def progress(quiet: bool) -> Iterator[Report]:
    """A bar for each task with rate, time left and what is being waited for; lines where there is no terminal."""
    if quiet or not first_process():
        yield silent
    elif sys.stderr.isatty():
        with _bars() as report:
            yield report
    else:
        yield _lines()


@contextlib.contextmanager
def _bars() -> Iterator[Report]:
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Bars(*columns, console=console()) as bars:
        tasks: dict[str, TaskID] = {}

        def report(step: Progress) -> None:
            if step.task not in tasks:
                tasks[step.task] = bars.add_task(step.task, total=step.total, rate="", note="")
            number = tasks[step.task]
            speed = next(task.speed for task in bars.tasks if task.id == number)
            rate = f"{speed:.1f}/s" if speed else ""
            bars.update(number, completed=step.done, total=step.total, rate=rate, note=step.note)

        yield report


def _lines() -> Report:
    """A line when a task begins, when it is over, and every ten seconds between, with rate and time left."""
    said: dict[str, float] = {}
    begun: dict[str, tuple[float, int]] = {}

    def report(step: Progress) -> None:
        now, over = time.monotonic(), step.done >= step.total
        if over or now - said.get(step.task, -math.inf) >= SECONDS:
            said[step.task] = now
            since, first = begun.setdefault(step.task, (now, step.done))
            told = pace(step.done - first, step.total - step.done, now - since)
            words = (f"{step.task} {step.done}/{step.total}", told, step.note)
            print(" ".join(word for word in words if word), file=sys.stderr, flush=True)

    return report


def pace(done: int, left: int, seconds: float) -> str:
    """Rate and time left in words; empty where it is too early to tell."""
    if seconds < 1 or done < 1:
        return ""
    rate = done / seconds
    return f"{rate:.1f}/s" + (f", {left / rate:.0f} s left" if left else "")
