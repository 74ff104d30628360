"""A small plotting vocabulary in SVG: axes, lines, bars, rules.

Drawn by hand and not by a plotting library, because an inline SVG styled by the page's own style sheet follows light
and dark, uses the reader's fonts, and takes a few kilobytes. Everything that is text is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

Point = tuple[float, float]
WIDTH, HEIGHT = 560, 340
LEFT, RIGHT, TOP, BOTTOM = 62, 26, 34, 50


@dataclass(frozen=True)
class Axis:
    """One direction of a plot: its name, the values at its ends, and how they are told."""

    label: str
    low: float
    high: float
    log: bool = False
    percent: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        if not (self.low < self.high and math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError(f"axis {self.label!r} from {self.low} to {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"logarithmic axis {self.label!r} from {self.low}")

    def share(self, value: float) -> float:
        """Where a value lies between the ends, 0..1; values beyond an end are drawn at it."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(max(value, low)), math.log(low), math.log(high)
        return min(1.0, max(0.0, (value - low) / (high - low)))

    def ticks(self) -> list[float]:
        """Round values between the ends, up to eight; integers only on an axis of whole numbers."""
        ticks = _log_ticks(self.low, self.high) if self.log else _linear_ticks(self.low, self.high)
        return [tick for tick in ticks if tick == round(tick)] if self.whole else ticks

    def text(self, value: float) -> str:
        """A tick's label."""
        return f"{value * 100:.6g} %" if self.percent else f"{value:.4g}".replace("-", "−")


def spanning(label: str, values: Iterable[float], *, log: bool = False, margin: float = 0.03) -> Axis:
    """An axis that holds all finite values, with a margin at both ends. Logarithmic only where all are positive."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if log and low > 0:
        factor = max(high / low, 1.1) ** margin
        return Axis(label, low / factor, high * factor, log=True)
    room = (high - low) * margin or abs(high) * 0.05 or 1.0
    return Axis(label, low - room, high + room)


def _linear_ticks(low: float, high: float) -> list[float]:
    raw = (high - low) / 7
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        ticks = [factor * 10.0**decade for decade in decades for factor in factors]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= 3:
            return ticks[:: math.ceil(len(ticks) / 7)]
    return _linear_ticks(low, high)


@dataclass
class Plot:
    """Marks on a pair of axes, in the order in which they are drawn. `describe` is read out to who cannot see them."""

    x: Axis
    y: Axis
    describe: str
    marks: list[Markup] = field(default_factory=list)

    def at(self, point: Point) -> Point:
        """Drawing coordinates of a point."""
        x = LEFT + self.x.share(point[0]) * (WIDTH - LEFT - RIGHT)
        return round(x, 1), round(HEIGHT - BOTTOM - self.y.share(point[1]) * (HEIGHT - TOP - BOTTOM), 1)

    def line(self, points: Sequence[Point], style: str) -> None:
        """A line through points."""
        if points:
            self.marks.append(Markup('<path class="line {}" d="{}"/>').format(style, _path(map(self.at, points))))

    def area(self, points: Sequence[Point], style: str) -> None:
        """The surface between points and the lower end of the y axis."""
        if points:
            outline = [(points[0][0], self.y.low), *points, (points[-1][0], self.y.low)]
            self.marks.append(Markup('<path class="area {}" d="{}Z"/>').format(style, _path(map(self.at, outline))))

    def bar(self, left: float, right: float, height: float, style: str, title: str) -> None:
        """A bar standing on the lower end of the y axis; `title` is shown by a resting pointer."""
        (x0, y0), (x1, y1) = self.at((left, height)), self.at((right, self.y.low))
        self.marks.append(
            Markup('<rect class="bar {}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>').format(
                style, x0, y0, round(max(0.5, x1 - x0), 1), round(y1 - y0, 1), title
            )
        )

    def rug(self, values: Iterable[float], style: str) -> None:
        """A short stroke below the x axis for each value."""
        base = HEIGHT - BOTTOM + 2
        strokes = "".join(f"M{self.at((value, 0))[0]},{base}v7" for value in values)
        self.marks.append(Markup('<path class="rug {}" d="{}"/>').format(style, strokes))

    def rule(self, x: float, label: str, style: str = "rule") -> None:
        """A vertical line with a label, on the side where there is more room."""
        at, _ = self.at((x, 0))
        side, anchor = (6, "start") if self.x.share(x) < 0.6 else (-6, "end")
        self.marks.append(
            Markup(
                '<path class="{}" d="M{},{}V{}"/><text class="note" x="{}" y="{}" text-anchor="{}">{}</text>'
            ).format(style, at, TOP, HEIGHT - BOTTOM, at + side, TOP + 11, anchor, label)
        )

    def dot(self, point: Point, style: str, title: str) -> None:
        """A marked point."""
        x, y = self.at(point)
        self.marks.append(
            Markup('<circle class="dot {}" cx="{}" cy="{}" r="5"><title>{}</title></circle>').format(style, x, y, title)
        )

    def draw(self) -> Markup:
        """The whole picture."""
        return Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>').format(
            WIDTH, HEIGHT, self.describe, self._frame(), Markup("").join(self.marks)
        )

    def _frame(self) -> Markup:
        parts, base = [], HEIGHT - BOTTOM
        for tick in self.x.ticks():
            x, _ = self.at((tick, 0))
            parts.append(
                Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(x, base + 22, self.x.text(tick))
            )
        for tick in self.y.ticks():
            _, y = self.at((self.x.low, tick))
            parts.append(Markup('<path class="grid" d="M{},{}H{}"/>').format(LEFT, y, WIDTH - RIGHT))
            parts.append(
                Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(LEFT - 7, y + 4, self.y.text(tick))
            )
        parts.append(Markup('<path class="axis" d="M{},{}H{}"/>').format(LEFT, base, WIDTH - RIGHT))
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(
            Markup('<text class="name" x="{}" y="{}" text-anchor="middle">{}</text>').format(
                middle, HEIGHT - 8, self.x.label
            )
        )
        parts.append(Markup('<text class="name" x="4" y="14">{}</text>').format(self.y.label))
        return Markup("").join(parts)


def thin(points: Sequence[Point], step: float = 0.002) -> list[Point]:
    """Points of a curve within the unit square without those nearer than `step` to the one before. Ends are kept."""
    kept = list(points[:1])
    for point in points[1:-1]:
        if max(abs(point[0] - kept[-1][0]), abs(point[1] - kept[-1][1])) >= step:
            kept.append(point)
    return kept + list(points[-1:] if len(points) > 1 else [])


def _path(points: Iterable[Point]) -> str:
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in points)
