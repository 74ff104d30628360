"""The pictures of an evaluation as cards: image with contours, heat map, mask; the worst first."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from untaught.image import EVERYWHERE, Area, Recipe, decode
from untaught.regions import outlines_of
from untaught.render import Scale, overlay
from untaught.report.evaluation import Row, read_gallery
from untaught.report.figures import colour_bar, outlines
from untaught.report.tables import worst_first
from untaught.report.words import at_odds, number
from untaught.run import Run

Arrays = Mapping[str, NDArray[np.generic]]
_DEFECT = (214, 96, 62)
_GROUPS = (
    (
        "miss",
        "Misses",
        "Defective parts that were accepted, the lowest score first.",
        "Every defective part was rejected.",
    ),
    (
        "false reject",
        "False rejects",
        "Good parts that were rejected, the highest score first.",
        "Every good part was accepted.",
    ),
    ("caught", "Caught", "Defective parts that were rejected, the closest calls first.", ""),
    ("passed", "Passed", "Good parts that were accepted, the closest calls first.", ""),
)


@dataclass(frozen=True, slots=True)
class Card:
    """One image: what was said of it, and its pictures as data URIs; an empty one is not there."""

    name: str
    kind: str
    outcome: str
    score: str
    p_value: str
    image: str
    heat: str
    depth: str
    mask: str
    contours: Markup
    regions: int
    at_odds: str


@dataclass(frozen=True, slots=True)
class Group:
    """Cards of one outcome, of `total` images in the test set; `note` says what they are, or that there are none."""

    key: str
    title: str
    note: str
    total: int
    cards: Sequence[Card]


@dataclass(frozen=True, slots=True)
class Gallery:
    """Cards by outcome, the filters over them and the meaning of the colours; or why there are none.

    `panels` says what the pictures of a card are, in their order.
    """

    panels: str
    groups: Sequence[Group]
    filters: Sequence[tuple[str, str]]
    kinds: Sequence[str]
    colour_bar: Markup | None
    missing: str


def view_gallery(run: Run, rows: Sequence[Row]) -> Gallery:
    """The gallery of an evaluation's rows with the pictures in the run folder.

    Raises:
        RunError: gallery.npz is damaged.
    """
    arrays = read_gallery(run.folder)
    scale = display_scale(arrays, run.card.calibration.pixel.value)
    groups = gallery_groups(rows, arrays, scale, run.card.recipe)
    cards = [card for group in groups for card in group.cards]
    filters = [("", "All"), *((group.key, group.title) for group in groups if group.cards)]
    depth = ", its depth (near is bright)" if any(card.depth for card in cards) else ""
    return Gallery(
        panels=f"From left to right: the image with its regions outlined, its heat map{depth}, the defect as labelled.",
        groups=groups,
        filters=filters if cards else (),
        kinds=sorted({card.kind for card in cards}),
        colour_bar=colour_bar(scale) if cards else None,
        missing="" if cards else "The run folder holds no pictures of this evaluation: `untaught evaluate` makes them.",
    )


def gallery_groups(rows: Sequence[Row], arrays: Arrays, scale: Scale, recipe: Recipe = EVERYWHERE) -> list[Group]:
    """The cards of all pictures by outcome, the recipe's area outlined.

    A group without images and without a word to say of it is left out.
    """
    groups = []
    for key, title, some, none in _GROUPS:
        members = sorted((row for row in rows if row.outcome == key), key=worst_first)
        cards = [
            _card(row, arrays, scale, recipe.of(row.product).area)
            for row in members
            if f"image_{row.gallery}" in arrays
        ]
        if cards or none:
            groups.append(Group(key, title, f"{some}{_marked(members)}" if members else none, len(members), cards))
    return groups


def _marked(rows: Sequence[Row]) -> str:
    """Of accepted parts, how many show a region all the same."""
    marked = sum(bool(row.regions) and not row.reject for row in rows)
    return f" {marked} of {len(rows)} show a region all the same." if marked else ""


def display_scale(arrays: Arrays, pixel_threshold: float) -> Scale:
    """One colour scale for all pictures: ordinary pixels at the dark end, the pixel threshold in the middle."""
    medians = [float(np.median(array.astype(np.float32))) for name, array in arrays.items() if name.startswith("map_")]
    typical = float(np.median(medians)) if medians else 0.0
    return Scale.around(pixel_threshold, typical)


def _card(row: Row, arrays: Arrays, scale: Scale, area: Area | None) -> Card:
    bounds = [] if area is None else [contour.tolist() for contour in outlines_of(area.inside, row.size)]
    encoded = np.asarray(arrays[f"image_{row.gallery}"], np.uint8).tobytes()
    scores, mask = arrays.get(f"map_{row.gallery}"), arrays.get(f"mask_{row.gallery}")
    depth = arrays.get(f"depth_{row.gallery}")
    heat = "" if scores is None else _jpeg(overlay(np.asarray(decode(encoded)), scores.astype(np.float32), scale))
    return Card(
        row.name,
        row.kind,
        row.outcome,
        number(row.score),
        f"{row.p_value:.2g}",
        _uri("jpeg", encoded),
        heat,
        "" if depth is None else _jpeg(np.asarray(depth, np.uint8)),
        "" if mask is None else _mask(mask),
        outlines([region.contour for region in row.regions], row.size, bounds),
        len(row.regions),
        at_odds(row.reject, len(row.regions)),
    )


def _jpeg(pixels: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=80, optimize=True)
    return _uri("jpeg", file.getvalue())


def _mask(mask: NDArray[np.generic]) -> str:
    """The defect in one colour on nothing, so that it is seen on a light page and on a dark one."""
    file = io.BytesIO()
    image = Image.fromarray((np.asarray(mask) > 0).astype(np.uint8))
    image.putpalette([*_DEFECT, *_DEFECT])
    image.save(file, "PNG", transparency=0, bits=1, optimize=True)
    return _uri("png", file.getvalue())


def _uri(form: str, data: bytes) -> str:
    return f"data:image/{form};base64,{base64.b64encode(data).decode('ascii')}"
