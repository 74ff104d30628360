"""Reading what an evaluation left in the run folder: `evaluation.json`, `gallery.npz`, `drawn.json`."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from untaught.errors import RunError
from untaught.records import GOOD
from untaught.run import Run


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


R = TypeVar("R", bound=_Read)


class Outline(_Read):
    """A region as it was written: its contour in pixels of the inspected image, (n, 2) of x, y."""

    contour: list[tuple[float, float]] = Field(default_factory=list)


class Row(_Read):
    """One test image; `gallery` is its number among the pictures, or None."""

    name: str
    kind: str
    product: str = ""
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


class Drawing(_Read):
    """One drawn defect; see `untaught.engine.drawn.Drawing`."""

    image: str
    product: str = ""
    kind: str
    size: float = Field(gt=0, le=1)
    reject: bool
    marked: bool


class Drawn(_Read):
    """Defects drawn on so many held-out good images, whose shorter side has so many pixels where they were drawn.

    `left_out` are the run's products of which no held-out image was there.
    """

    images: int
    side: int
    left_out: list[str] = Field(default_factory=list)
    rows: list[Drawing]


def read_evaluation(run: Run) -> Evaluation | None:
    """The last evaluation of a run, None before the first.

    Raises:
        RunError: the file is damaged.
    """
    return _understood(run.folder / "evaluation.json", run.evaluation, Evaluation, "run `untaught evaluate` again")


def read_drawn(run: Run) -> Drawn | None:
    """What a run found of drawn defects, None where it was not asked.

    Raises:
        RunError: the file is damaged.
    """
    return _understood(run.folder / "drawn.json", run.drawn, Drawn, "run `untaught anomalies detect` again")


def _understood(path: Path, read: Callable[[], dict[str, Any] | None], kind: type[R], fix: str) -> R | None:
    try:
        values = read()
        return None if values is None else kind.model_validate(values)
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
