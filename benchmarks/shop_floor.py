"""What an exported file costs on the shop floor: one image from PNG to verdict, and images a second over a folder.

    python benchmarks/shop_floor.py A.untaught [B.untaught ...] --images FOLDER [--peer stfpm.onnx] [--rounds 30]

`--peer` is another ONNX graph (float32 or int8), measured by the same runtimes in turns with the files; rows are CPU
milliseconds of one thread, since the wall clock also shows what else the machine does. A graph fed with zeros is timed
alone ("graph"); "PNG to verdict" has decoding, resizing and regions in it.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

START = """
import time; begun = time.perf_counter(), time.process_time()
import untaught
untaught.load({bundle!r}, {backend!r}).inspect({image!r})
highest = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(time.perf_counter() - begun[0], time.process_time() - begun[1], int(highest.split()[1]) / 1024)
"""


def cost(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median CPU and least wall milliseconds."""
    work()
    cpu, wall = [], []
    for _ in range(rounds):
        begun = time.process_time(), time.perf_counter()
        work()
        cpu.append(1000 * (time.process_time() - begun[0]))
        wall.append(1000 * (time.perf_counter() - begun[1]))
    return statistics.median(cpu), min(wall)


def measure_bundle(path: str, backend: str, images: list[Path], rounds: int) -> str:
    """A row of the table."""
    import numpy as np

    import untaught

    predictor = untaught.load(path, backend, threads=1)
    graph = predictor.bundle.card.graph
    shape = [1, *graph.inputs[0].shape[1:]]
    one = {"image": np.zeros(shape, np.uint8)}
    eight = {"image": np.zeros([8, *shape[1:]], np.uint8)}
    alone = cost(lambda: predictor.session(one), rounds)
    batch = cost(lambda: predictor.session(eight), max(3, rounds // 5))[0] / 8
    whole = cost(lambda: predictor.inspect(images[0]), rounds)
    begun = time.perf_counter()
    list(predictor.stream(images))
    rate = len(images) / (time.perf_counter() - begun)
    code = START.format(bundle=path, backend=backend, image=str(images[0]))
    start = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    card = predictor.bundle.card
    return (
        f"| {card.method} | {shape[1]} | {graph.precision} | {backend} | {alone[0]:.1f} | {alone[1]:.1f} | "
        f"{batch:.1f} | {whole[0]:.1f} | {rate:.1f} | "
        f"{float(start[0]):.2f} ({float(start[1]):.2f}) | {float(start[2]):.0f} |"
    )


def measure_graph(path: str, backend: str, rounds: int) -> str:
    """A row for a graph of somebody else's."""
    import numpy as np
    import onnx

    from untaught.runtime.session import open_session

    data = Path(path).read_bytes()
    side = onnx.load_from_string(data).graph.input[0].type.tensor_type.shape.dim[1].dim_value
    session = open_session(data, backend, threads=1)
    alone = cost(lambda: session({"image": np.zeros((1, side, side, 3), np.uint8)}), rounds)
    return f"| {Path(path).stem} | {side} | | {backend} | {alone[0]:.1f} | {alone[1]:.1f} | | | | | |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--peer", nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=30)
    args = parser.parse_args()
    images = sorted(args.images.rglob("*.png"))
    print(
        "| graph | px | precision | runtime | graph, CPU ms | graph, least wall ms | batch of 8, CPU ms an image |",
        end="",
    )
    print(" PNG to verdict, CPU ms | images a second | import, load, first verdict, s (CPU s) | memory, MB |")
    print("| --- | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for backend in ("onnxruntime", "openvino"):
        for bundle in args.bundles:
            print(measure_bundle(bundle, backend, images, args.rounds), flush=True)
        for peer in args.peer:
            print(measure_graph(peer, backend, args.rounds), flush=True)
    print(f"\nThis process at its highest: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB.")


if __name__ == "__main__":
    main()
