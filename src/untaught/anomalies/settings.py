"""How anomalies are drawn. Lengths are shares of the image, so that one setting serves every product and size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field

from untaught.config import Frozen

Kind: TypeAlias = Literal["perlin", "cutpaste", "scar", "shuffle", "simplex", "deform"]
KINDS: tuple[Kind, ...] = ("perlin", "cutpaste", "scar", "shuffle", "simplex", "deform")


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError("a range (low, high) with low <= high is needed")
    return ends


def _some_weight(kinds: dict[Kind, float]) -> dict[Kind, float]:
    if not sum(kinds.values()) > 0:
        raise ValueError("at least one kind needs a weight above 0")
    return kinds


Share = Annotated[float, Field(ge=0, le=1)]
Shares = Annotated[tuple[Share, Share], AfterValidator(_rising)]
Size = Annotated[float, Field(gt=0, le=1)]
Octave = Annotated[int, Field(ge=0, le=8)]
Level = Annotated[float, Field(ge=0, le=255)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PerlinSettings(Frozen):
    """Shape of the anomalies whose outline is Perlin noise."""

    whole: bool = Field(
        default=False, description="noise over the whole image, as published, in place of one spot of the set size"
    )
    octaves: Annotated[tuple[Octave, Octave], AfterValidator(_rising)] = Field(
        default=(0, 5), description="whole: cells per axis are 2^i with i drawn from low..high, each axis by itself"
    )
    threshold: float = Field(default=0.5, gt=0, lt=1, description="whole: noise above it is anomalous, of -1..1")
    rotation: float = Field(
        default=90.0, ge=0, le=180, description="whole: noise is turned by up to +- so many degrees"
    )


class AnomalySettings(Frozen):
    """What is drawn, how large, how strong and where."""

    kinds: Annotated[dict[Kind, Weight], AfterValidator(_some_weight)] = Field(
        default={"perlin": 3, "scar": 3, "simplex": 2, "cutpaste": 2, "deform": 1, "shuffle": 1},
        description="kinds of anomaly and how often each is drawn, relative to the others",
    )
    clean: Share = Field(default=0.0, description="probability that nothing is drawn and the mask is empty")
    size: Annotated[tuple[Size, Size], AfterValidator(_rising)] = Field(
        default=(0.04, 0.6),
        description="longest side of an anomaly, as a share of the image's shorter side; drawn log-uniformly",
    )
    aspect: float = Field(default=3.0, ge=1, le=20, description="largest ratio of an anomaly's sides; scars are longer")
    opacity: Shares = Field(
        default=(0.25, 1.0),
        description="share of what is drawn over the image; 1 hides what was there. Cut pieces take 0.6 at least, "
        "shuffled and deformed places always 1",
    )
    contrast: Annotated[tuple[Level, Level], AfterValidator(_rising)] = Field(
        default=(15.0, 110.0), description="grey levels of 255 between drawn tones and their surroundings"
    )
    colour: Shares = Field(
        default=(0.0, 0.7), description="share of its own colour that a texture keeps; the rest becomes grey"
    )
    match_grey: bool = Field(default=True, description="anomalies on a grey image are grey")
    edge: Shares = Field(
        default=(0.0, 0.1), description="width of the soft border, as a share of the anomaly's longest side"
    )
    texture: Literal["images", "procedural", "mixed"] | Path = Field(
        default="mixed",
        description="foreign texture: other training images, drawn patterns, both, or a folder of images",
    )
    augment: int = Field(default=3, ge=0, le=10, description="random changes made to a texture taken from an image")
    foreground: Literal["none", "otsu", "largest"] | Path = Field(
        default="none",
        description="where anomalies may lie: anywhere, on the object by Otsu's threshold, on its largest part, "
        "or on the bright pixels of a mask file that is stretched to the image",
    )
    least: int = Field(default=5, ge=1, description="fewest changed pixels of an anomaly")
    visible: Level = Field(default=8.0, description="least mean change inside the mask, in grey levels of 255")
    draws: int = Field(default=11, ge=1, le=100, description="attempts at an anomaly that is large and visible enough")
    perlin: PerlinSettings = PerlinSettings()


PAPER: Mapping[str, Any] = {
    "kinds": {"perlin": 1.0},
    "opacity": (0.2, 1.0),
    "colour": (1.0, 1.0),
    "match_grey": False,
    "edge": (0.0, 0.0),
    "texture": "images",
    "augment": 3,
    "least": 5,
    "visible": 0.0,
    "draws": 11,
    "perlin": {"whole": True, "octaves": (0, 5), "threshold": 0.5, "rotation": 90.0},
}
"""The recipe of DRAEM (Zavrtanik et al., ICCV 2021) with the values of DMDD and AAND: `AnomalySettings(**PAPER)`.

The image's share inside the mask is beta = 0.8 U(0, 1), so the opacity is uniform in 0.2..1. AAND adds `clean=0.2`;
both papers take the texture from DTD: give its folder as `texture`.
"""
