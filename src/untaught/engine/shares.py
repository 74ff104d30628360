"""Who trains on what: each process keeps its own share of the images, cached once.

An epoch shows every image once. A share is shuffled by a stream that depends on its keys alone, then cut into equally
many batches on every process.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from numpy.typing import NDArray
from torch import Tensor

from untaught.anomalies.draw import Drawer
from untaught.anomalies.settings import AnomalySettings
from untaught.batch import Batch
from untaught.config import Settings
from untaught.engine.features import FeatureCache
from untaught.engine.intake import Intake, halved
from untaught.engine.pairs import draw_pairs, to_pixels
from untaught.engine.seed import derive
from untaught.errors import ConfigError, DataError
from untaught.files import cache_root
from untaught.image import in_order
from untaught.image.tiles import cut
from untaught.method import Method, Stage
from untaught.progress import Report
from untaught.records import Sample

CACHE_VERSION = 2  # raise it when cached rows change their meaning


class Inside(NamedTuple):
    """Where tiles are looked at: `masks` (areas, tiles, 1, h, w), and which area is whose, (images,) of all."""

    masks: Tensor
    area_of: Tensor

    def of(self, numbers: Tensor) -> Tensor:
        """(b, 1, h, w) of the tiles with these numbers, counted through all images."""
        tiles = self.masks.shape[1]
        return self.masks[self.area_of[numbers // tiles], numbers % tiles]


@dataclass
class Share:
    """The cached images of this process: `rows` numbers them in the cache, `numbers` in the whole list.

    Each image has `views` rows in the cache. `largest` and `smallest` are the shares of all processes, so that each
    makes as many steps and none runs out of images. With a `drawer` every batch holds pairs, drawn in threads while
    the network computes; `keys` seed them. `inside` tells where they are looked at; None: everywhere.
    """

    cache: FeatureCache
    rows: Sequence[int]
    numbers: Sequence[int]
    views: int = 1
    largest: int = 0
    smallest: int | None = None
    drawer: Drawer | None = None
    keys: Sequence[int | str] = ()
    inside: Inside | None = None

    def batch(
        self,
        positions: Sequence[int],
        views: Sequence[int] | None = None,
        keys: Sequence[int | str] = ("as it is",),
    ) -> Batch:
        """The batch of the images at `positions` of this share, each in its view (default: the image itself).

        `keys` seed the drawn defects beside the share's own keys and the image's number.
        """
        chosen = [0] * len(positions) if views is None else views
        rows = [self.rows[position] * self.views + view for position, view in zip(positions, chosen, strict=True)]
        tensors = {
            name: value.float() if value.is_floating_point() else value
            for name, value in self.cache.gather(rows).items()
        }
        index = torch.as_tensor([self.numbers[position] for position in positions])
        pixels, depth = tensors.pop("image", None), tensors.pop("depth", None)
        batch = Batch(index, None if pixels is None else pixels.float() / 255, tensors, depth=depth)
        if self.drawer is not None and pixels is not None:
            inside = None if self.inside is None else self.inside.of(index)
            batch.defect, batch.mask = draw_pairs(
                self.drawer, pixels, index.tolist(), (*self.keys, *keys), self._texture, inside
            )
        return batch

    def _texture(self, number: int) -> NDArray[np.uint8]:
        """Any image of this share, (h, w, 3), for its texture; `number` may be as large as it likes."""
        row = self.rows[number % len(self.rows)] * self.views
        pixels: NDArray[np.uint8] = to_pixels(self.cache.gather([row], ["image"])["image"])[0]
        return pixels

    def epoch(self, batch_size: int, *keys: int | str) -> Iterator[Batch]:
        """Every image once, in an order given by `keys`; the same number of batches on every process."""
        rng = np.random.default_rng(derive(*keys))
        order = rng.permutation(len(self.rows))
        views = rng.integers(0, self.views, len(self.rows))
        parts = np.array_split(order, self.steps(batch_size))

        def load(part: NDArray[np.int64]) -> Batch:
            return self.batch(part.tolist(), views[part].tolist(), keys)

        return map(load, parts) if self.drawer is None else in_order(load, parts)

    def steps(self, batch_size: int) -> int:
        """Batches of an epoch."""
        wanted = math.ceil(max(self.largest, len(self.rows)) / batch_size)
        return max(1, min(wanted, len(self.rows) if self.smallest is None else self.smallest))

    def in_order(self, batch_size: int = 16) -> Iterator[Batch]:
        """Every image once as it is, in order."""
        for start in range(0, len(self.rows), batch_size):
            yield self.batch(range(start, min(start + batch_size, len(self.rows))))

    def rounds(self, pairs: int, batch_size: int = 16) -> Iterator[Batch]:
        """Every image in order, again with new drawings until there are at least so many pairs; once where none are."""
        count = len(self.rows)
        for turn in range(1 if self.drawer is None else math.ceil(pairs / count)):
            for start in range(0, count, batch_size):
                yield self.batch(range(start, min(start + batch_size, count)), keys=("round", turn))


@dataclass
class Shares:
    """Makes the shares of a training: decodes, computes what is frozen, caches it.

    `state` stands for what earlier stages have learned, on which the frozen side of a later one may depend; `made` are
    the last stage and its shares.
    """

    settings: Settings
    method: Method
    intake: Intake
    hashes: Mapping[str, str]
    accelerator: Accelerator
    report: Report
    state: str = ""
    made: tuple[Stage, Share, Share] | None = None

    def of(self, stage: Stage, split: Mapping[str, Sequence[Sample]]) -> tuple[Share, Share]:
        """This process's training images, and all monitor images on the main process (none on others).

        A stage that wants the same rows as the stage before is given the same; those of another are closed.

        Raises:
            DataError: images do not decode and are not to be skipped, or none is left.
            ConfigError: defects cannot be drawn as the stage asks.
        """
        drawer = None if stage.pairs is None else self._drawer(stage.pairs)  # before all images are read
        if self.made is None or rows_wanted(self.made[0]) != rows_wanted(stage):
            self.close()
            self.made = (stage, *self._filled(stage, split))
        train, monitor = (replace(share, drawer=None, keys=()) for share in self.made[1:])
        if stage.shown is not None:
            train = only(train, stage.shown, self.intake.recipe.tiles)
        if drawer is not None:
            train.drawer = monitor.drawer = drawer
            train.keys = monitor.keys = (self.settings.seed, stage.name, "pairs")
        return train, monitor

    def _drawer(self, settings: AnomalySettings) -> Drawer:
        if self.intake.recipe.tiling is not None and not isinstance(settings.foreground, str):
            raise ConfigError(
                f"foreground: {settings.foreground}, a mask of the whole picture, which is cut into tiles",
                "`none`, or `otsu` or `largest` on each tile",
                "or name the mask with --roi: then nothing outside it is drawn on, nor looked at",
            )
        return Drawer(settings)

    def close(self) -> None:
        """Let go of all rows, and of their files where they are not to be kept."""
        for share in self.made[1:] if self.made else ():
            share.cache.close(delete=not self.settings.cache.keep)
        self.made = None

    def _filled(self, stage: Stage, split: Mapping[str, Sequence[Sample]]) -> tuple[Share, Share]:
        rank, processes = self.accelerator.process_index, self.accelerator.num_processes
        mine = range(rank, len(split["train"]), processes)
        held = range(len(split["monitor"]) if self.accelerator.is_main_process else 0)
        learned = self._cached(stage, split["train"], mine, "train")
        watched = self._cached(replace(stage, views=1), split["monitor"], held, "monitor")
        for broken, seen in gather_object([(dict(self.intake.broken), dict(self.intake.seen))]):
            self.intake.broken.update(broken)  # the card lists those of all processes
            self.intake.seen.update(seen)
        self.intake.find_copies(
            [split["calibration"], split["monitor"], split["train"]]
        )  # none is held out and learned
        train = self._share(learned, split["train"], mine, stage.views)
        monitor = self._share(watched, split["monitor"], held, 1)
        counts: list[int] = gather_object([len(train.rows)])
        train.largest, train.smallest = max(counts), min(counts)
        if min(counts) == 0 or (held and not monitor.rows):
            raise DataError(
                f"{sum(counts)} readable good images are left to train on and {len(monitor.rows)} to watch, "
                f"without {len(self.intake.copies)} copies",
                "at least one for each process and one to watch",
                "look at the data with `untaught doctor`",
            )
        return train, monitor

    def cache(self, rows: int, part: str, half: bool = True, low: bool = False) -> FeatureCache:
        """An empty cache for rows kept and computed in bfloat16 or not; its place is named by all they depend on."""
        settings, processes = self.settings, self.accelerator.num_processes
        root = settings.cache.folder or cache_root() / "features"
        told = [
            CACHE_VERSION,
            self.method.backbone.sha256,
            version("untaught"),
            settings.method,
            self.method.config.model_dump_json(),
            settings.seed,
            self.state,
            half,
            low,
        ]
        told += [self.intake.recipe.model_dump_json(), part, self.accelerator.process_index, processes]
        key = hashlib.sha256(json.dumps([told, sorted(self.hashes.items())]).encode()).hexdigest()[:24]
        return FeatureCache(rows, budget=settings.cache.memory * 2**30 / processes, folder=Path(root) / key, half=half)

    def _cached(self, stage: Stage, samples: Sequence[Sample], numbers: Sequence[int], part: str) -> FeatureCache:
        mine = [samples[number] for number in numbers]
        tiles = self.intake.recipe.tiles
        low = halved(stage, self.accelerator.device)
        cache = self.cache(len(mine) * tiles * stage.views, f"{stage.name}-{part}", stage.half, low)
        self.method.eval()
        self.intake.fill(
            cache, mine, stage=stage, keys=(self.settings.seed, stage.name), device=self.accelerator.device,
            keep=self.settings.cache.keep, task=f"teacher features ({part})", report=self.report,
        )  # fmt: skip
        return cache

    def _share(self, cache: FeatureCache, samples: Sequence[Sample], numbers: Sequence[int], views: int) -> Share:
        """The cached rows of whole images, of each picture once."""
        tiles, out = self.intake.recipe.tiles, {*self.intake.broken, *self.intake.copies}
        rows = [row for row in range(len(numbers) * tiles) if samples[numbers[row // tiles]].name not in out]
        places = [numbers[row // tiles] * tiles + row % tiles for row in rows]
        return Share(cache, rows, places, views, inside=self._inside(samples))

    def _inside(self, samples: Sequence[Sample]) -> Inside | None:
        recipe = self.intake.recipe
        areas = dict(recipe.areas) if recipe.area is None else {"": recipe.area}
        if not areas:
            return None
        masks = [area.inside for area in areas.values()]
        tiles = [mask[None] if recipe.tiling is None else cut(mask, recipe.tiling) for mask in masks]
        names = list(areas)
        area_of = [names.index(sample.product) if recipe.areas else 0 for sample in samples]
        return Inside(torch.from_numpy(np.stack(tiles))[:, :, None], torch.tensor(area_of))


def only(share: Share, shown: Callable[[int], bool], tiles: int = 1) -> Share:
    """The images of a share that are shown, each with all its tiles; all where a process would be left without any."""
    chosen = [position for position, number in enumerate(share.numbers) if shown(number // tiles)]
    counts: list[int] = gather_object([len(chosen)])
    if min(counts) == 0:
        return share
    rows, numbers = ([every[position] for position in chosen] for every in (share.rows, share.numbers))
    return replace(share, rows=rows, numbers=numbers, largest=max(counts), smallest=min(counts))


def rows_wanted(stage: Stage) -> tuple[object, ...]:
    """All of a stage that its cached rows depend on."""
    pixels = stage.frozen is None or stage.image or stage.pairs is not None
    return stage.frozen, stage.view, stage.views, stage.half, stage.mixed, pixels
