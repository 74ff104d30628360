"""What the doctor says of a data set."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, computed_field

Severity = Literal["error", "warning", "info"]


class Finding(BaseModel):
    """One thing that was found.

    Attributes:
        severity: An error spoils a result, a warning may, an info is worth knowing.
        code: Stable name for machines, such as `broken-image`.
        what: What was found, in words.
        fix: What to do about it; empty for an info that needs nothing.
        names: Images or masks it was found in; for copies each entry is `first = second`.
        reasons: For some names, why.
    """

    model_config = ConfigDict(frozen=True)

    severity: Severity
    code: str
    what: str
    fix: str = ""
    names: tuple[str, ...] = ()
    reasons: dict[str, str] = {}


class Diagnosis(BaseModel):
    """A data set as it was understood, and the findings, errors first.

    Attributes:
        name: Of the data set.
        layout: How the folder was understood, in words.
        counts: Split -> kind -> number of images.
        products: The same for each product where there are several.
        sizes: "width x height" of upright images -> number of images, most frequent first.
        formats: "format mode" -> number of images, most frequent first.
        masks: Number of masks.
        broken: Names of the images that do not decode.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    layout: str
    counts: dict[str, dict[str, int]]
    sizes: dict[str, int]
    formats: dict[str, int]
    masks: int
    broken: tuple[str, ...]
    findings: tuple[Finding, ...]
    products: dict[str, dict[str, dict[str, int]]] = {}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def spoiled(self) -> bool:
        """Whether something would spoil a result."""
        return any(finding.severity == "error" for finding in self.findings)
