"""`untaught export`: graph, proof, card and golden pictures of a run, in that order, and only then a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from untaught.bundle.archive import SIGNATURE, SUMS, sums, write_parts
from untaught.bundle.bundle import CARD, Bundle
from untaught.bundle.card import BundleCard, DropRecord, GoldenRecord, Precision, RegionRecord
from untaught.bundle.graph import check_graph
from untaught.bundle.signature import public_hex, read_private_key
from untaught.calibration import Calibration, promise
from untaught.data.folder import AnyData
from untaught.engine.calibrate import calibrate_products, calibrate_scores
from untaught.engine.predict import AnyRun, Detector
from untaught.engine.provenance import versions
from untaught.errors import RunError
from untaught.export.gate import MOST, Cost, Shown, bearable, drawn
from untaught.export.golden import choose, golden_parts
from untaught.export.graph import graph_record, to_onnx
from untaught.export.held_out import find_held_out
from untaught.export.parity import TOLERANCES, Comparison, Tally, raised
from untaught.export.preparation import REGIONS, preparation
from untaught.export.shrink import FIRST, to_fp16, to_int8
from untaught.files import replacing
from untaught.image import Recipe, read_inputs
from untaught.image.tiles import cut
from untaught.inspector import Inputs, Scorer, score_image
from untaught.progress import Progress, Report, silent
from untaught.regions import WORK_PIXELS
from untaught.run import Run, opened
from untaught.runtime.session import Session, installed, open_session

EXPORTERS = ("untaught", "torch", "onnx", "onnxscript", "onnxruntime", "openvino", "numpy", "pillow")


def export_run(
    run: AnyRun,
    out: str | Path | None = None,
    *,
    data: AnyData | None = None,
    precision: Precision = "fp32",
    sign: str | Path | None = None,
    report: Report = silent,
) -> Bundle:
    """Write a run as one file that needs no torch, after proving on all held-out images that it answers as the run.

    Args:
        run: a finished run; it is not changed.
        out: the file; replaced as a whole. Default: beside the run folder, its name with .untaught.
        data: where the held-out images are now, if no longer where the run was trained.
        precision: `fp16` keeps weights in 16 bits and halves the file; `int8` computes the networks in 8 bits. Either
            is written only if drawn defects are still told from good images and maps stay what they were.
        sign: PEM file of a private ed25519 key.
        report: told of the progress.

    Returns:
        The file, opened and verified.

    Raises:
        BundleError: a runtime differs from torch, with the figures. Nothing is written.
        DataError: the held-out images are no longer there.
        RunError: the run is damaged, its method cannot be exported, `out` cannot be written, or a product has no
            held-out image by which its threshold could be set in a smaller precision.
        ConfigError: the key cannot be used.
    """
    run = opened(run)
    out = run.folder.parent / f"{run.folder.resolve().name}.untaught" if out is None else Path(out)
    key = None if sign is None else read_private_key(Path(sign))
    with replacing(out) as file:  # opened first: that it cannot be written is known before anything is computed
        parts = Export(run, data, precision, report).parts(None if key is None else public_hex(key))
        parts[SUMS] = sums(parts)
        if key is not None:
            parts[SIGNATURE] = key.sign(parts[SUMS])
        write_parts(file, parts)
    return Bundle(out)


class Known(NamedTuple):
    """What is known of good parts: of all together, and of each product where there are several."""

    all: Calibration
    products: Mapping[str, Calibration]


@dataclass
class Export:
    """One export; `parts` is its order of events."""

    run: Run
    data: AnyData | None
    precision: Precision
    report: Report

    def __post_init__(self) -> None:
        self.recipe: Recipe = self.run.card.recipe
        self.held_out = find_held_out(self.run, self.data)
        told = self.held_out.products[: len(self.held_out.calibration)]
        if self.precision != "fp32" and (lost := sorted({*self.run.card.products} - {*told})):
            raise RunError(
                f"{self.run.folder} holds out no image of {', '.join(lost)} to set a threshold in {self.precision}",
                "good images of each product",
                f"`untaught calibrate {self.run.folder} --good DIR --product {lost[0]}`, or export in fp32",
            )
        self.detector = Detector(self.run)

    def parts(self, public_key: str | None) -> dict[str, bytes]:
        """The files of the bundle, proven."""
        self.report(Progress("export graph", 0, 1))
        model, drop = self._shrunk(to_onnx(self.detector.method, self.recipe.input_size))
        check_graph(model, "the exported graph")
        sessions = [open_session(model, backend) for backend in installed()]
        truth: Scorer = self.detector.score if drop is None else sessions[0]
        found = self._compare(truth, "torch" if drop is None else sessions[0].backend, sessions)
        known = Known(self.run.card.calibration, self.run.card.products) if drop is None else self._calibrated(found)
        rounding = found.least if self.precision == "int8" else found.rounding
        after = Known(raised(known.all, rounding), {name: raised(of, rounding) for name, of in known.products.items()})
        tolerance = TOLERANCES[self.precision]
        found.check(tolerance)
        if self.precision != "int8":  # there the calibration is drawn from the runtime that gives more
            found.check_verdicts(after.all)
            for product, of in after.products.items():
                found.check_verdicts(of, [its == product for its in self.held_out.products])
        golden = list(self._golden(truth, found.scores[: len(self.held_out.calibration)], after.all.image.value))
        card = self.run.card
        told = BundleCard(
            **{**dict(card), "calibration": after.all, "products": after.products},
            exported=datetime.now(UTC).isoformat(timespec="seconds"),
            exporters=versions(EXPORTERS),
            graph=graph_record(self.detector.method, card.reduction, self.recipe.input_size, self.precision),
            preparation=preparation(self.recipe),
            guarantee={"image": promise(after.all.image), "pixel": promise(after.all.pixel)},
            rounding=rounding,
            regions=RegionRecord(rule=REGIONS, work_pixels=WORK_PIXELS),
            tolerance=tolerance,
            golden=[record for record, _ in golden],
            held_out=len(found.scores),
            parity=found.records(),
            drop=drop,
            public_key=public_key,
        )
        files = {name: data for _, parts in golden for name, data in parts.items()}
        return {CARD: told.model_dump_json(indent=1).encode(), told.graph.file: model, **files}

    def _shrunk(self, model: bytes) -> tuple[bytes, DropRecord | None]:
        """The graph in the wanted precision, and what that costs."""
        if self.precision == "fp32":
            return model, None
        good = [(self._recipe(number), self._inputs(number)) for number in range(len(self.held_out.samples))[:MOST]]
        bad = list(drawn(good, self.run.card.seed))
        self.report(Progress(f"export in {self.precision}", 0, 1))
        forms = [partial(to_fp16, model)]
        if self.precision == "int8":
            examples = list(self._batches([inputs for _, inputs in (*good, *bad)]))
            forms = [partial(to_int8, model, examples, first) for first in FIRST]
        for form in forms:
            small = form()
            cost = self._cost(small, good, bad)
            if bearable(cost.record()):
                break
        return small, cost.check(self.precision)

    def _cost(self, small: bytes, good: Sequence[Shown], bad: Sequence[Shown]) -> Cost:
        """What a smaller graph answers beside torch."""
        session, cost = open_session(small, "onnxruntime"), Cost()
        for pictures, defective in ((good, False), (bad, True)):
            answers = (
                (score_image(self.detector.score, one, recipe), score_image(session, one, recipe))
                for recipe, one in pictures
            )
            cost.add(answers, defective=defective)
        return cost

    def _batches(self, pictures: Sequence[Inputs]) -> Iterator[Inputs]:
        """Pictures as the graph is fed with them; of a picture in tiles, one after the other its first, second, ..."""
        for number, inputs in enumerate(pictures):
            if self.recipe.tiling is None:
                yield {name: picture[None] for name, picture in inputs.items()}
            else:
                tiles = {name: cut(picture, self.recipe.tiling) for name, picture in inputs.items()}
                place = number % self.recipe.tiles
                yield {name: tile[place : place + 1] for name, tile in tiles.items()}

    def _calibrated(self, found: Comparison) -> Known:
        """The calibration of a graph that is not quite the run's."""
        card, count = self.run.card, len(self.held_out.calibration)
        promised = (card.calibration.wanted, card.calibration.kind)
        pairs, names = found.highest[:count], self.held_out.products[:count]
        return Known(calibrate_scores(pairs, *promised), calibrate_products(pairs, names, *promised))

    def _compare(self, truth: Scorer, name: str, sessions: list[Session]) -> Comparison:
        tallies = {session.backend: Tally(session.version) for session in sessions if session is not truth}
        found = Comparison(name, tallies)
        for number, sample in enumerate(self.held_out.samples):
            inputs, recipe = self._inputs(number), self._recipe(number)
            came = {
                session.backend: score_image(session, inputs, recipe) for session in sessions if session is not truth
            }
            found.add(score_image(truth, inputs, recipe), came)
            self.report(Progress(f"compare {sample.name}", number + 1, len(self.held_out.samples)))
        return found

    def _golden(
        self, truth: Scorer, scores: list[float], limit: float
    ) -> Iterator[tuple[GoldenRecord, dict[str, bytes]]]:
        for place, number in enumerate(choose(scores)):
            inputs, sample = self._inputs(number), self.held_out.samples[number]
            says = score_image(truth, inputs, self._recipe(number))
            yield golden_parts(place, sample.name, self.held_out.products[number], inputs, says, says.score > limit)

    def _inputs(self, number: int) -> Inputs:
        """What the graph is fed with of one of the held-out images."""
        recipe = self._recipe(number)
        read = read_inputs(self.held_out.source(self.held_out.samples[number], recipe), recipe)[0]
        return {name: read[name] for name in self.detector.method.inputs}

    def _recipe(self, number: int) -> Recipe:
        return self.recipe.of(self.held_out.products[number])
