"""`untaught doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from untaught.cli.console import Json, Quiet, progress

if TYPE_CHECKING:
    from untaught.data.diagnosis import Diagnosis
    from untaught.records import Finding

SHOWN = 10


def doctor(
    data: Annotated[list[str], typer.Argument(help="Data sets: a folder, a folder of products, or `toy`.")],
    quiet: Quiet = False,
    json_: Json = False,
) -> None:
    """Look at a data set before it is trained on; exit code 1 where something would spoil a result."""
    from untaught.data.doctor import examine
    from untaught.data.folder import open_dataset
    from untaught.progress import Progress

    with progress(quiet or json_) as report:
        diagnosis = examine(open_dataset(data), progress=lambda done, total: report(Progress("examine", done, total)))
    typer.echo(diagnosis.model_dump_json(indent=2) if json_ else as_text(diagnosis))
    if diagnosis.spoiled:
        raise typer.Exit(1)


def as_text(diagnosis: Diagnosis) -> str:
    """A diagnosis for people."""
    lines = [f"{diagnosis.name}: {diagnosis.layout}"]
    for product, counts in (diagnosis.products or {"": diagnosis.counts}).items():
        lines += [f"  {product}"] if product else []
        for split, kinds in counts.items():
            told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
            lines.append(f"  {'  ' * bool(product)}{split}: {told}")
    lines.append(f"  masks: {diagnosis.masks}")
    lines.append("  sizes: " + _histogram(diagnosis.sizes))
    lines.append("  formats: " + _histogram(diagnosis.formats))
    for finding in diagnosis.findings:
        lines += ["", as_lines(finding)]
    verdict = (
        "Something here would spoil a result." if diagnosis.spoiled else "Nothing found that would spoil a result."
    )
    return "\n".join([*lines, "", verdict])


def as_lines(finding: Finding) -> str:
    """A finding for people."""
    lines = [f"{finding.severity}: {finding.what}"]
    lines += [f"    {name}{_reason(finding.reasons.get(name))}" for name in finding.names[:SHOWN]]
    if len(finding.names) > SHOWN:
        lines.append(f"    and {len(finding.names) - SHOWN} more (--json lists all)")
    if finding.fix:
        lines.append(f"  What to do: {finding.fix}")
    return "\n".join(lines)


def _reason(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _histogram(counts: dict[str, int]) -> str:
    shown = [f"{count} x {name}" for name, count in list(counts.items())[:SHOWN]]
    return ", ".join(shown) + (f", and {len(counts) - SHOWN} other" if len(counts) > SHOWN else "")
