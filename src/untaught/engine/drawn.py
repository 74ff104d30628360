"""What a run finds of drawn defects, size by size: for whoever has no real defect yet.

Defects are drawn on the good images that set the threshold. On these, as they are, the false-reject rate is known;
with a drawing on them they show how large, or how strong, something must be to be rejected. Images are decoded as they
are drawn on, and each drawing is gone once it is inspected: memory does not depend on how many there are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from untaught.anomalies.base import LEAST_SIDE, Pair
from untaught.anomalies.draw import Drawer
from untaught.anomalies.settings import AnomalySettings
from untaught.anomalies.texture import Images
from untaught.data.folder import AnyData, in_words, open_dataset
from untaught.data.split import shuffled
from untaught.engine.predict import Detector, run_settings
from untaught.engine.seed import derive
from untaught.errors import DataError
from untaught.files import write_text
from untaught.image import Recipe
from untaught.progress import Progress, Report, silent
from untaught.records import GOOD, Sample
from untaught.run import Run

SIZES = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
DRAWS = 40
KEPT = 2**26  # bytes of decoded images
NAMELESS = "images of no known product"


@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawn defect and what became of it.

    `product` is whose thresholds judge, empty for those of all together. `size` is the longest side that was asked for,
    as a share of the image's shorter side; `area` the share of the image's pixels that were changed and `change` by how
    many grey levels of 255 on average. `reject` says that the image was rejected, `marked` that a region shown to the
    user touches the defect.
    """

    image: str
    product: str
    kind: str
    size: float
    area: float
    change: float
    score: float
    reject: bool
    marked: bool


def detect_drawn(
    run: Run,
    good: AnyData | None = None,
    *,
    settings: AnomalySettings | None = None,
    sizes: Sequence[float] = SIZES,
    draws: int = DRAWS,
    report: Report = silent,
) -> list[Drawing]:
    """Draw defects on the held-out good images of a run, inspect them, and keep the answers in its drawn.json.

    Args:
        run: a finished run.
        good: data sets that hold the held-out images, known by their hashes; default: what the run was trained on.
        settings: what is drawn; its `size` and `clean` do not count.
        sizes: longest sides, as shares of the image's shorter side; left out are those below 3 pixels and, of a product
            that is looked at in a region, those that are larger than it.
        draws: defects of each size, but one of each product at least.
        report: told of the progress.

    Raises:
        DataError: none of the held-out images is there any more, no defect could be drawn, or the run looks at depth.
        RunError: another command is at work on the run.
    """
    with run.alone("anomalies detect"):
        return _detect(run, good, settings or AnomalySettings(), sizes, draws, report)


def _detect(
    run: Run, good: AnyData | None, settings: AnomalySettings, sizes: Sequence[float], draws: int, report: Report
) -> list[Drawing]:
    if run.card.recipe.depth is not None:
        came = f"{run.folder} looks at depth, of which nothing is drawn"
        raise DataError(came, "a run on colour alone", "look at real defects with `untaught evaluate`")
    spec = run_settings(run).data if good is None else good
    detector = Detector(run)
    samples, products, images = held_out(detector, spec, draws)
    draws = max(draws, len(set(products)))
    by_product = {product: looked_at(run.card.recipe.of(product)) for product in products}
    areas = [by_product[product] for product in products]
    side = min(run.card.recipe.height, run.card.recipe.width)
    sizes = [size for size in sizes if round(size * side) >= LEAST_SIDE]  # smaller ones are drawn no smaller
    task, attempts, found = "inspect drawn defects", len(sizes) * draws, list[Drawing]()
    for number, size, pair in draw(images, settings, sizes, draws, run.card.seed, areas):
        product = products[number]
        prediction = detector.inspect(pair.defect, product)
        marked = bool((prediction.map[pair.mask] > detector.calibration_of(product).pixel.value).any())
        change = np.abs(pair.defect[pair.mask].astype(np.int16) - pair.image[pair.mask]).max(axis=1).mean()
        found.append(
            Drawing(
                samples[number].name, product, pair.kind, size, float(pair.mask.mean()), round(float(change), 1),
                prediction.score, prediction.reject, marked,
            )
        )  # fmt: skip
        report(Progress(task, len(found), attempts))
    if not found:
        raise DataError(f"none of {attempts} attempts gave a visible defect", "defects that show", "allow larger ones")
    report(Progress(task, attempts, attempts))
    left_out = sorted(name or NAMELESS for name in run.card.calibrated() - {*products})
    table = {
        "data": in_words(spec),
        "images": len(images),
        "side": side,
        "left_out": left_out,
        "rows": list(map(asdict, found)),
    }
    write_text(run.folder / "drawn.json", json.dumps(table))
    return found


class Pictures:
    """Pixels (h, w, 3) of so many images, decoded by `read` when they are asked for; some are kept for the next time.

    Args:
        read: gives those of an image by its number.
        count: how many there are.
        kept: how many are kept.
    """

    def __init__(self, read: Callable[[int], NDArray[np.uint8]], count: int, kept: int) -> None:
        self.read, self.count = lru_cache(kept)(read), count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int, /) -> NDArray[np.uint8]:
        if not 0 <= number < self.count:
            raise IndexError(number)
        return self.read(number)


def held_out(detector: Detector, spec: AnyData, most: int) -> tuple[list[Sample], list[str], Pictures]:
    """Good images that set the thresholds, whose thresholds judge them, and pixels (h, w, 3).

    At most so many, in turns of all products, but one of each at least.

    Raises:
        DataError: none is there.
    """
    run = detector.run
    wanted = {item.sha256: item.name for item in run.card.data.calibration}
    try:
        dataset = open_dataset(spec)
    except DataError as error:
        raise _not_there(run, error.came) from error
    good = {sample.name: sample for sample in dataset.samples if not sample.defective}
    groups: dict[str, list[tuple[Sample, str]]] = {}
    for sample in (good[name] for name in shuffled(sorted(good), run.card.seed)):
        if (name := wanted.get(dataset.fingerprint(sample, run.card.recipe))) is not None:
            product = run.card.product_of(name)
            groups.setdefault(product, []).append((sample, product))
    turns = zip_longest(*(groups[product] for product in sorted(groups)))
    found = [item for turn in turns for item in turn if item is not None][: max(most, len(groups))]
    if not found:
        raise _not_there(run, f"{in_words(spec)} holds none of the {len(wanted)} good images that set its threshold")
    samples, products = [sample for sample, _ in found], [product for _, product in found]

    def read(number: int) -> NDArray[np.uint8]:
        return dataset.image(samples[number], run.card.recipe.of(products[number]))

    each = 3 * run.card.recipe.height * run.card.recipe.width
    return samples, products, Pictures(read, len(samples), max(2, KEPT // each))


def _not_there(run: Run, came: str) -> DataError:
    return DataError(
        f"{run.folder}: {came}", "these images, unchanged", "name the folder they are in with --good, or the folders"
    )


def looked_at(recipe: Recipe) -> NDArray[np.bool_] | None:
    """(h, w), True where one product's images are looked at; None: everywhere."""
    return None if recipe.area is None else recipe.area.inside


def draw(
    images: Images,
    settings: AnomalySettings,
    sizes: Sequence[float],
    draws: int,
    seed: int,
    areas: Sequence[NDArray[np.bool_] | None],
) -> Iterator[tuple[int, float, Pair]]:
    """Number of the image, size and pair; images take turns, and draws that show nothing are left out.

    `areas` are where each image is looked at, and drawn on: nothing larger than such a region.
    """
    room = [1.0 if area is None else _extent(area) / min(area.shape) for area in areas]
    for rank, size in enumerate(sizes):
        drawer = Drawer(settings.model_copy(update={"size": (size, size), "clean": 0.0}))
        for turn in range(draws):
            number = (rank * draws + turn) % len(images)
            if size > room[number]:
                continue
            rng = np.random.default_rng(derive(seed, "drawn", f"{size:g}", turn))
            pair = drawer(images[number], rng, images, areas[number])
            if pair.kind != GOOD:
                yield number, size, pair


def _extent(area: NDArray[np.bool_]) -> int:
    """The longest side of the box around a region, in pixels."""
    return max(int(np.ptp(np.flatnonzero(area.any(axis)))) + 1 for axis in (0, 1))
