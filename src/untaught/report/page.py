"""One self-contained HTML file on a run, or on several beside each other.

Style sheet and script are written into the page and pictures are data URIs; a content security policy with their hashes
keeps everything else out, so that the page opens without a network and a hostile file name stays text.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from untaught.errors import ConfigError, RunError
from untaught.files import write_text
from untaught.report.comparison import view_comparison
from untaught.report.view import view_run
from untaught.run import Run, opened

TRIES = 20


def report(*runs: Run | str | Path, out: str | Path | None = None) -> Path:
    """Write the page on one run, or the comparison of several, and return its path.

    Args:
        runs: finished runs, or their folders.
        out: the page; default: report.html in the run, comparison.html for several.

    Raises:
        ConfigError: there is no run.
        RunError: a run is damaged, or the file cannot be written.
    """
    every = [opened(run) for run in runs]
    usual = every[0].folder / "report.html" if len(every) == 1 else Path("comparison.html")
    return write_report(every, usual if out is None else Path(out))


def write_report(runs: Sequence[Run], out: Path) -> Path:
    """Write the page on one run, or the comparison of several, and return its path.

    The runs are only read: a command that is at work on one of them is not waited for. What it writes meanwhile is
    read as well, so that the page shows each run as it was at one moment.

    Raises:
        ConfigError: there is no run.
        RunError: a run is damaged, or the file cannot be written.
    """
    for _ in range(TRIES):
        if (page := _read(runs)) is not None:
            break
        time.sleep(0.1)
    else:
        raise RunError("a run that changes while it is read", "one at rest", "wait until what works on it is done")
    # File names may hold bytes that are no text; they are shown as question marks.
    write_text(out, page.encode("utf-8", "replace").decode("utf-8"))
    return out


def _read(runs: Sequence[Run]) -> str | None:
    """The page; None where a run was changed while it was read."""
    before = [run.versions() for run in runs]
    try:
        for run in runs:
            run.renew()
        page = render_page(runs)
    except (RunError, OSError):
        if before == [run.versions() for run in runs]:
            raise
        return None
    return page if before == [run.versions() for run in runs] else None


def render_page(runs: Sequence[Run]) -> str:
    """The page as HTML.

    Raises:
        ConfigError: there is no run.
        RunError: a run is damaged.
    """
    if not runs:
        raise ConfigError("no run to report on", "at least one run folder", "name one: untaught report RUN")
    names = _names(runs)
    views = [view_run(run, name, pictures=len(runs) == 1) for run, name in zip(runs, names, strict=True)]
    style, script = (files("untaught.report").joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    environment = Environment(
        loader=PackageLoader("untaught.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["code"] = _code
    return environment.get_template("page.html").render(
        title=names[0] if len(runs) == 1 else f"{len(runs)} runs",
        runs=views,
        comparison=None if len(runs) == 1 else view_comparison(runs, views),
        style=Markup(style),
        style_hash=_hash(style),
        script=Markup(script),
        script_hash=_hash(script),
        version=_version(),
    )


def _names(runs: Sequence[Run]) -> list[str]:
    """The runs' own names, with their folders where a name is not unique."""
    seen = Counter(run.card.name for run in runs)
    return [run.card.name if seen[run.card.name] == 1 else f"{run.card.name} ({run.folder})" for run in runs]


def _code(text: str) -> Markup:
    """Text in which what stands between backticks is set as code."""
    parts = text.split("`")
    styles = (Markup("{}"), Markup("<code>{}</code>"))
    return Markup("").join(styles[index % 2].format(part) for index, part in enumerate(parts))


def _hash(text: str) -> str:
    """Source expression of an inline element in a content security policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _version() -> str:
    try:
        return version("untaught")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "(not installed)"
