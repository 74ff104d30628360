"""A sheet of drawn anomalies, to be looked at before they are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from untaught.anomalies.base import RGB, Pair
from untaught.anomalies.draw import Drawer
from untaught.anomalies.settings import KINDS
from untaught.regions import find_regions
from untaught.render import draw_contours

_GAP, _CAPTION = 6, 22
_INK, _PAPER = (24, 26, 32), (255, 255, 255)


class Tile(NamedTuple):
    """A picture (h, w, 3) of the sheet and what stands below it."""

    pixels: RGB
    caption: str


def preview(images: Sequence[RGB], drawer: Drawer, seed: int) -> Image.Image:
    """Two rows an image: the image, where anomalies may lie, and one anomaly of each kind of the settings, outlined.

    Below each anomaly stand close-ups, without the outline, of the image and of the same place with the anomaly.

    Args:
        images: (h, w, 3), all of one size, each the others' texture.
        drawer: its weights above 0 say which kinds are shown.
        seed: of the anomalies.
    """
    kinds = [kind for kind in KINDS if drawer.settings.kinds.get(kind, 0) > 0]
    alone = {kind: Drawer(drawer.settings.model_copy(update={"kinds": {kind: 1.0}, "clean": 0.0})) for kind in kinds}
    rows: list[list[Tile | None]] = []
    for number, image in enumerate(images):
        others = [other for other in images if other is not image]
        row: list[Tile | None] = [Tile(image, "image"), _foreground(image, drawer)]
        closer: list[Tile | None] = [None, None]
        for kind in kinds:
            pair = alone[kind](image, np.random.default_rng([seed, number, KINDS.index(kind)]), others)
            row.append(Tile(outlined(pair.defect, pair.mask), f"{pair.kind}, {int(pair.mask.sum()):,} px"))
            closer.append(close_up(pair))
        rows += [row, closer]
    return laid_out(rows, images[0].shape[:2])


def outlined(image: RGB, mask: NDArray[np.bool_]) -> RGB:
    """The image with a line around the mask, far enough out to leave what is masked to be seen."""
    reach = 2 * (1 + round(max(mask.shape) / 100)) + 1
    grown = np.asarray(Image.fromarray(mask.astype(np.uint8)).filter(ImageFilter.MaxFilter(reach)))
    return draw_contours(image, find_regions(grown.astype(np.float32), 0.5, (mask.shape[1], mask.shape[0])))


def close_up(pair: Pair) -> Tile:
    """The surroundings of the anomaly, before and after, side by side and enlarged."""
    height, width = pair.mask.shape
    rows, columns = np.flatnonzero(pair.mask.any(1)), np.flatnonzero(pair.mask.any(0))
    if not len(rows):
        return Tile(pair.image, "")
    y, x = (rows[0] + rows[-1] + 1) / 2, (columns[0] + columns[-1] + 1) / 2
    spread, across = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    tall = min(max(24.0, 1.5 * spread, 3.0 * across * height / width), height)
    wide = tall * width / (2 * height)
    top, left = min(max(y - tall / 2, 0), height - tall), min(max(x - wide / 2, 0), width - wide)
    place = (left, top, left + wide, top + tall)
    half = ((width - 2) // 2, height)
    tile = np.full_like(pair.image, 255)
    for pixels, left in ((pair.image, 0), (pair.defect, width - half[0])):
        view = Image.fromarray(pixels).transform(half, Image.Transform.EXTENT, place)
        tile[:, left : left + half[0]] = np.asarray(view)
    return Tile(tile, f"before and after, x {height / tall:.1f}")


def laid_out(rows: Sequence[Sequence[Tile | None]], size: tuple[int, int]) -> Image.Image:
    """Tiles of one (height, width) in rows, dark captions on white."""
    height, width = size
    down, along = height + _CAPTION + _GAP, width + _GAP
    sheet = Image.new("RGB", (len(rows[0]) * along + _GAP, len(rows) * down + _GAP), _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for y, row in enumerate(rows):
        for x, tile in enumerate(row):
            if tile is None:
                continue
            corner = (_GAP + x * along, _GAP + y * down)
            sheet.paste(Image.fromarray(tile.pixels), corner)
            pen.text((corner[0], corner[1] + height + 2), tile.caption, fill=_INK, font=font)
    return sheet


def _foreground(image: RGB, drawer: Drawer) -> Tile:
    mask = drawer.foreground(image)
    if mask is None:
        return Tile(image, "foreground: everywhere")
    regions = find_regions(mask.astype(np.float32), 0.5, (mask.shape[1], mask.shape[0]))
    return Tile(draw_contours(image, regions), f"foreground: {mask.mean():.0%}")
