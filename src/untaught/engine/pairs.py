"""Drawn defects for a batch of good images, each from its own random stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from untaught.anomalies.draw import Drawer
from untaught.engine.seed import derive


def to_pixels(images: Tensor) -> NDArray[np.uint8]:
    """(b, 3, h, w) uint8 as arrays (b, h, w, 3)."""
    return np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())


def draw_pairs(
    drawer: Drawer,
    images: Tensor,
    numbers: Sequence[int],
    keys: Sequence[int | str],
    texture: Callable[[int], NDArray[np.uint8]],
    inside: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """A drawn defect on each of `images` (b, 3, h, w) uint8, from `keys` and the image's number alone.

    Where `inside`, (b, 1, h, w), is False nothing is drawn, and nothing at all where it is nowhere True.

    Returns:
        The images with defects, (b, 3, h, w) in 0..1, and their masks, (b, 1, h, w).
    """
    areas = [None] * len(numbers) if inside is None else list(inside[:, 0].numpy())
    pairs = [
        drawer(image, np.random.default_rng(derive(*keys, number)), texture, area)
        for image, number, area in zip(to_pixels(images), numbers, areas, strict=True)
    ]
    defects = torch.from_numpy(np.stack([pair.defect for pair in pairs])).permute(0, 3, 1, 2)
    masks = torch.from_numpy(np.stack([pair.mask for pair in pairs]))[:, None]
    return defects.float() / 255, masks
