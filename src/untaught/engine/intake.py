"""From files to cached rows: every image is read and decoded once, in threads, while the teacher computes.

Decoding runs ahead of the network by a few images, so memory does not depend on how many there are. An image that
does not decode is noted by name; what becomes of it is the caller's decision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from untaught.data.base import Dataset, source_of
from untaught.data.look import Look, glance
from untaught.engine.features import FeatureCache
from untaught.engine.seed import generator
from untaught.engine.tensors import to_tensors
from untaught.errors import DataError, ImageError
from untaught.image import Recipe, in_order, read_inputs
from untaught.image.tiles import Tiling, cut
from untaught.inspector import Inputs
from untaught.method import Stage
from untaught.nn.precision import bf16_pays
from untaught.progress import Progress, Report, silent
from untaught.records import Sample


@dataclass
class Intake:
    """Images of a data set on their way into the cache; `broken` collects what did not decode, with the reason.

    With `skip` False the first broken image ends the work, after the rest and all of `every` were looked at, so that
    all can be named. `inputs` names what the method takes. `seen` keeps what the doctor has to know of each image.
    `copies` names those that show what another shows and are therefore left out.
    """

    dataset: Dataset
    recipe: Recipe
    skip: bool = False
    inputs: tuple[str, ...] = ("image",)
    broken: dict[str, ImageError] = field(default_factory=dict)
    every: Sequence[Sample] = ()
    seen: dict[str, Look] = field(default_factory=dict)
    copies: set[str] = field(default_factory=set)

    def find_copies(self, parts: Sequence[Sequence[Sample]]) -> None:
        """Of images that show the very same picture, however each was saved, the first counts and the others do not.

        Args:
            parts: disjoint lists of images that were read, that which has to keep its images first.
        """
        first: dict[str, str] = {}
        for part in parts:
            for name in sorted(sample.name for sample in part if sample.name in self.seen):
                digest = self.seen[name].digest
                if digest and first.setdefault(digest, name) != name:
                    self.copies.add(name)

    def decode(self, samples: Sequence[Sample]) -> Iterator[Inputs | None]:
        """What `read_inputs` gives of each image, in order; None where it is broken."""
        return in_order(self._read, samples)

    def _read(self, sample: Sample) -> Inputs | None:
        try:
            recipe = self.recipe.of(sample.product)
            given = read_inputs(source_of(self.dataset, sample, recipe), recipe)[0]
        except ImageError as error:
            self.broken[sample.name] = error
            return None
        if sample.name not in self.seen:
            self.seen[sample.name] = glance(self.dataset, sample, recipe, given["image"])
        return given

    def fill(
        self,
        cache: FeatureCache,
        samples: Sequence[Sample],
        *,
        stage: Stage | None = None,
        keys: Sequence[int | str] = (),
        device: torch.device | None = None,
        keep: bool = False,
        task: str = "images",
        report: Report = silent,
    ) -> None:
        """Fill `cache` with the stage's frozen tensors, or with the images themselves where it has none.

        Row `(n * tiles + t) * views + v` is view `v` of tile `t` of image `n`; `keys` seed the views. Without a stage
        images are not cut.
        """
        views, tiles = (stage.views, self.recipe.tiles) if stage else (1, 1)
        rows = _Rows(self, samples, tiles, self.recipe.tiling if stage else None)
        done = 0

        def compute(chunk: Sequence[int]) -> dict[str, Tensor]:
            given = rows.stack([row // views for row in chunk])
            if self.broken and not self.skip:
                rows.drain()
                self._look_at(self.every)
                raise self.failure()
            if stage is None or stage.frozen is None:
                return {name: torch.from_numpy(array).permute(0, 3, 1, 2) for name, array in given.items()}
            tensors = to_tensors(given, device)
            image = tensors["image"]
            if stage.view is not None:
                for position, row in enumerate(chunk):
                    if row % views:
                        number, tile = divmod(row // views, tiles)
                        place = (samples[number].name, tile) if tile else (samples[number].name,)
                        image[position] = stage.view(image[position], generator(*keys, *place, row % views))
            with (
                torch.no_grad(),
                torch.autocast(image.device.type, torch.bfloat16, enabled=halved(stage, image.device)),
            ):
                frozen = stage.frozen(*(tensors[name] for name in self.inputs))
            if stage.image or stage.pairs is not None:
                frozen = {**tensors, **frozen, "image": (image * 255).round().to(torch.uint8)}
            return frozen

        def advance(count: int) -> None:
            nonlocal done
            done += count
            report(
                Progress(
                    task, done // (views * tiles), len(samples), f"{len(self.broken)} broken" if self.broken else ""
                )
            )

        cache.fill(compute, advance, rows.whole, keep)
        self._look_at(samples)  # whose rows an earlier training has left

    def _look_at(self, samples: Sequence[Sample]) -> None:
        """Read those of the images that were not read yet."""
        for _ in self.decode([item for item in samples if item.name not in {*self.seen, *self.broken}]):
            pass

    def failure(self) -> DataError:
        """What to tell the user of the broken images."""
        lines = "; ".join(error.came for _, error in sorted(self.broken.items()))
        return DataError(
            f"{len(self.broken)} image(s) do not decode: {lines}",
            "images that decode completely",
            "remove or replace them, or train without them: --on-bad-image skip",
        )


class _Rows:
    """Inputs of the method by number, asked for in rising order; broken ones are black and never trained on.

    With a tiling, number `n * tiles + t` is tile `t` of image `n`; without one, `n` is the image.
    """

    def __init__(self, intake: Intake, samples: Sequence[Sample], tiles: int, tiling: Tiling | None) -> None:
        self.intake, self.samples, self.tiles, self.tiling = intake, samples, tiles, tiling
        self.stream: Iterator[Inputs | None] = iter(())
        self.number = -1
        self.next = -1
        self.current: Inputs | None = None
        self.intact = True

    def stack(self, rows: Sequence[int]) -> Inputs:
        """These rows as a batch, by name."""
        given = [self._row(row) for row in rows]
        return {name: np.stack([row[name] for row in given]) for name in given[0]}

    def _row(self, row: int) -> Inputs:
        number, tile = divmod(row, self.tiles)
        if number != self.number:
            if number != self.next:  # a resumed pass starts in the middle
                self.stream = self.intake.decode(self.samples[number:])
            whole = next(self.stream)
            self.current = whole and {name: self._tiles(picture) for name, picture in whole.items()}
            self.number, self.next = number, number + 1
        if self.current is None:
            self.intact = False
            recipe = self.intake.recipe
            height, width = (recipe.height, recipe.width) if self.tiling is None else recipe.input_size
            black = {"image": np.zeros((height, width, 3), np.uint8)}
            return black if recipe.depth is None else {**black, "depth": np.zeros((height, width, 2), np.float32)}
        return {name: tiles[tile] for name, tiles in self.current.items()}

    def _tiles(self, picture: NDArray[Any]) -> NDArray[Any]:
        return picture[None] if self.tiling is None else cut(picture, self.tiling)

    def drain(self) -> None:
        """Look at all that is left."""
        for _ in self.stream:
            pass

    def whole(self) -> bool:
        """Whether every image since the last question was read."""
        answer, self.intact = self.intact, True
        return answer


def halved(stage: Stage, device: torch.device) -> bool:
    """Whether what is frozen is computed in bfloat16: where the rows are kept so anyway, and it is faster."""
    return stage.mixed and stage.half and bf16_pays(device)
