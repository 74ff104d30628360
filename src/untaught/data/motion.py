"""How parts lie: by how much each picture is shifted and turned against the usual one.

The angle shows in the amplitudes of the spectrum, which a shift leaves alone: seen in polar coordinates, a turn is a
shift along the angle (Reddy and Chatterji, An FFT-Based Technique for Translation, Rotation, and Scale-Invariant Image
Registration, IEEE TIP 1996). Turned back by it, or by half a turn more, the picture's shift is the peak of the phase
correlation. An answer counts only where the picture so moved resembles the usual one; of textures nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 64
ANGLES = 180  # one a degree
RESEMBLES = 0.75  # correlation from which on two pictures show the same part
LEFT = 0.5  # a turn has to explain this share of what a shift alone leaves unexplained
MOST = 200  # pictures that are looked at

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Motion:
    """How far parts lie from where they usually do, over those that resemble the usual picture.

    `shift` is in shares of the picture's longer side and `angle` in degrees; 95 of 100 parts lie within both.
    `share` is the share of pictures that resemble the usual one.
    """

    shift: float
    angle: float
    share: float


def picture(image: Image.Image) -> NDArray[np.float16]:
    """Grey levels on 64 x 64, the aspect ratio kept, the rest filled with the image's mean."""
    grey = image.convert("L")
    grey.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    small = np.asarray(grey, np.float16)
    canvas = np.full((SIDE, SIDE), small.mean(dtype=np.float32), np.float16)
    top, left = (SIDE - small.shape[0]) // 2, (SIDE - small.shape[1]) // 2
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas


def estimate(pictures: NDArray[np.float16]) -> Motion | None:
    """The motion of (n, 64, 64) pictures; None where they are fewer than eight or fewer than half are alike."""
    if len(pictures) < 8:
        return None
    chosen = pictures[:: -(-len(pictures) // MOST)].astype(np.float64)
    seen = (chosen - chosen.mean(axis=(1, 2), keepdims=True)) * _WINDOW
    # First against the picture most like the mean, then against the mean of all that were moved onto it.
    usual = seen[int(np.argmax(_correlation(seen, seen.mean(axis=0))))]
    for _ in range(2):
        moved = [register(one, usual) for one in seen]
        fits = np.array([fit for *_, fit in moved])
        alike = fits >= RESEMBLES
        if alike.mean() < 0.5:
            return None
        laid = [_moved(one, *place[:3]) for one, place, ok in zip(seen, moved, alike, strict=True) if ok]
        usual = np.mean(laid, axis=0)
    places = np.array([place[:3] for place, ok in zip(moved, alike, strict=True) if ok])
    shifts = places[:, :2] - np.median(places[:, :2], axis=0)
    turns = _unwound(places[:, 2])
    far, wide = np.hypot(*shifts.T) / SIDE, np.abs(turns)
    return Motion(float(np.quantile(far, 0.95)), float(np.quantile(wide, 0.95)), float(alike.mean()))


def register(one: Floats, usual: Floats) -> tuple[float, float, float, float]:
    """Shift in x and y (pixels) and angle (degrees) that lay a picture onto the usual one, and how like it then is."""
    spectra = _polar(one), _polar(usual)
    product = (np.fft.rfft(spectra[0], axis=0).conj() * np.fft.rfft(spectra[1], axis=0)).sum(axis=1)
    turn = float(np.argmax(np.fft.irfft(product, ANGLES)))
    unturned = _placed(one, usual, 0.0)
    best = max((_placed(one, usual, angle) for angle in (turn, turn + 180)), key=lambda place: place[3])
    return best if 1 - best[3] < LEFT * (1 - unturned[3]) else unturned


def _placed(one: Floats, usual: Floats, angle: float) -> tuple[float, float, float, float]:
    turned = _moved(one, 0.0, 0.0, angle)
    cross = np.fft.fft2(usual) * np.fft.fft2(turned).conj()
    # Half-way between phase and plain correlation: small pictures have few frequencies that tell something.
    peak = np.fft.ifft2(cross / np.sqrt(np.abs(cross) + 1e-9)).real
    dy, dx = (int(value) for value in np.unravel_index(int(np.argmax(peak)), peak.shape))
    x, y = (value - SIDE if value > SIDE // 2 else value for value in (dx, dy))
    fit = _correlation(np.roll(turned, (y, x), axis=(0, 1))[None], usual)[0]
    return float(x), float(y), angle % 360, float(fit)


def _moved(one: Floats, x: float, y: float, angle: float) -> Floats:
    turned = one
    if angle:
        image = Image.fromarray(one.astype(np.float32))
        turned = np.asarray(image.rotate(angle, Image.Resampling.BILINEAR), np.float64)
    return np.roll(turned, (int(y), int(x)), axis=(0, 1))


def _polar(one: Floats) -> Floats:
    """Logarithm of the amplitudes by angle and radius, (180, r), each radius with mean 0."""
    amplitude = np.log1p(np.abs(np.fft.fftshift(np.fft.fft2(one))))
    found = amplitude[_ROWS, _COLUMNS]
    return np.asarray(found - found.mean(axis=0))


def _correlation(pictures: Floats, usual: Floats) -> Floats:
    flat, other = pictures.reshape(len(pictures), -1), usual.ravel()
    flat, other = flat - flat.mean(axis=1, keepdims=True), other - other.mean()
    length = np.linalg.norm(flat, axis=1) * np.linalg.norm(other)
    return np.asarray((flat @ other) / np.maximum(length, 1e-9))


def _unwound(angles: Floats) -> Floats:
    """Angles in -180..180 around their circular mean."""
    mean = np.angle(np.exp(1j * np.deg2rad(angles)).mean(), deg=True)
    return np.asarray((angles - mean + 180) % 360 - 180)


def _grid() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    angle = np.deg2rad(np.arange(ANGLES))[:, None]
    radius = np.arange(3, SIDE // 2 - 2)
    middle = SIDE // 2
    rows, columns = middle - radius * np.sin(angle), middle + radius * np.cos(angle)
    return np.rint(rows).astype(np.int64), np.rint(columns).astype(np.int64)


_ROWS, _COLUMNS = _grid()
_WINDOW = np.hanning(SIDE)[:, None] * np.hanning(SIDE)[None]
