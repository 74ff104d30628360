"""Draws the figure of a method from a short description: boxes on a grid, arrows between them. No other tool is used.

    boxes = [["teacher", 1, 0, "frozen", "Teacher/EfficientNet-Lite0"], ...]    name, column, row, kind, text
    arrows = [["teacher", "distance", "levels"], ...]                           from, to, what goes along (may be empty)

In a text `/` begins a new line. Kinds: `data` (what goes in), `frozen` (never trained), `trained`, `fixed`
(arithmetic), `answer` (what comes out), `loss` (training only). Rows may be halves. Arrows leave a box on its right and
enter the next on its left; within a column they go up or down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

BOX_WIDTH, LINE, GAP_X, GAP_Y, EDGE = 148, 17, 58, 34, 12
BOX_HEIGHT = 3 * LINE + 8
INK, GROUND = "#1b2430", "#ffffff"
KINDS = {  # fill, stroke, dashes, what the legend says
    "data": ("#ffffff", "#5b6b7d", "", "input"),
    "frozen": ("#dbe7f3", "#3d6a99", "", "frozen teacher"),
    "trained": ("#ffe3c2", "#c46a12", "", "trained"),
    "fixed": ("#eef0f2", "#7a8794", "", "arithmetic"),
    "answer": ("#e2f1df", "#3f7f3a", "", "answer"),
    "loss": ("#ffffff", "#b0304a", "5 4", "training only"),
}


@dataclass(frozen=True)
class Box:
    """A box by the place of its left upper corner."""

    x: float
    y: float
    kind: str
    text: str

    @property
    def middle(self) -> tuple[float, float]:
        return self.x + BOX_WIDTH / 2, self.y + BOX_HEIGHT / 2


def draw(boxes: Sequence[Sequence[Any]], arrows: Sequence[Sequence[str]], title: str) -> str:
    """The figure as SVG.

    Raises:
        KeyError: an arrow names no box, or a box a kind that there is not.
    """
    pitch = BOX_WIDTH + GAP_X, BOX_HEIGHT + GAP_Y
    placed = {
        str(name): Box(EDGE + float(column) * pitch[0], EDGE + float(row) * pitch[1], str(kind), str(text))
        for name, column, row, kind, text in boxes
    }
    width = max(box.x for box in placed.values()) + BOX_WIDTH + EDGE
    bottom = max(box.y for box in placed.values()) + BOX_HEIGHT + EDGE
    used = [kind for kind in KINDS if any(box.kind == kind for box in placed.values())]
    size = f'width="{width:g}" height="{bottom + 26:g}"'
    font = f'font-family="Helvetica, Arial, sans-serif" font-size="13" fill="{INK}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {bottom + 26:g}" {size} {font} role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect {size} fill="{GROUND}"/>',
    ]
    parts += [_arrow(placed[start], placed[end]) for start, end, _ in arrows]
    parts += [_box(box) for box in placed.values()]
    parts += [_label(placed[start], placed[end], text) for start, end, text in arrows if text]
    parts += [_legend(number, kind, bottom) for number, kind in enumerate(used)]
    return "\n".join([*parts, "</svg>", ""])


def _box(box: Box) -> str:
    fill, stroke, dashes, _ = KINDS[box.kind]
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    rounded = BOX_HEIGHT / 2 if box.kind in ("data", "answer") else 4
    lines = box.text.split("/")
    x, y = box.middle
    first = y - LINE * (len(lines) - 1) / 2 + 4.5
    texts = "".join(
        f'<text x="{x:g}" y="{first + number * LINE:g}" text-anchor="middle"'
        + (' font-weight="bold">' if number == 0 else ' font-size="11.5">')
        + f"{escape(line.strip())}</text>"
        for number, line in enumerate(lines)
    )
    return (
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="{rounded:g}" fill="{fill}" '
        f'stroke="{stroke}" stroke-width="1.5"{dashed}/>{texts}'
    )


def _path(start: Box, end: Box) -> list[tuple[float, float]]:
    """The corners of an arrow."""
    (x0, y0), (x1, y1) = start.middle, end.middle
    if start.x == end.x:
        down = 1 if y1 > y0 else -1
        return [(x0, y0 + down * BOX_HEIGHT / 2), (x1, y1 - down * BOX_HEIGHT / 2)]
    out, into = start.x + BOX_WIDTH, end.x
    if y0 == y1:
        return [(out, y0), (into, y1)]
    turn = into - GAP_X * 0.45 if end.x - start.x <= BOX_WIDTH + GAP_X or y1 < y0 else out + GAP_X * 0.45
    return [(out, y0), (turn, y0), (turn, y1), (into, y1)]


def _arrow(start: Box, end: Box) -> str:
    stroke = KINDS["loss"][1] if "loss" in (start.kind, end.kind) else "#5b6b7d"
    dashed = ' stroke-dasharray="5 4"' if "loss" in (start.kind, end.kind) else ""
    corners = _path(start, end)
    (xa, ya), (xb, yb) = corners[-2:]
    step = [(xb > xa) - (xb < xa), (yb > ya) - (yb < ya)]
    back = (xb - 8 * step[0], yb - 8 * step[1])
    side = (4.5 * step[1], 4.5 * step[0])
    line = " ".join(f"{x:g},{y:g}" for x, y in [*corners[:-1], back])
    head = f"{xb:g},{yb:g} {back[0] + side[0]:g},{back[1] + side[1]:g} {back[0] - side[0]:g},{back[1] - side[1]:g}"
    return (
        f'<polyline points="{line}" fill="none" stroke="{stroke}" stroke-width="1.5"{dashed}/>'
        f'<polygon points="{head}" fill="{stroke}"/>'
    )


def _label(start: Box, end: Box, text: str) -> str:
    """Along the first stretch of the arrow, or beside it where it goes up or down."""
    corners = _path(start, end)
    (xa, ya), (xb, yb) = corners[0], corners[1]
    if xa == xb:
        xa, ya = xa + 1, (ya + yb) / 2 + 9
    return f'<text x="{xa + 5:g}" y="{ya - 5:g}" font-size="11" font-style="italic">{escape(text)}</text>'


def _legend(number: int, kind: str, top: float) -> str:
    fill, stroke, dashes, name = KINDS[kind]
    x, dashed = EDGE + number * 120, f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<rect x="{x}" y="{top + 4:g}" width="18" height="12" rx="2" fill="{fill}" stroke="{stroke}"{dashed}/>'
        f'<text x="{x + 24}" y="{top + 14:g}" font-size="11">{name}</text>'
    )
