"""Reading what an evaluation left in the run folder: `evaluation.json` and `gallery.npz`."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from untaught.errors import RunError
from untaught.records import GOOD
from untaught.run import Run


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Outline(_Read):
    """A region as it was written: its contour in pixels of the inspected image, (n, 2) of x, y."""

    contour: list[tuple[float, float]] = Field(default_factory=list)


class Row(_Read):
    """One test image; `gallery` is its number among the pictures, or None."""

    name: str
    kind: str
    score: float
    p_value: float
    reject: bool
    size: tuple[int, int]
    regions: list[Outline] = Field(default_factory=list)
    gallery: int | None = None

    @property
    def defective(self) -> bool:
        """Whether the label says so."""
        return self.kind != GOOD

    @property
    def outcome(self) -> str:
        """`miss`, `false reject`, `caught` or `passed`."""
        if self.defective:
            return "caught" if self.reject else "miss"
        return "false reject" if self.reject else "passed"


class Subject(_Read):
    """The data set that was evaluated."""

    spec: str
    name: str
    layout: str


class Evaluation(_Read):
    """One pass over a test set."""

    data: Subject
    aupro_limit: float = 0.3
    curves: dict[str, list[tuple[float, float]]] = Field(default_factory=dict)
    rows: list[Row]


def read_evaluation(run: Run) -> Evaluation | None:
    """The last evaluation of a run, None before the first.

    Raises:
        RunError: the file is damaged.
    """
    path = run.folder / "evaluation.json"
    fix = "run `untaught evaluate` again"
    try:
        values = run.evaluation()
        return None if values is None else Evaluation.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunError(f"{path}: `{where}` is damaged ({first['msg']})", "an unchanged evaluation", fix) from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({error})", "an unchanged evaluation", fix) from None


def read_gallery(folder: Path) -> Mapping[str, NDArray[np.generic]]:
    """The arrays of `gallery.npz`: `image_i` (JPEG bytes), `map_i`, `mask_i`; empty where there is no such file.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / "gallery.npz"
    if not path.exists():
        return {}
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        fix = "run `untaught evaluate` again, or delete the file"
        raise RunError(f"{path} cannot be read ({error})", "the pictures of an evaluation", fix) from None
