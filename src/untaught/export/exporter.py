"""`untaught export`: graph, proof, card and golden pictures of a run, in that order, and only then a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from untaught.bundle.archive import SIGNATURE, SUMS, sums, write_parts
from untaught.bundle.bundle import CARD, Bundle
from untaught.bundle.card import BundleCard, GoldenRecord, RegionRecord
from untaught.bundle.graph import check_graph
from untaught.bundle.signature import public_hex, read_private_key
from untaught.calibration import promise
from untaught.engine.predict import Detector
from untaught.engine.provenance import versions
from untaught.export.golden import choose, golden_parts
from untaught.export.graph import graph_record, to_onnx
from untaught.export.held_out import find_held_out
from untaught.export.parity import TOLERANCE, Comparison, Tally, raised
from untaught.files import replacing
from untaught.image import Recipe
from untaught.inspector import Inputs, score_image
from untaught.progress import Progress, Report, silent
from untaught.records import ScoreMap
from untaught.regions import WORK_PIXELS
from untaught.run import Run
from untaught.runtime.session import Session, installed, open_session

EXPORTERS = ("untaught", "torch", "onnx", "onnxscript", "onnxruntime", "openvino", "numpy", "pillow")


def export_run(
    run: Run | str | Path,
    out: str | Path,
    *,
    data: Sequence[str] | None = None,
    sign: str | Path | None = None,
    report: Report = silent,
) -> Bundle:
    """Write a run as one file that needs no torch, after proving on all held-out images that it answers as the run.

    Args:
        run: a finished run; it is not changed.
        out: the file; replaced as a whole.
        data: where the held-out images are now, if no longer where the run was trained.
        sign: PEM file of a private ed25519 key.
        report: told of the progress.

    Returns:
        The file, opened and verified.

    Raises:
        BundleError: a runtime differs from torch, with the figures. Nothing is written.
        DataError: the held-out images are no longer there.
        RunError: the run is damaged, or its method cannot be exported.
        ConfigError: the key cannot be used.
    """
    opened = run if isinstance(run, Run) else Run(run)
    key = None if sign is None else read_private_key(Path(sign))
    parts = Export(opened, data, report).parts(None if key is None else public_hex(key))
    parts[SUMS] = sums(parts)
    if key is not None:
        parts[SIGNATURE] = key.sign(parts[SUMS])
    with replacing(Path(out)) as file:
        write_parts(file, parts)
    return Bundle(out)


@dataclass
class Export:
    """One export; `parts` is its order of events."""

    run: Run
    data: Sequence[str] | None
    report: Report

    def __post_init__(self) -> None:
        self.recipe: Recipe = self.run.card.recipe
        self.held_out = find_held_out(self.run, self.data)
        self.detector = Detector(self.run)

    def parts(self, public_key: str | None) -> dict[str, bytes]:
        """The files of the bundle, proven."""
        self.report(Progress("export graph", 0, 1))
        model = to_onnx(self.detector.method, self.recipe.input_size)
        check_graph(model, "the exported graph")
        sessions = [open_session(model, backend) for backend in installed()]
        found = self._compare(sessions)
        calibration = raised(self.run.card.calibration, found.rounding)
        products = {name: raised(known, found.rounding) for name, known in self.run.card.products.items()}
        found.check(self.run.card.calibration, calibration)
        golden = list(self._golden(found.scores[: len(self.held_out.calibration)]))
        method, card = self.detector.method, self.run.card
        told = BundleCard(
            **{**dict(card), "calibration": calibration, "products": products},
            exported=datetime.now(UTC).isoformat(timespec="seconds"),
            exporters=versions(EXPORTERS),
            graph=graph_record(method, card.reduction, self.recipe.input_size, "fp32"),
            preparation=preparation(self.recipe),
            guarantee={"image": promise(calibration.image), "pixel": promise(calibration.pixel)},
            rounding=found.rounding,
            regions=RegionRecord(rule=REGIONS, work_pixels=WORK_PIXELS),
            tolerance=TOLERANCE,
            golden=[record for record, _ in golden],
            held_out=len(found.scores),
            parity=found.records(),
            public_key=public_key,
        )
        files = {name: data for _, parts in golden for name, data in parts.items()}
        return {CARD: told.model_dump_json(indent=1).encode(), told.graph.file: model, **files}

    def _compare(self, sessions: list[Session]) -> Comparison:
        found = Comparison({session.backend: Tally(session.version) for session in sessions})
        for number, sample in enumerate(self.held_out.samples):
            inputs = self._inputs(number)
            found.add(
                score_image(self.detector.score, inputs, self.recipe),
                {session.backend: score_image(session, inputs, self.recipe) for session in sessions},
            )
            self.report(Progress(f"compare {sample.name}", number + 1, len(self.held_out.samples)))
        return found

    def _golden(self, scores: list[float]) -> Iterator[tuple[GoldenRecord, dict[str, bytes]]]:
        limit = self.run.card.calibration.image.value
        for place, number in enumerate(choose(scores)):
            inputs = self._inputs(number)
            says: ScoreMap = score_image(self.detector.score, inputs, self.recipe)
            yield golden_parts(place, self.held_out.samples[number].name, inputs, says, says.score > limit)

    def _inputs(self, number: int) -> Inputs:
        return self.detector.decode(self.held_out.source(self.held_out.samples[number], self.recipe)).inputs


def preparation(recipe: Recipe) -> list[str]:
    """From a file to the graph's input, step by step, in words."""
    height, width = recipe.input_size
    steps = [
        "decode PNG, JPEG, BMP or TIFF; turn it upright as EXIF says",
        f"16-bit values become value * 256 // {recipe.white + 1}, at most 255",
        "lay transparency on black; grey, palette and CMYK become RGB; colour profiles are ignored",
        f"resize to {recipe.width} x {recipe.height} (width x height), whatever the aspect ratio: {RESIZE}",
    ]
    if recipe.depth is not None:
        steps.append(
            f"depth beside it: metres (integers times {recipe.depth.unit:g}), the part is what lies more than "
            f"{recipe.depth.relief:g} m off the plate; `untaught.image.depth.prepare` says each step"
        )
    if recipe.area is not None:
        steps.append(f"paint all pixels outside recipe.area in the RGB colour {list(recipe.area.fill)}")
    if recipe.tiling is not None:
        steps.append(
            f"cut into {recipe.tiles} tiles of {width} x {height}, at least {recipe.tiling.overlap} px overlapping, "
            "and feed them as a batch; docs/guide/bundle.md says where they lie and how their maps are joined"
        )
    return [*steps, "feed the bytes as they are: the graph scales and normalises them itself"]


RESIZE = "bilinear with antialiasing, as Pillow's BILINEAR (a triangle two target pixels wide), rounded to whole values"
REGIONS = (
    "stretch the map bilinearly to the image's size; pixels greater than calibration.pixel.value that touch by a side "
    "or a corner are one region; its score is its highest map value"
)
