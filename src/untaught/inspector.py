"""From images to verdicts: decode, cut, score, join, judge. Whatever computes the scores, everything else is done here.

So that a trained run and its exported file give the same answers, both are this pipeline with another `Scorer`. Images
are scored one by one, each with all of its tiles: what comes out cannot depend on what an image was scored together
with. Of a stream, the next images are decoded and the last one's regions are found while one is scored.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias, cast, overload

import numpy as np
from numpy.typing import NDArray

from untaught.calibration import Calibration, p_values
from untaught.errors import ConfigError, ImageError
from untaught.image import DepthSource, Recipe, Source, WithDepth, in_order, read_inputs
from untaught.image.frames import Frame
from untaught.image.tiles import cut, join
from untaught.records import Prediction, ScoreMap
from untaught.regions import find_regions

TOGETHER = 8  # tiles that are scored at a time
MANY = 16  # images from which a list is inspected by a team

Inputs: TypeAlias = Mapping[str, NDArray[Any]]
"""What a method takes, by name: `image` is (h, w, 3) uint8 RGB, `depth` (h, w, 2) float32 where the recipe asks for it
(`untaught.image.read_inputs`); for a scorer a batch of them, (n, h, w, c).
"""
Given: TypeAlias = Source | WithDepth


class Scorer(Protocol):
    """Whatever computes raw maps and scores; safe to call from several threads."""

    def __call__(self, inputs: Inputs, /) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Maps (n, h, w) and scores (n,) of a batch of n at the model's input size."""


def score_image(score: Scorer, inputs: Inputs, recipe: Recipe) -> ScoreMap:
    """Map and score of one image by a recipe.

    Where the recipe has tiles, their maps are joined and the image's score is the highest of theirs. Outside the
    recipe's area the map is as low as the lowest place inside.
    """
    if recipe.tiling is None:
        maps, scores = score({name: picture[None] for name, picture in inputs.items()})
        map_ = maps[0]
    else:
        tiles = {name: cut(picture, recipe.tiling) for name, picture in inputs.items()}
        parts = [
            score({name: part[start : start + TOGETHER] for name, part in tiles.items()})
            for start in range(0, recipe.tiles, TOGETHER)
        ]
        scores = np.concatenate([part[1] for part in parts])
        map_ = join(np.concatenate([part[0] for part in parts]), recipe.height, recipe.width, recipe.tiling)
    return ScoreMap(map_ if recipe.area is None else recipe.area.silence(map_), float(scores.max()))


def _together(
    sources: Iterable[Given], names: Iterable[str], products: Iterable[str]
) -> Iterator[tuple[Given, str, str]]:
    """Each image with its name and product.

    Raises:
        ConfigError: there are fewer of these: the rest would not be inspected, and nobody would know.
    """
    named, known = iter(names), iter(products)
    for number, source in enumerate(sources):
        name, product = next(named, None), next(known, None)
        if name is None or product is None:
            what = "names" if name is None else "products"
            raise ConfigError(f"there are more images than {what} ({number})", "one for each", "give all, or none")
        yield source, name, product


class Decoded(NamedTuple):
    """An image ready for the scorer.

    `size` is (width, height) of the original, `seconds` what decoding took, `product` whose calibration judges, empty
    for that of all products together.
    """

    name: str
    inputs: Inputs
    size: tuple[int, int]
    seconds: float
    product: str = ""


class Scored(NamedTuple):
    """A decoded image and what the scorer says; `seconds` is what decoding and scoring took."""

    image: Decoded
    says: ScoreMap
    seconds: float


class Inspector:
    """Decodes by a recipe, scores, and judges by a calibration. Keeps no state between calls.

    Args:
        recipe: how images are decoded and resized.
        calibration: what is known of the scores of good parts.
        score: computes map and score.
        products: the same for each product, where there are several; then `calibration` is that of all together.
    """

    def __init__(
        self,
        recipe: Recipe,
        calibration: Calibration,
        score: Scorer,
        products: Mapping[str, Calibration] | None = None,
    ) -> None:
        self.recipe, self.calibration, self.score = recipe, calibration, score
        self.products = dict(products or {})

    @overload
    def inspect(
        self,
        source: list[Source] | tuple[Source, ...],
        product: str = "",
        *,
        depth: Sequence[DepthSource | None] | None = None,
    ) -> list[Prediction]: ...
    @overload
    def inspect(self, source: Source, product: str = "", *, depth: DepthSource | None = None) -> Prediction: ...
    @overload
    def inspect(self, source: Iterator[Given], product: str = "", *, depth: None = None) -> Iterator[Prediction]: ...

    def inspect(
        self,
        source: Source | list[Source] | tuple[Source, ...] | Iterator[Given],
        product: str = "",
        *,
        depth: DepthSource | Sequence[DepthSource | None] | None = None,
    ) -> Prediction | list[Prediction] | Iterator[Prediction]:
        """Inspect one image, a list of images, or images as they come.

        Args:
            source: a path, the bytes of a file, an array (h, w), (h, w, 3) or (h, w, 4) of uint8 or uint16, a PIL
                image, a list or tuple of these, or a generator of them, which is read a few images ahead (of a live
                camera's give each frame as it comes: `untaught.newest`).
            product: which of the products the model was trained on it shows, so that its own thresholds judge;
                without it those of all products together do. It must be named where products have regions of their own.
            depth: of each image, where the method takes it: a path, the bytes of a file, or an array of distances
                (h, w) or coordinates (h, w, 3); None: the file that belongs to the image's
                (`untaught.image.find_depth`).

        Returns:
            A prediction, a list of them in the same order, or one after the other as images come.

        Raises:
            ConfigError: there is no such product, or none is named that must be; depth is given to a model that takes
                none, or beside a generator.
            ImageError: a source is not an image that can be decoded, or its depth is missing or another image's.
        """
        if depth is not None and self.recipe.depth is None:
            raise ConfigError("depth beside the image", "a model that was trained with depth", "leave depth out")
        if isinstance(source, list | tuple) and not isinstance(source, WithDepth | Frame):
            every = [None] * len(source) if depth is None else cast("Sequence[DepthSource | None]", depth)
            if not isinstance(depth, list | tuple | None) or len(every) != len(source):
                came = f"{len(source)} images, and depth that is not one for each"
                raise ConfigError(came, "a list of as many", "give depth in the order of the images")
            pairs = [WithDepth(*pair) for pair in zip(source, every, strict=True)]
            return list(self.stream(pairs, products=repeat(product)))
        if isinstance(source, Iterator) and not isinstance(source, io.IOBase):
            if depth is not None:
                raise ConfigError(
                    "depth beside a generator of images",
                    "pairs of image and depth",
                    "yield untaught.image.WithDepth(image, depth)",
                )
            return self.stream(source, products=repeat(product))
        one, beside = cast("Given", source), cast("DepthSource | None", depth)
        given = one if isinstance(one, WithDepth) else WithDepth(one, beside)
        return self._judge(self._score(self.decode(given, "", product), self.score))

    def calibration_of(self, product: str) -> Calibration:
        """What is known of good parts of a product; of all together where it is empty.

        Raises:
            ConfigError: there is no such product.
        """
        if product and product not in self.products:
            known = ", ".join(self.products)
            expected = f"one of {known}" if known else "none: this model was trained on one product"
            raise ConfigError(f"the product {product!r} is not known", expected, "correct the name, or leave it out")
        return self.products[product] if product else self.calibration

    def stream(
        self,
        sources: Iterable[Given],
        names: Iterable[str] | None = None,
        products: Iterable[str] | None = None,
    ) -> Iterator[Prediction]:
        """Inspect many images in order, `names` in place of their own in the answers.

        Of a list the last answer is wanted soon: an exported file then scores as many images at a time as it has
        threads. Of any other source, such as a camera's frames, each answer is: it comes as soon as it is there.

        Raises:
            ConfigError: there are fewer names or products than images, or as `inspect` does.
            ImageError: as `inspect` does.
        """
        for answer in self.stream_all(sources, names, products):
            if isinstance(answer, ImageError):
                raise answer
            yield answer

    def stream_all(
        self,
        sources: Iterable[Given],
        names: Iterable[str] | None = None,
        products: Iterable[str] | None = None,
    ) -> Iterator[Prediction | ImageError]:
        """As `stream`, but an image that does not decode gives its error in place of a prediction."""

        def decode(item: tuple[Given, str, str]) -> Decoded | ImageError:
            try:
                return self.decode(*item)
            except ImageError as error:
                return error

        def judge(scored: Scored | ImageError) -> Prediction | ImageError:
            return scored if isinstance(scored, ImageError) else self._judge(scored)

        named = repeat("") if names is None else names
        known = repeat("") if products is None else products
        team, size = self.team() if isinstance(sources, Sequence) and len(sources) >= MANY else (self.score, 1)

        def score(image: Decoded | ImageError) -> Scored | ImageError:
            return image if isinstance(image, ImageError) else self._score(image, team)

        decoded = in_order(decode, _together(sources, named, known))
        yield from in_order(judge, in_order(score, decoded, workers=size), workers=1)

    def team(self) -> tuple[Scorer, int]:
        """Who scores many images, and how many at a time."""
        return self.score, 1

    def decode(self, source: Given, name: str = "", product: str = "") -> Decoded:
        """What the scorer will see of a source; raises as `inspect` does."""
        image = source.image if isinstance(source, WithDepth) else source
        if isinstance(image, Frame):
            raise ConfigError("a frame of `untaught.newest`", "the picture in it", "inspect(frame.image)")
        self.calibration_of(product)
        started = time.perf_counter()
        inputs, size = read_inputs(source, self.recipe.of(product))
        name = name or (str(image) if isinstance(image, str | Path) else "")
        return Decoded(name, inputs, size, time.perf_counter() - started, product)

    def _score(self, image: Decoded, score: Scorer) -> Scored:
        started = time.perf_counter()
        says = score_image(score, image.inputs, self.recipe.of(image.product))
        return Scored(image, says, image.seconds + time.perf_counter() - started)

    def _judge(self, scored: Scored) -> Prediction:
        started = time.perf_counter()
        image, says, seconds = scored
        known = self.calibration_of(image.product)
        return Prediction(
            name=image.name,
            score=says.score,
            p_value=float(p_values(known.scores, [says.score])[0]),
            reject=says.score > known.image.value,
            size=image.size,
            map=says.map,
            regions=find_regions(says.map, known.pixel.value, image.size),
            seconds=seconds + time.perf_counter() - started,
            product=image.product,
        )
