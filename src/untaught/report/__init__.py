"""One self-contained HTML page on a run, or on several beside each other.

The package can be called, `untaught.report("runs/parts")`, for the command of the same name: it takes what
`untaught.report.page.report` takes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, *runs: Any, out: str | Path | None = None) -> Path:
        from untaught.report.page import report

        return report(*runs, out=out)


sys.modules[__name__].__class__ = _Callable
