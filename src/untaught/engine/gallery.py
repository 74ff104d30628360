"""The pictures an evaluation keeps for its report: the mistakes first, then some of every kind."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from untaught.files import replacing
from untaught.image import Recipe, Source, WithDepth, decode, read_inputs, resize_map
from untaught.records import Prediction, Sample
from untaught.render import depth_picture

MISTAKES = 8
PICTURE = 384
MAP = 192


def choose(samples: Sequence[Sample], rows: Sequence[Prediction]) -> list[int]:
    """Numbers of the images to show: the worst misses and false rejects, and of each kind three over its range.

    Of several products there are three good and three defective images each.
    """
    order = sorted(range(len(rows)), key=lambda number: rows[number].score)
    misses = [number for number in order if samples[number].defective and not rows[number].reject]
    rejects = [number for number in reversed(order) if not samples[number].defective and rows[number].reject]
    chosen = misses[:MISTAKES] + rejects[:MISTAKES]
    several = len({sample.product for sample in samples}) > 1
    groups = [(sample.product, sample.defective) if several else (sample.kind,) for sample in samples]
    for group in sorted(set(groups)):
        own = [number for number in order if groups[number] == group]
        chosen += [own[-1], own[len(own) // 2], own[0]]
    return list(dict.fromkeys(chosen))


class Item(NamedTuple):
    """What is kept of one image; `source` is what the inspector was given."""

    source: Source | WithDepth
    map: NDArray[np.float32]
    mask: NDArray[np.bool_] | None


def write_gallery(path: Path, recipe: Recipe, items: Iterable[Item]) -> None:
    """Write image (JPEG bytes), map (float32), mask and depth picture (grey) of each item to one compressed file."""
    arrays: dict[str, NDArray[Any]] = {}
    for number, (source, map_, mask) in enumerate(items):
        if isinstance(source, WithDepth):
            seen = Image.fromarray(depth_picture(read_inputs(source, recipe)[0]["depth"])[..., 0])
            arrays[f"depth_{number}"] = np.asarray(seen.resize((MAP, MAP), Image.Resampling.BILINEAR))
            source = source.image
        picture = decode(source, recipe)
        picture.thumbnail((PICTURE, PICTURE), Image.Resampling.BILINEAR)
        buffer = io.BytesIO()
        picture.save(buffer, format="JPEG", quality=88)
        arrays[f"image_{number}"] = np.frombuffer(buffer.getvalue(), np.uint8)
        arrays[f"map_{number}"] = resize_map(np.asarray(map_), (MAP, MAP)).astype(np.float32)
        if mask is not None:
            small = Image.fromarray(mask).resize(picture.size, Image.Resampling.NEAREST)
            arrays[f"mask_{number}"] = np.asarray(small).astype(np.uint8)
    with replacing(path) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
