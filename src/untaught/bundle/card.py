"""card.json of an exported file: the run's card and, beside it, all that is needed to feed the graph and be sure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from untaught.errors import BundleError, UntaughtError
from untaught.migrations import Step, read_card
from untaught.run import SCHEMA as RUN_SCHEMA
from untaught.run import STEPS as RUN_STEPS
from untaught.run import Card

SCHEMA = 2
STEPS: Mapping[int, Step] = {  # from each older schema, what makes the next one of it
    1: lambda values: values,  # golden pictures got a product, which may be left out
}

Precision = Literal["fp32", "fp16", "int8"]


class Part(BaseModel):
    """Base of the records below: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid")


class TensorRecord(Part):
    """An input or output of the graph. Dimensions are numbers or names; arrays are dense, last dimension first."""

    name: str
    type: Literal["uint8", "float32"]
    shape: list[int | str]
    meaning: str


class GraphRecord(Part):
    """The graph and its ends."""

    file: str = "model.onnx"
    opset: int
    precision: Precision
    inputs: list[TensorRecord]
    outputs: list[TensorRecord]


class GoldenRecord(Part):
    """A picture whose answer is known.

    `inputs` are files by input name: PNG for uint8, else raw little-endian float32 of the input's shape; `map` is raw
    little-endian float32 of the map's shape, row by row.
    """

    name: str = Field(description="of the held-out image in its data set")
    product: str = Field(default="", description="that it shows, where the run was trained on several")
    inputs: dict[str, str]
    map: str
    score: float
    reject: bool


class ParityRecord(Part):
    """How far one runtime was from torch over all held-out images, as shares of the largest torch value."""

    version: str
    score: float = Field(description="largest difference of scores, by the largest score of all images")
    map: float = Field(description="largest difference of map values, by the largest value of all maps")
    score_absolute: float
    map_absolute: float


class DropRecord(Part):
    """What a smaller precision costs, measured against fp32 on held-out images with and without drawn defects."""

    auroc: float = Field(description="image AUROC at full precision, drawn defects against good images")
    auroc_after: float
    correlation: float = Field(description="of maps of drawn defects with those at full precision, the mean")


class RegionRecord(Part):
    """How regions are found in the map."""

    rule: str
    connectivity: Literal[8] = 8
    work_pixels: int = Field(description="grid points beyond which a coarser grid takes the image's place")


class BundleCard(Card):
    """The card of an exported file.

    Everything of the run's card is here too. `calibration` is the run's, its scores and thresholds raised by
    `rounding`, so that the last digits in which processors differ do not turn a verdict; where the precision is not
    fp32 it is drawn anew from the smaller graph's own scores.
    """

    bundle_version: int = SCHEMA
    guide: str = "docs/guide/bundle.md in the sources of untaught"
    exported: str = Field(description="ISO 8601, UTC")
    exporters: dict[str, str] = Field(description="versions of what made the graph")
    graph: GraphRecord
    preparation: list[str] = Field(description="from a file to the graph's input, step by step")
    guarantee: dict[str, str] = Field(description="what the thresholds stand for, in words")
    rounding: dict[str, float] = Field(description="by how much `score` and `map` thresholds were raised")
    regions: RegionRecord
    tolerance: float = Field(description="largest share by which a golden answer may differ")
    golden: list[GoldenRecord] = Field(min_length=1)
    held_out: int = Field(description="held-out good images on which the runtimes were compared")
    parity: dict[str, ParityRecord] = Field(description="by runtime")
    drop: DropRecord | None = None
    public_key: str | None = Field(default=None, description="ed25519, hexadecimal, of whoever signed the file")

    @model_validator(mode="after")
    def _golden_of_known_products(self) -> Self:
        if self.recipe.areas and not {golden.product for golden in self.golden} <= self.recipe.areas.keys():
            raise ValueError(f"golden pictures of the products that have areas: {', '.join(self.recipe.areas)}")
        return self


def parse_card(data: bytes, source: str) -> BundleCard:
    """The card from its JSON.

    Raises:
        BundleError: it is damaged or of a newer schema.
    """
    schemas = {"bundle_version": (SCHEMA, STEPS), "schema_version": (RUN_SCHEMA, RUN_STEPS)}
    try:
        return read_card(data, BundleCard, schemas, source)
    except UntaughtError as error:
        raise BundleError(error.came, error.expected, error.fix) from None
