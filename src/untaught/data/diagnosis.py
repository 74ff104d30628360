"""What the doctor says of a data set."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, computed_field

from untaught.records import Finding


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
