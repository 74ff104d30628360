"""The drawer: a good image -> a pair, from settings and random numbers alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from untaught.anomalies import cutpaste, deform, foreground, perlin, scar, shuffle, simplex
from untaught.anomalies.base import RGB, Pair, Patch, Scene
from untaught.anomalies.settings import AnomalySettings, Kind
from untaught.anomalies.texture import Others, Texture, drawn, from_folder, from_images, mixed
from untaught.errors import ImageError
from untaught.records import GOOD

DRAW: dict[Kind, Callable[[Scene, Generator], Patch]] = {
    "perlin": perlin.draw,
    "cutpaste": cutpaste.draw,
    "scar": scar.draw,
    "shuffle": shuffle.draw,
    "simplex": simplex.draw,
    "deform": deform.draw,
}
_SIZES = 8  # of images, for which the foreground's mask is kept stretched
Drawn: TypeAlias = tuple[RGB, NDArray[np.bool_]]


class Drawer:
    """Draws anomalies. It holds no state that a draw changes, so any number of threads may use one.

    Args:
        settings: what to draw, how large, how strong and where.

    Raises:
        ConfigError: the folder of textures holds no image or what is none, or the foreground's mask is dark everywhere.
        MaskError: the foreground's mask cannot be read.
    """

    def __init__(self, settings: AnomalySettings) -> None:
        self.settings = settings
        self._kinds: list[Kind] = [kind for kind in DRAW if settings.kinds.get(kind, 0) > 0]
        weights = np.array([settings.kinds[kind] for kind in self._kinds])
        self._odds = np.cumsum(weights / weights.sum())
        self._folder = None if isinstance(settings.texture, str) else from_folder(settings.texture)
        if not isinstance(settings.foreground, str):
            self._part = lru_cache(_SIZES)(partial(foreground.stretched, foreground.from_file(settings.foreground)))

    def __call__(
        self,
        image: NDArray[np.uint8],
        rng: Generator,
        others: Others = (),
        inside: NDArray[np.bool_] | None = None,
    ) -> Pair:
        """Draw one anomaly.

        Args:
            image: (h, w, 3), left as it is.
            rng: the only source of chance: the same state gives the same pair.
            others: further training images of the same size, from which foreign texture is taken: a sequence, or a
                callable that is given any integer from 0 to 2^31 - 1 and takes it modulo its number of images. Where
                there are none, texture is drawn.
            inside: (h, w), True where the image is looked at: what is drawn lies there, and on the foreground; all of
                what is looked at counts as such where nothing of the foreground is. None means everywhere.

        Returns:
            The pair. Its kind is `good` and its mask empty with the set probability, and where no attempt gave an
            anomaly that is large and visible enough.

        Raises:
            ImageError: the image is not (h, w, 3) of uint8, or a side of it is a single pixel.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or min(image.shape[:2]) < 2:
            came = f"an image of shape {image.shape}, type {image.dtype}"
            raise ImageError(came, "(h, w, 3) of uint8, with two pixels a side or more")
        image = np.ascontiguousarray(image)
        if rng.random() >= self.settings.clean and (inside is None or inside.any()):
            scene = self._scene(image, others, inside)
            for _ in range(self.settings.draws):
                kind = self._kinds[min(int(np.searchsorted(self._odds, rng.random(), "right")), len(self._kinds) - 1)]
                found = laid(scene, DRAW[kind](scene, rng))
                if found is not None:
                    return Pair(image, *found, kind)
        return Pair(image, image.copy(), np.zeros(image.shape[:2], np.bool_), GOOD)

    def foreground(self, image: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
        """(h, w), True where anomalies may lie on this image; None means anywhere."""
        choice = self.settings.foreground
        if choice == "none":
            return None
        if choice == "otsu":
            return foreground.otsu(image)
        if choice == "largest":
            return foreground.largest(image)
        return self._part(*image.shape[:2])

    def _scene(self, image: RGB, others: Others, inside: NDArray[np.bool_] | None) -> Scene:
        part = self.foreground(image)
        if inside is not None:
            both = inside if part is None else inside & part
            part = both if both.any() else inside
        return Scene(image, part, self._texture(others), self.settings, is_grey(image))

    def _texture(self, others: Others) -> Texture:
        if self._folder is not None:
            return self._folder
        if self.settings.texture == "procedural" or not (callable(others) or len(others)):
            return drawn
        images = from_images(others)
        return images if self.settings.texture == "images" else mixed(images, drawn)


def is_grey(image: RGB) -> bool:
    """Whether all channels of (h, w, 3) are equal; a colour image is found out by a few of its pixels."""
    return all(
        bool((part[..., 0] == part[..., 1]).all() and (part[..., 1] == part[..., 2]).all())
        for part in (image[::16, ::16], image)
    )


def laid(scene: Scene, patch: Patch) -> Drawn | None:
    """The image with the patch on it, and which pixels that changed; None where they are too few or change too little.

    Outside the cover Pillow's paste leaves every value as it is, and what it leaves unchanged is not in the mask: the
    two images agree exactly where the mask is False, and only there.
    """
    box, settings = patch.box, scene.settings
    cover = patch.cover
    if scene.foreground is not None:
        cover = cover * box.cut(scene.foreground)
    before = box.cut(scene.image)
    canvas = Image.fromarray(np.ascontiguousarray(before))
    canvas.paste(Image.fromarray(np.ascontiguousarray(patch.pixels)), (0, 0), Image.fromarray(cover))
    after = np.asarray(canvas)
    change = np.maximum(after, before) - np.minimum(after, before)
    strongest = np.maximum(np.maximum(change[..., 0], change[..., 1]), change[..., 2])
    changed = strongest > 0
    count = int(np.count_nonzero(changed))
    if count < settings.least or int(strongest.sum(dtype=np.int64)) < settings.visible * count:
        return None
    defect = scene.image.copy()
    box.cut(defect)[...] = after
    mask = np.zeros(scene.image.shape[:2], np.bool_)
    box.cut(mask)[...] = changed
    return defect, mask
