"""The plots of the report: scores, ROC, PRO, training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from untaught.render import Scale, bar_ticks, colour_table
from untaught.report.svg import Axis, Plot, Point, spanning, thin
from untaught.report.words import number, percent

BINS = 36
LOG_SPREAD = 12.0  # from here on a linear axis would press all good scores into one or two bars


def histogram(good: Sequence[float], defective: Sequence[float], held_out: Sequence[float], threshold: float) -> Markup:
    """Scores of good and defective test images, the threshold, and a stroke for each held-out good image.

    Without test images the held-out scores are drawn as bars, too.
    """
    values = [value for value in (*good, *defective, *held_out, threshold) if math.isfinite(value)]
    typical = float(np.median([*good, *held_out] or values))
    log = min(values) > 0 and max(values) > LOG_SPREAD * typical
    x = spanning("image score, logarithmic" if log else "image score", values, log=log)
    edges = (np.geomspace if log else np.linspace)(x.low, x.high, BINS + 1)
    groups = [("good", "good", good), ("bad", "defective", defective)]
    if not (good or defective):
        groups = [("held", "held-out good", held_out)]
    counts = [(style, name, np.histogram(scores, edges)[0].tolist()) for style, name, scores in groups]
    top = max(1, *(max(count) for _, _, count in counts))
    plot = Plot(x, Axis("images", 0, top * 1.12, whole=True), _describe_scores(good, defective, threshold))
    for style, name, bars in counts:
        for count, left, right in zip(bars, edges[:-1], edges[1:], strict=True):
            if count:
                plot.bar(left, right, count, style, f"{count} {name}, {number(left)} to {number(right)}")
    plot.rug(held_out, "held")
    plot.rule(threshold, f"threshold {number(threshold)}")
    return plot.draw()


def _describe_scores(good: Sequence[float], defective: Sequence[float], threshold: float) -> str:
    if not (good or defective):
        return f"Histogram of the scores of held-out good images, with the threshold at {number(threshold)}."
    above = sum(score > threshold for score in defective)
    rejected = sum(score > threshold for score in good)
    return (
        f"Histogram of image scores. Above the threshold of {number(threshold)} lie {above} of {len(defective)} "
        f"defective and {rejected} of {len(good)} good images."
    )


def roc(curves: Mapping[str, Sequence[Point]], point: Point | None = None) -> Markup:
    """ROC curves by name; `point` is (false-reject rate, detection rate) at the threshold."""
    x, y = Axis("good rejected", 0, 1, percent=True), Axis("defective found", 0, 1, percent=True)
    plot = Plot(x, y, f"ROC curves of {', '.join(curves)}.")
    plot.line([(0, 0), (1, 1)], "chance")
    for index, curve in enumerate(curves.values()):
        plot.line(thin(curve), f"c{index % 8}")
    if point is not None:
        plot.dot(point, "c0", f"at the threshold: {percent(point[0])} of the good rejected, {percent(point[1])} found")
    return plot.draw()


def pro(curves: Mapping[str, Sequence[Point]], limit: float) -> Markup:
    """PRO curves by name up to the limit on the false positive rate; the surface below a single one is AUPRO."""
    x = Axis("normal pixels marked", 0, limit, percent=True)
    plot = Plot(x, Axis("overlap with defects", 0, 1, percent=True), f"Per-region overlap of {', '.join(curves)}.")
    for index, curve in enumerate(curves.values()):
        points = _until(curve, limit)
        if len(curves) == 1:
            plot.area(points, "c0")
        plot.line(points, f"c{index % 8}")
    return plot.draw()


def _until(curve: Sequence[Point], limit: float) -> list[Point]:
    """A curve cut at the limit, with the point at the limit interpolated."""
    inside = [point for point in curve if point[0] <= limit]
    beyond = next((point for point in curve if point[0] > limit), None)
    if inside and beyond:
        share = (limit - inside[-1][0]) / (beyond[0] - inside[-1][0])
        inside.append((limit, inside[-1][1] + share * (beyond[1] - inside[-1][1])))
    return thin(inside, 0.001)


def training(log: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Loss and held-out loss over the epochs, stage after stage; None where fewer than two epochs were logged."""
    trained = [(index, float(row["loss"])) for index, row in enumerate(log, 1)]
    held_out = [(index, float(row["held_out"])) for index, row in enumerate(log, 1) if row.get("held_out") is not None]
    values = [value for _, value in trained + held_out]
    if len(trained) < 2:
        return None
    y = spanning("loss", values, log=min(values) > 0, margin=0.06)
    y = Axis("loss, logarithmic" if y.log else "loss", y.low, y.high, log=y.log)
    plot = Plot(
        Axis("epoch", 0, len(trained), whole=True),
        y,
        f"Training loss from {number(values[0])} to {number(trained[-1][1])}.",
    )
    plot.line([point for point in trained if math.isfinite(point[1])], "c0")
    plot.line([point for point in held_out if math.isfinite(point[1])], "c1")
    for index in range(1, len(log)):
        if log[index].get("stage") != log[index - 1].get("stage"):
            plot.rule(index, str(log[index].get("stage")), "stage")
    return plot.draw()


def share_bar(share: float, style: str = "good") -> Markup:
    """A small horizontal bar, for a table cell."""
    width = round(100 * min(1.0, max(0.0, share)), 1)
    return Markup(
        '<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="8"/><rect class="{}" width="{}" height="8"/></svg>'
    ).format(style, width)


Contours = Sequence[Sequence[Point]]


def outlines(contours: Contours, size: tuple[int, int], bounds: Contours = ()) -> Markup:
    """Contours in pixels of an image, to lie over it: a light line on a dark one, seen on any ground.

    `bounds` are those of the area that is looked at; they are dashed.
    """
    path, dashed = _closed(contours), _closed(bounds)
    bound = Markup('<path class="under bound" d="{}"/><path class="bound" d="{}"/>').format(dashed, dashed)
    return Markup(
        '<svg class="outline" viewBox="0 0 {} {}" aria-hidden="true">{}<path class="under" d="{}"/><path d="{}"/></svg>'
    ).format(*size, bound if dashed else "", path, path)


def _closed(contours: Contours) -> str:
    return "".join("M" + "L".join(f"{x:g} {y:g}" for x, y in contour) + "Z" for contour in contours if len(contour) > 1)


def colour_bar(scale: Scale) -> Markup:
    """All colours over raw scores, with a mark at the pixel threshold. Once a page: its gradient has an id."""
    colours = colour_table()[:: len(colour_table()) // 32]
    stops = Markup("").join(
        Markup('<stop offset="{}" stop-color="rgb({},{},{})"/>').format(round(index / (len(colours) - 1), 3), *colour)
        for index, colour in enumerate(colours.tolist())
    )
    ticks = []
    for value in bar_ticks(scale):
        x = round(10 + 300 * float(scale.display(np.array(value))), 1)
        ticks.append(Markup('<text x="{}" y="33" text-anchor="middle">{}</text>').format(x, number(value)))
    return Markup(
        '<svg class="scale" viewBox="0 0 320 38" role="img" '
        'aria-label="Colours of the heat map: {} to {}, pixel threshold {}">'
        '<defs><linearGradient id="heat">{}</linearGradient></defs>'
        '<rect x="10" y="2" width="300" height="14" rx="2" fill="url(#heat)"/>'
        '<path class="mark" d="M160,0V19"/>{}</svg>'
    ).format(number(scale.low), number(scale.high), number(scale.threshold), stops, Markup("").join(ticks))
