"""What an exported file costs on the shop floor: every method's preset `lite` beside anomalib, in one run, as one page.

    python -m venv peer && peer/bin/pip install anomalib==2.7.0 openvino onnx onnxscript
    python benchmarks/shop_floor.py --python peer/bin/python --bundle fp32.untaught int8.untaught \
        --images bottle/test --page docs/latency.md

Milliseconds of the wall clock (median), every core for whoever's turn it is: let the machine do nothing else. Whoever
is compared works in turns, so that a slower minute falls on all alike. Images are PNG files of 900 x 900 px: those of a
folder at this size, or drawn ones. Precision is set where a runtime would choose it: OpenVINO rounds to bfloat16 by
itself on processors that have it, here it computes in float32 (`f32`) for both sides.

- `--bundle`: exported files of trained runs of reverse distillation; start-up and memory are measured with the first.
- The other graphs have students of random weights (teachers too, where there are none to be had): they tell of time
  alone, and int8 of random weights tells nothing of quality. Whether a run may be written in int8 its export decides.
- `--python`: an interpreter with anomalib 2.7.0, which this file runs itself under. Its models are exported by anomalib
  and answered by its `OpenVINOInferencer`, as its documentation has it. Their weights are random too, nothing can be
  downloaded; PatchCore's memory is 1 % of the patches of 200 images (anomalib's default is 10 %, ten times as many).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SIDE = 900
FOLDER = 16  # images of the folder
BACKENDS = ("onnxruntime", "openvino")
PEERS = ("stfpm", "efficient_ad", "patchcore")
NAMES = {"stfpm": "STFPM (ResNet-18)", "efficient_ad": "EfficientAD-S", "patchcore": "PatchCore (WRN-50, 1 %)"}
SLOW = 300.0  # milliseconds from which fewer rounds do
START = """
import time; begun = time.perf_counter(), time.process_time()
import untaught
untaught.load({bundle!r}, {backend!r}).inspect({image!r})
highest = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(time.perf_counter() - begun[0], time.process_time() - begun[1], int(highest.split()[1]) / 1024)
"""

OURS = ("graph", "px", "precision", "runtime", "alone", "of 8, each", "PNG to verdict", "folder, images a second")
THEIRS = (
    "anomalib", "alone", "PNG to verdict", "images a second", "beside ours in", "alone", "PNG to verdict", "folder",
)  # fmt: skip
STARTED = ("runtime", "CPU s", "wall s", "MB")
BEGIN = """Written by `benchmarks/shop_floor.py`: {machine}, {cores} cores, {runtimes}. Milliseconds of the wall clock,
median; the machine did nothing else, and only figures of one run may be compared. OpenVINO computes in float32 for both
sides; left to itself it would take bfloat16."""
EVERY = f"""## Every method, preset `lite`

Graphs alone one by one and in batches of 8, and from PNG files of {SIDE} x {SIDE} px to the verdict, one by one and in
a list of {FOLDER}, of which as many are scored at a time as there are cores. Students have random weights but where a
trained run is named: such rows tell of time alone, of parts without a defect."""
BESIDE = """## Beside anomalib

anomalib {version}'s `OpenVINOInferencer` under its own interpreter, 256 px, float32, its own export with random weights
(no download was possible), in turns with the files at the top of the table. The last three columns are ratios, medians
of turns: its time by ours for the graph alone and from PNG to verdict, our rate by its rate over a folder of {folder}
files, which its inferencer takes one after the other."""
BEGUN = """## Start and memory

Import, loading with self-test and the first verdict in a new process, and the most memory it held."""

Work = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, help="interpreter that has anomalib; none: without it")
    parser.add_argument("--bundle", nargs="*", default=[], help="exported files of trained runs")
    parser.add_argument("--images", type=Path, help="folder of what the runs were trained for; none: drawn pictures")
    parser.add_argument("--methods", nargs="*", help="methods, or method:preset; default: lite of all, and stfpm:paper")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--install", help="what a fresh environment with the core alone takes, in words, such as `233 MB`"
    )
    parser.add_argument("--page", type=Path, help="write the page there")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        serve(Path(args.peer))
        return
    with tempfile.TemporaryDirectory() as folder:
        text = compare(args, Path(folder))
    print(text)
    if args.page:
        args.page.write_text(text, "utf-8")


# Both interpreters


def wall(work: Work) -> float:
    """Milliseconds of the wall clock."""
    begun = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begun)


def rounds_for(first: float, rounds: int) -> int:
    """Fewer where one takes long."""
    return rounds if first < SLOW else max(3, rounds // 5)


# The interpreter with anomalib


def serve(folder: Path) -> None:
    """Export anomalib's models, then do what is asked, line by line: `model graph|file path` -> milliseconds."""
    os.chdir(folder)
    import anomalib
    import numpy as np
    from anomalib.deploy import OpenVINOInferencer

    config = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    inferencers: dict[str, Any] = {}
    print(json.dumps({"anomalib": anomalib.__version__}), flush=True)
    for line in sys.stdin:
        name, what, path = line.strip().split(" ", 2)
        if name not in inferencers:
            inferencers[name] = OpenVINOInferencer(exported(name, folder), "CPU", config)
        inferencer = inferencers[name]
        shape = inferencer.input_blob.partial_shape
        sides = [256 if shape[place].is_dynamic else shape[place].get_length() for place in (2, 3)]
        image = np.zeros((1, 3, *sides), np.float32)
        if what == "graph":
            print(wall(lambda inferencer=inferencer, image=image: inferencer.model({0: image})), flush=True)
        else:
            print(wall(lambda inferencer=inferencer, path=path: inferencer.predict(path)), flush=True)


def exported(name: str, folder: Path) -> Path:
    """A model of anomalib with random weights, exported by itself for images of any size.

    Where its export cannot do that (PatchCore's takes no batch of one then), for those that are measured.
    """
    import contextlib

    import timm
    import torch
    from anomalib.models import EfficientAd, Patchcore, Stfpm

    make = timm.create_model
    timm.create_model = lambda *args, **kwargs: make(*args, **{**kwargs, "pretrained": False})
    options: dict[str, Any] = {}
    if name == "stfpm":
        model = Stfpm()
    elif name == "efficient_ad":
        model = EfficientAd()
    else:
        model = Patchcore(pre_trained=False)
        model.model.memory_bank = torch.rand(200 * 32 * 32 // 100, 1536)
        options = {"input_size": (SIDE, SIDE), "onnx_kwargs": {"dynamic_axes": None, "dynamic_shapes": None}}
    timm.create_model = make
    with contextlib.redirect_stdout(sys.stderr):
        return Path(model.eval().to_openvino(folder / name, **options))


class Peer:
    """anomalib under its own interpreter, asked line by line."""

    def __init__(self, python: Path, folder: Path) -> None:
        # threads of our own process are none of its business, nor ours of its
        command = [str(python.absolute()), str(Path(__file__).resolve()), "--peer", str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.version = self.line(lambda text: json.loads(text)["anomalib"])

    def line(self, read: Callable[[str], Any]) -> Any:
        """The next line that can be read; libraries print, too."""
        assert self.process.stdout is not None
        for text in self.process.stdout:
            try:
                return read(text)
            except (ValueError, KeyError, TypeError):
                continue
        raise SystemExit("the interpreter with anomalib ended early")

    def ask(self, name: str, what: str, path: Path) -> float:
        """Milliseconds of one answer."""
        assert self.process.stdin is not None
        print(name, what, path, file=self.process.stdin, flush=True)
        return float(self.line(float))

    def end(self) -> None:
        """Let it go."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


# Our interpreter


def compare(args: argparse.Namespace, folder: Path) -> str:
    """The page; it is written anew whenever a row is there, what matters most first."""
    from untaught.registry import method_names

    images = pictures(folder / "images", args.images)
    rows: list[str] = []
    ratios: list[str] = []
    starts: list[str] = []
    version = ""

    def told(found: list[str], line: str) -> None:
        found.append(line)
        print(line, file=sys.stderr, flush=True)
        if args.page:
            args.page.write_text(page(rows, ratios, starts, args.install, version), "utf-8")

    def measure(graph: Mapping[str, Any]) -> None:
        for backend in BACKENDS:
            told(rows, row(graph, backend, measured(graph, backend, images, args.rounds)))

    files = [of_bundle(path) for path in args.bundle]
    for graph in files:
        measure(graph)
    for backend in BACKENDS if files else ():
        told(starts, start(files[0]["bundle"], backend, images[0]))
    if args.python and files:
        (folder / "peer").mkdir()
        peer = Peer(args.python, folder / "peer")
        version = peer.version
        for name in PEERS:
            for line in beside(files, peer, name, images, args.rounds):
                told(ratios, line)
        peer.end()
    for name in args.methods or ["stfpm:paper", *method_names()]:
        for graph in of_method(*name.split(":")):
            measure(graph)
    return page(rows, ratios, starts, args.install, version)


def pictures(folder: Path, given: Path | None) -> list[Path]:
    """A folder of PNG files: of given images, evenly chosen, or of one drawn part each."""
    from PIL import Image

    from untaught.data.listing import images
    from untaught.data.toy import draw

    folder.mkdir()
    found = [] if given is None else images(given)
    paths = []
    for number in range(FOLDER):
        if found:
            image = Image.open(found[number * len(found) // FOLDER]).convert("RGB")
        else:
            image = Image.fromarray(draw([0, 0, number], 256)[0])
        paths.append(folder / f"{number:02}.png")
        image.resize((SIDE, SIDE)).save(paths[-1])
    return paths


def of_bundle(path: str) -> dict[str, Any]:
    """What is measured of an exported file."""
    from untaught.bundle.bundle import Bundle

    bundle = Bundle(path)
    card = bundle.card
    name = f"`{card.method}`, trained on {card.data.name}"
    return {
        "name": name, "precision": card.graph.precision, "model": bundle.model, "recipe": card.recipe,
        "calibration": card.calibration, "bundle": path,
    }  # fmt: skip


def of_method(name: str, preset: str = "lite") -> list[dict[str, Any]]:
    """The graphs of a method with random students, in float32 and, where there is one, in 8 bits."""
    import numpy as np
    import torch

    from untaught.calibration import Calibration
    from untaught.export.graph import to_onnx
    from untaught.export.shrink import to_int8
    from untaught.image import Recipe
    from untaught.registry import method_class

    torch.manual_seed(0)
    kind = method_class(name)
    method = kind(kind.configure(preset), untrained=True).eval()
    side = method.config.image_size
    model = to_onnx(method, (side, side))
    rng = np.random.default_rng(0)
    examples = [{"image": rng.integers(0, 256, (1, side, side, 3), np.uint8)} for _ in range(2)]
    known = Calibration.from_scores([1e9] * 9, [1e9] * 9, 0.2)  # all that is inspected is good
    told = {
        "name": f"`{name}`" if preset == "lite" else f"`{name}`, preset `{preset}`",
        "recipe": Recipe(height=side),
        "calibration": known,
        "bundle": None,
    }
    small = to_int8(model, examples)
    return [{**told, "precision": "fp32", "model": model}, {**told, "precision": "int8", "model": small}]


def inspector_of(graph: Mapping[str, Any], backend: str) -> Any:
    """An inspector by a graph, as `untaught.load` makes it of a file."""
    from untaught.runtime.predictor import GraphInspector

    return GraphInspector(graph["recipe"], graph["calibration"], graph["model"], backend)


def fed(graph: Mapping[str, Any], count: int) -> dict[str, Any]:
    """A batch of zeros."""
    import numpy as np

    return {"image": np.zeros((count, *graph["recipe"].input_size, 3), np.uint8)}


def measured(graph: Mapping[str, Any], backend: str, images: Sequence[Path], rounds: int) -> dict[str, float]:
    """Milliseconds an image: graph alone, in a batch of 8, from PNG to verdict and over a folder."""
    inspector = inspector_of(graph, backend)
    one, eight = fed(graph, 1), fed(graph, 8)
    inspector.score(one)
    often = rounds_for(wall(lambda: inspector.score(one)), rounds)
    inspector.inspect(images[0])
    alone, batch, whole = [], [], []
    for number in range(often):
        alone.append(wall(lambda: inspector.score(one)))
        whole.append(wall(lambda: inspector.inspect(images[0])))
        if number % 5 == 0:
            batch.append(wall(lambda: inspector.score(eight)) / 8)
    few = images if often == rounds else images[:4]
    rates = [rate(inspector, few) for _ in range(3)]
    found = {"alone": alone, "batch": batch, "whole": whole, "rate": rates}
    return {key: statistics.median(values) for key, values in found.items()}


def rate(inspector: Any, images: Sequence[Path]) -> float:
    """Images a second over a folder."""
    return 1000 * len(images) / wall(lambda: inspector.inspect(list(images)))


def row(graph: Mapping[str, Any], backend: str, figures: Mapping[str, float]) -> str:
    """Of the table."""
    side = graph["recipe"].input_size[0]
    shown = " | ".join(f"{figures[key]:.1f}" for key in ("alone", "batch", "whole", "rate"))
    return f"| {graph['name']} | {side} | {graph['precision']} | {backend} | {shown} |"


def beside(
    files: Sequence[Mapping[str, Any]], peer: Peer, name: str, images: Sequence[Path], rounds: int
) -> Iterator[str]:
    """Rows of one of anomalib's models in turns with our files; its own first."""
    ours = {(file["precision"], backend): inspector_of(file, backend) for file in files for backend in BACKENDS}
    batch = fed(files[0], 1)
    for inspector in ours.values():
        rate(inspector, images)
    for what in ("file", "graph"):  # warm
        first = peer.ask(name, what, images[0])
    theirs: dict[str, list[float]] = {"graph": [], "file": []}
    ratios: dict[tuple[str, str], dict[str, list[float]]] = {key: defaultdict(list) for key in ours}
    for number in range(rounds_for(first, rounds)):
        image = images[number % len(images)]
        graph, file = peer.ask(name, "graph", image), peer.ask(name, "file", image)
        theirs["graph"].append(graph)
        theirs["file"].append(file)
        for key, inspector in ours.items():
            ratios[key]["alone"].append(graph / wall(lambda inspector=inspector: inspector.score(batch)))
            ratios[key]["file"].append(file / wall(lambda inspector=inspector, image=image: inspector.inspect(image)))
            if number % 3 == 0:
                ratios[key]["rate"].append(rate(inspector, images) * file / 1000)
    model, file = (statistics.median(theirs[key]) for key in ("graph", "file"))
    for (precision, backend), found in ratios.items():
        shown = " | ".join(f"{statistics.median(found[key]):.2f}" for key in ("alone", "file", "rate"))
        yield f"| {NAMES[name]} | {model:.1f} | {file:.1f} | {1000 / file:.1f} | {precision}, {backend} | {shown} |"


def start(bundle: str, backend: str, image: Path) -> str:
    """Import, loading with self-test, first verdict; and the memory of that process."""
    code = START.format(bundle=bundle, backend=backend, image=str(image))
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    wall, used, memory = map(float, said)
    return f"| {backend} | {used:.2f} | {wall:.2f} | {memory:.0f} |"


def table(heads: Sequence[str]) -> str:
    """Head and rule of a table."""
    return f"| {' | '.join(heads)} |\n| {' | '.join('---' for _ in heads)} |"


def page(rows: list[str], ratios: list[str], starts: list[str], install: str | None, peer: str) -> str:
    """All tables, with what they mean."""
    from untaught.engine.provenance import machine, versions

    told = versions(("onnxruntime", "openvino", "torch"))
    runtimes = ", ".join(f"{name} {number}" for name, number in told.items())
    own = machine()
    parts = ["# Latency", BEGIN.format(machine=own["device"], cores=own["cores"], runtimes=runtimes), EVERY]
    parts.append("\n".join([table(OURS), *rows]))
    if ratios:
        parts += [BESIDE.format(version=peer, folder=FOLDER), "\n".join([table(THEIRS), *ratios])]
    if starts:
        parts += [BEGUN, "\n".join([table(STARTED), *starts])]
    if install:
        parts.append(f"A fresh environment with the core alone (`pip install untaught`) takes {install}.")
    notes = Path(__file__).with_name("latency_notes.md")
    return "\n\n".join([*parts, notes.read_text("utf-8").strip()]) + "\n"


if __name__ == "__main__":
    main()
