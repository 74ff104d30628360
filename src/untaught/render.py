"""Pictures of scores for the eye: heat map, overlay with contours, colour bar. No figure is computed from them."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from untaught.image import resize_map
from untaught.records import Region

RGB = NDArray[np.uint8]  # (h, w, 3)
# Lightness, chroma and hue (degrees) in OKLCh at equal distances: indigo, violet, red, orange, pale yellow.
_ANCHORS = ((0.20, 0.07, 280.0), (0.40, 0.17, 305.0), (0.60, 0.20, 370.0), (0.78, 0.16, 415.0), (0.96, 0.08, 460.0))
_TO_LMS = np.array(
    [(1, 0.3963377774, 0.2158037573), (1, -0.1055613458, -0.0638541728), (1, -0.0894841775, -1.2914855480)]
)
_TO_LINEAR = np.array(
    [
        (4.0767416621, -3.3077115913, 0.2309699292),
        (-1.2684380046, 2.6097574011, -0.3413193965),
        (-0.0041960863, -0.7034186147, 1.7076147010),
    ]
)
_LINE, _UNDERLINE = (255, 255, 255), (16, 18, 24)


@dataclass(frozen=True, slots=True)
class Scale:
    """The display scale of raw scores: `low` is shown as 0, the pixel threshold as 0.5, `high` as 1; linear between.

    The same scale is used for all images of a run, so that the same colour means the same score.
    """

    low: float
    threshold: float
    high: float

    @classmethod
    def around(cls, threshold: float, typical: float) -> Scale:
        """The threshold in the middle and `typical`, the score of an ordinary good pixel, at the dark end."""
        room = threshold - typical if typical < threshold else abs(threshold) or 1.0
        return cls(threshold - room, threshold, threshold + room)

    def display(self, scores: NDArray[np.floating]) -> NDArray[np.float32]:
        """Raw scores as 0..1, the threshold at 0.5."""
        shown = np.interp(scores, (self.low, self.threshold, self.high), (0.0, 0.5, 1.0))
        return np.asarray(shown, np.float32)


@functools.cache
def colour_table() -> RGB:
    """256 colours from dark indigo over red to pale yellow, shape (256, 3).

    Lightness rises in equal steps in OKLab (Ottosson, A perceptual color space for image processing, 2020), so that
    equal steps of score look equal, and the order survives a grey print and colour blindness.
    """
    at = np.linspace(0, 1, len(_ANCHORS))
    lightness, chroma, hue = (np.interp(np.linspace(0, 1, 256), at, column) for column in zip(*_ANCHORS, strict=True))
    lightness = np.linspace(_ANCHORS[0][0], _ANCHORS[-1][0], 256)
    angle = np.deg2rad(hue)
    lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=1)
    linear = np.clip((lab @ _TO_LMS.T) ** 3 @ _TO_LINEAR.T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    table: RGB = np.rint(encoded * 255).astype(np.uint8)
    table.setflags(write=False)
    return table


def heat_map(scores: NDArray[np.floating], scale: Scale) -> RGB:
    """A map of raw scores in colours, (h, w, 3); not a number is shown as grey."""
    shown = scale.display(scores)
    index = np.nan_to_num(np.rint(shown * 255)).astype(np.uint8)
    return np.where(np.isnan(shown)[..., None], np.uint8(128), colour_table()[index])


def overlay(
    image: RGB | Image.Image,
    scores: NDArray[np.float32],
    scale: Scale | float,
    regions: Sequence[Region] = (),
    bounds: Sequence[NDArray[np.int32]] = (),
) -> RGB:
    """Heat over an image and, around each region, its contour; `bounds` are those of the area that is looked at.

    `image` is RGB, (height, width, 3); the (h, w) map of raw scores is stretched to it. Where `scale` is the pixel
    threshold alone, this map's median is at its dark end. Heat is clear where the score is ordinary and covers most of
    the image above the threshold. Contours are in pixels of the image.
    """
    pixels = np.asarray(image)
    scale = scale if isinstance(scale, Scale) else Scale.around(scale, float(np.median(scores)))
    height, width = pixels.shape[:2]
    stretched = resize_map(scores, (width, height))
    shown = np.nan_to_num(scale.display(stretched))[..., None]
    cover = 0.8 * np.clip((shown - 0.08) / 0.42, 0, 1)
    blended = pixels * (1 - cover) + heat_map(stretched, scale) * cover
    return draw_contours(_drawn(np.rint(blended).astype(np.uint8), bounds, 2), regions)


def depth_picture(depth: NDArray[np.floating]) -> RGB:
    """A prepared depth (h, w, 2) in grey, near is bright; the part takes up the whole range, the plate is dark."""
    distance, part = depth[..., 0], (depth[..., 1] > 0) & (depth[..., 0] != 0)
    low, high = np.percentile(distance[part], (2, 98)) if part.any() else (0.0, 0.0)
    near = np.clip((high - distance) / max(float(high - low), 1e-6), 0, 1)
    grey = np.where(part, 64 + 191 * near, 24).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def draw_contours(image: RGB, regions: Sequence[Region]) -> RGB:
    """A copy of the image with a light line on a dark one around each region, seen on any ground."""
    return _drawn(image, [region.contour for region in regions], 3)


def _drawn(image: RGB, contours: Sequence[NDArray[np.int32]], under: int) -> RGB:
    if not contours:
        return image.copy()
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    width = max(1, round(max(image.shape[:2]) / 300))
    # A corner lies between pixels, a drawn pixel has its own place: the last column is left of the last corner.
    limit = np.array([image.shape[1] - 1, image.shape[0] - 1])
    for colour, stroke in ((_UNDERLINE, under * width), (_LINE, width)):
        for contour in contours:
            points = [(int(x), int(y)) for x, y in np.minimum(contour, limit)]
            draw.line([*points, points[0]], fill=colour, width=stroke, joint="curve")
    return np.asarray(picture)


def colour_bar(scale: Scale, width: int = 320, height: int = 44) -> RGB:
    """A strip of all colours with round raw scores below it and a mark at the threshold, dark on white."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    bar = height * 4 // 11
    pixels[:bar] = colour_table()[np.linspace(0, 255, width).round().astype(int)]
    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=max(9, height / 4))
    for value in bar_ticks(scale):
        x = float(scale.display(np.array(value))) * (width - 1)
        draw.line([(x, bar), (x, bar + 4)], fill=_UNDERLINE)
        text = f"{value:.4g}"
        room = font.getlength(text) / 2 + 1
        draw.text((min(max(x, room), width - room), bar + 5), text, fill=_UNDERLINE, font=font, anchor="ma")
    middle = (width - 1) / 2
    draw.line([(middle, 0), (middle, bar + 4)], fill=_UNDERLINE, width=4)
    draw.line([(middle, 0), (middle, bar + 4)], fill=_LINE, width=2)
    return np.asarray(picture)


def bar_ticks(scale: Scale) -> list[float]:
    """Round raw scores across the scale, with the threshold itself rounded to three digits among them."""
    step = (scale.high - scale.low) / 4
    power = 10.0 ** math.floor(math.log10(step))
    step = power * min((1, 2, 5, 10), key=lambda factor: abs(factor * power - step))
    first, last = math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9)
    ticks = [float(f"{index * step:.12g}") for index in range(first, last + 1)]
    apart = [tick for tick in ticks if abs(tick - scale.threshold) > 0.6 * step]
    return sorted([*apart, float(f"{scale.threshold:.3g}")])
