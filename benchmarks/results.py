"""Trains and evaluates methods, products and seeds with default settings; writes docs/results.md from what it finds.

Each run is its own process; a run that is there already is not repeated, so the script can be stopped and started.
Figures are of the last epoch; nothing of the test split is seen in training. Peers' figures come from the JSON files
that benchmarks/peers.py writes. Every record is added to docs/results.json, from which the page is written; a record of
the same method, product and seed replaces the one there. Beside the page, src/untaught/measured.json is renewed: what
`untaught list` and the pages of the methods say of accuracy and cost (`python docs/pages.py` takes it up).

    python benchmarks/results.py --runs DIR --data FOLDER... [--methods NAME...] [--peers DIR] [--seeds 0 1 2]
                                 [--workers 2] [--only-table]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ledger

from untaught.engine.provenance import machine, versions
from untaught.registry import method_names

FIGURES = {"image_auroc": "Image AUROC", "pixel_auroc": "Pixel AUROC", "aupro": "AUPRO@0.3"}
PEERS = {"padim": "PaDiM", "patchcore": "PatchCore 1 %", "stfpm": "anomalib STFPM, 10 epochs"}
DEFAULT = "reverse_distillation"
TIMED = 16
ONE_THREAD = os.cpu_count() or 1
"""So many workers that each has one thread."""
NONE = "not measured"
Records = Mapping[str, Mapping[str, Sequence[dict[str, Any]]]]  # product -> method or peer -> one record a seed
HEAD = """# Results

Written by `benchmarks/results.py`. Preset `lite`, default settings, one setting for all products; raw scores, every
mask at its own resolution, last epoch. In percent, mean ± standard deviation over the seeds named; a figure without a
deviation is of one seed. A product is named after the images measured: MVTec AD bottle at 450 px and screw at 512 px,
Magnetic Tile Defects (80/20 split of the good ones), PIPED papers at 128 px. Pixel figures of screw carry the note that
which mask belongs to which image was reconstructed. Five of the six papers hold exact copies within one split, none
across.

What was chosen by looking at these products' test figures: levels, the rule of the input's size, widths, distance,
score form, map weights, the least and most steps of the presets (one setting for all). On products never
looked at, expect somewhat less. Between the least and the most steps held-out good images decide, as the last table
tells.

Peers: anomalib 2.7.0 with the same backbone weights at 256 px (`benchmarks/peers.py` says how), measured by the same
metrics; a record with a note in `docs/results.json` was taken over from an earlier version of this page, rounded as it
stood there, of two threads where the new ones are of one; our runs had one thread, or two where their record has one
`workers`. Training times are CPU seconds of
the training process (user + system), from its start for untaught, without imports for the peers; runs shared the
machine, so wall times would not compare. Uninformed students made their teachers first where they found none, about 110
CPU seconds each, once for all products. An image's time is CPU time from file to verdict with one thread, the median
of sixteen test images. The runs of stfpm, and those of aand with the seeds 0 and 1, were trained before their map was
changed and scored anew with today's: neither training nor an image's score depends on it; their records say so.

Times with a star were taken on another processor than the rest, all or in part: compare them with each other only.
With AVX2 alone training is in float32, and everything takes two to three times as long. With AVX-512 it is in bfloat16,
but for Intel's processors without tiles: these train in float32, where their name here ends in fp32, and needed 1.2 to
1.6 times as long where it does not. Where a method's seeds differ in this, its times are those of the last. Times of
asymmetric, reverse_distillation, stfpm and uninformed_students were taken before the teacher's batch norms were folded
into its convolutions, which takes a quarter off its pass, and most times but those of processors named with fp32 before
it padded without a copy of its input, which takes a tenth off an image.
"""
USUAL = {"AMD EPYC", "AMD EPYC, AVX512"}
"""One processor, of which older records tell less."""


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, help="folder of our runs and their records")
    parser.add_argument("--peers", type=Path, help="folder of the peers' records")
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--methods", nargs="+", default=method_names(), choices=method_names())
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, default=1, help="runs at a time, each on its share of the cores")
    parser.add_argument("--only-table", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("docs/results.md"))
    parser.add_argument("--records", type=Path, default=Path("docs/results.json"))
    parser.add_argument("--measured", type=Path, default=Path("src/untaught/measured.json"))
    parser.add_argument("--time", type=Path, nargs=2, metavar=("RUN", "DATA"), help="print the CPU seconds of an image")
    args = parser.parse_args()
    if args.time:
        print(seconds_per_image(*args.time))
        return
    if not args.only_table:
        if args.runs is None:
            parser.error("--runs is missing")
        args.runs.mkdir(parents=True, exist_ok=True)
        jobs = [(name, folder, seed) for seed in args.seeds for folder in args.data for name in args.methods]
        with ThreadPoolExecutor(args.workers) as pool:
            list(pool.map(lambda job: measure(*job, args.runs, args.workers), jobs))
    records = renewed(args.records, args.runs, args.peers)
    args.records.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    ours, theirs = by_product(records["ours"], "product", "method"), by_product(records["peers"], "data", "model")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(page(ours, theirs), encoding="utf-8")
    args.measured.write_text(json.dumps(summary(ours), indent=1) + "\n", encoding="utf-8")


def measure(method: str, data: Path, seed: int, runs: Path, workers: int) -> None:
    """Train and evaluate one method on one product with one seed, unless that was done."""
    done, out = runs / f"{method}-{data.name}-{seed}.json", runs / f"{method}-{data.name}-{seed}"
    if done.exists():
        return
    began, resumed = time.perf_counter(), out.exists()
    trained, cpu = call(workers, "train", method, "--data", data, "--seed", seed, "--out", out, "--resume")
    wall = time.perf_counter() - began
    figures, _ = call(workers, "evaluate", out, "--data", data)
    timing = [sys.executable, __file__, "--time", str(out), str(data)]
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    seconds = float(subprocess.run(timing, check=True, capture_output=True, text=True, env=alone).stdout)
    record = {
        "method": method, "product": data.name, "seed": seed, "figures": figures, "cpu_seconds": cpu,
        "wall_seconds": wall, "cpu_seconds_per_image": seconds, "resumed": resumed, "workers": workers,
        "training": trained["training"], "machine": machine(), "versions": versions(),
    }  # fmt: skip
    done.write_text(json.dumps(record, indent=1))
    shown = [round(100 * (figures[key] or 0), 2) for key in FIGURES]
    print(method, data.name, seed, shown, f"{cpu:.0f} CPU s, {1000 * seconds:.0f} ms an image", flush=True)


def call(workers: int, *arguments: object) -> tuple[dict[str, Any], float]:
    """The JSON answer of an `untaught` command, and the CPU seconds it took."""
    environment = os.environ | {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // workers))}
    command = [sys.executable, "-m", "untaught", *map(str, arguments), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        answer = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return json.loads(answer), usage_seconds(usage)


def usage_seconds(usage: resource.struct_rusage) -> float:
    """CPU seconds of a finished process."""
    return usage.ru_utime + usage.ru_stime


def seconds_per_image(run: Path, data: Path) -> float:
    """CPU seconds of this process from a test image to its verdict: the median, the first image left out."""
    import torch

    from untaught.data.folder import open_dataset
    from untaught.engine.predict import Detector

    torch.set_num_threads(1)
    detector, dataset = Detector(run), open_dataset(str(data))
    tests = [sample for sample in dataset.samples if sample.split == "test"]
    taken = []
    for sample in tests[:: max(1, len(tests) // TIMED)][: TIMED + 1]:
        began = time.process_time()
        detector.inspect(dataset.source(sample))
        taken.append(time.process_time() - began)
    return statistics.median(taken[1:])


def renewed(known: Path, runs: Path | None, peers: Path | None) -> dict[str, list[dict[str, Any]]]:
    """The records known so far and those of finished runs, which go before; figures by kind of defect are left out."""
    every = json.loads(known.read_text(encoding="utf-8")) if known.exists() else {"ours": [], "peers": []}
    for side, folder, names in (("ours", runs, ("method", "product")), ("peers", peers, ("model", "data"))):
        every[side] = ledger.renewed(every[side], folder, (*names, "seed"))
        for record in every[side]:
            record["figures"].pop("kinds", None)
    return every


def by_product(records: Iterable[dict[str, Any]], product: str, name: str) -> Records:
    """Records by product and method or peer, in the order of their names."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for record in sorted(records, key=lambda record: (record[product], record[name], record["seed"])):
        found[record[product]][record[name]].append(record)
    return found


def page(ours: Records, theirs: Records) -> str:
    """The whole page."""
    lines = [HEAD]
    for key, title in FIGURES.items():
        lines += [f"## {title}", "", *table(ours, theirs, lambda records, key=key: spread(values(records, key))), ""]
    lines += ["## Training, CPU seconds", "", *table(ours, theirs, training_seconds), ""]
    lines += ["## One image, CPU milliseconds", "", *table(ours, theirs, milliseconds), ""]
    lines += ["## What was trained", "", *effort(ours), ""]
    lines += ["## Where a peer is ahead", "", *behind(ours, theirs), ""]
    return "\n".join([*lines, *taken_on(ours), ""])


def taken_on(ours: Records) -> list[str]:
    """Each machine with its versions, and which methods and seeds were measured there."""
    found: dict[str, set[str]] = defaultdict(set)
    for methods in ours.values():
        for name, records in methods.items():
            for record in records:
                place = {key: value for key, value in record["machine"].items() if key not in ("system", "threads")}
                place["device"] = ledger.computer(record)
                found[f"{place}. Versions: {record['versions']}"].add(f"{name} ({record['seed']})")
    return [f"- {', '.join(sorted(its))}: {place}." for place, its in found.items()]


def table(ours: Records, theirs: Records, cell: Any) -> list[str]:
    """One row a product, one column a method or peer; `cell` shows records."""
    methods = sorted({name for found in ours.values() for name in found}, key=lambda name: (name != DEFAULT, name))
    peers = [name for name in PEERS if any(name in found for found in theirs.values())]
    lines = ["| product | seeds | " + " | ".join([*methods, *(PEERS[name] for name in peers)]) + " |"]
    lines.append("| --- | --- |" + " ---: |" * (len(methods) + len(peers)))
    columns = [(ours, name) for name in methods] + [(theirs, name) for name in peers]
    for product in ours:
        cells = [cell(side.get(product, {}).get(name, [])) for side, name in columns]
        lines.append(f"| {product} | {seeds(ours[product])} | " + " | ".join(cells) + " |")
    papers = [product for product in ours if product.startswith("pa_")]
    if len(papers) > 1:
        cells = [cell(mean_records([side.get(p, {}).get(name, []) for p in papers])) for side, name in columns]
        lines.append(f"| mean of {len(papers)} papers | | " + " | ".join(cells) + " |")
    return lines


def seeds(found: Mapping[str, Iterable[dict[str, Any]]]) -> str:
    """`0, 1, 2 (asymmetric: 0, 1)`: those of most records, and of methods that have others."""
    known = {name: ", ".join(str(record["seed"]) for record in records) for name, records in found.items()}
    most = max(known.values(), key=len)
    other = [f"{name}: {its}" for name, its in known.items() if its != most]
    return most + (f" ({'; '.join(other)})" if other else "")


def mean_records(groups: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The mean over products, of each seed that all have; nothing where one was not measured."""
    means = []
    by_seed = [{row["seed"]: row for row in group} for group in groups]
    for seed in sorted(set.intersection(*map(set, by_seed))):
        rows = [group[seed] for group in by_seed]
        figures = {key: mean([row["figures"][key] for row in rows]) for key in FIGURES}
        times = {key: mean([row.get(key) for row in rows]) for key in ("cpu_seconds", "train_cpu_seconds")}
        devices = {row["machine"]["device"] for row in rows if row.get("machine")}
        own = {"device": " and ".join(sorted(devices - USUAL) or sorted(devices)[-1:])}
        trained = [row.get("training", {}).get("precision", {}) for row in rows]
        precision = {f"{number}.{stage}": its for number, known in enumerate(trained) for stage, its in known.items()}
        means.append(
            {"seed": seed, "figures": figures, **times, "cpu_seconds_per_image": mean([cpu_of(row) for row in rows])}
        )
        means[-1] |= {"training": {"precision": precision}}
        means[-1] |= {"machine": own, "resumed": any(row.get("resumed") for row in rows)}
    return means


def mean(numbers: Sequence[float | None]) -> float | None:
    """The mean, or None where one is missing."""
    known = [number for number in numbers if number is not None]
    return statistics.mean(known) if len(known) == len(numbers) else None


def values(records: Iterable[dict[str, Any]], key: str) -> list[float]:
    """A figure of every record that has it, in percent."""
    return [100 * record["figures"][key] for record in records if record["figures"][key] is not None]


def means(records: Mapping[str, Iterable[dict[str, Any]]], key: str) -> dict[str, float]:
    """The mean of a figure, in percent, by method or peer; without those of which it is not known."""
    return {name: statistics.mean(found) for name, rows in records.items() if (found := values(rows, key))}


def spread(found: Sequence[float]) -> str:
    """`99.9 ± 0.1`."""
    if not found:
        return NONE
    return f"{statistics.mean(found):.1f}" + (f" ± {statistics.stdev(found):.1f}" if len(found) > 1 else "")


def training_seconds(records: Iterable[dict[str, Any]]) -> str:
    """CPU seconds of whole trainings; of a resumed one only the end was timed."""
    whole = alike([row for row in records if not row.get("resumed")])
    found = [row.get(key) for row in whole for key in ("cpu_seconds", "train_cpu_seconds")]
    known = [value for value in found if value is not None]
    return f"{statistics.mean(known):.0f}{star(whole)}" if known else NONE


def star(records: Iterable[dict[str, Any]]) -> str:
    """A star where times are not those of the usual processor."""
    return " *" if other(records) else ""


def other(records: Iterable[dict[str, Any]]) -> str:
    """The processors of records, where they are not the usual one; peers name none."""
    found = {record["machine"]["device"]: ledger.computer(record) for record in records if record.get("machine")}
    return " and ".join(sorted({*found.values()})) if found.keys() - USUAL else ""


def alike(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records whose times can be averaged: those of the processor and precision of the last seed."""
    last = ledger.computer(max(records, key=lambda row: row["seed"])) if records else ""
    return [row for row in records if ledger.computer(row) == last]


def cpu_of(record: dict[str, Any]) -> float | None:
    """CPU seconds of an image."""
    seconds: float | None = record.get("cpu_seconds_per_image")
    return seconds


def milliseconds(records: Iterable[dict[str, Any]]) -> str:
    """CPU milliseconds of an image."""
    records = alike(list(records))
    known = [seconds for seconds in map(cpu_of, records) if seconds is not None]
    return f"{1000 * statistics.mean(known):.0f}{star(records)}" if known else NONE


def effort(ours: Records) -> list[str]:
    """Images and epochs behind every figure."""
    lines = [
        "| product | images | method | trained parameters | epochs, by seed | the last stage, first seed |",
        "| --- | ---: | --- | ---: | --- | --- |",
    ]
    for product, found in ours.items():
        for name, records in found.items():
            training = records[0]["training"]
            epochs = "; ".join(" + ".join(map(str, r["training"]["epochs"].values())) for r in records)
            why = list(training["stopped"].values())[-1]
            lines.append(
                f"| {product} | {training['images']} | {name} | {training['parameters']:,} | {epochs} | {why} |"
            )
    return lines


def behind(ours: Records, theirs: Records) -> list[str]:
    """Where a peer is ahead of the method to try first, in words, with the best of all our methods beside it."""
    if not any(theirs.values()):
        return ["No peer was measured."]
    lines = []
    for product, found in ours.items():
        for key, title in FIGURES.items():
            own, peers = means(found, key), means(theirs.get(product, {}), key)
            first = own.get(DEFAULT, max(own.values(), default=0.0))
            ahead = {name: value for name, value in peers.items() if value > first + 0.05}
            if own and ahead:
                names = ", ".join(f"{PEERS[name]} {value:.1f}" for name, value in ahead.items())
                best = max(own, key=lambda name: own[name])
                lines.append(f"- {product}, {title}: {names} ahead of {first:.1f} (our best: {best} {own[best]:.1f})")
    return lines or ["No peer measured here is ahead of the figures above."]


def summary(ours: Records) -> dict[str, Any]:
    """What the package itself tells of its methods."""
    methods: dict[str, Any] = {}
    machines: set[str] = set()
    for product, found in ours.items():
        for name, records in found.items():
            entry = methods.setdefault(name, {"parameters": records[0]["training"]["parameters"], "products": {}})
            row: dict[str, Any] = {"seeds": sorted(record["seed"] for record in records)}
            row["images"] = records[0]["training"]["images"]
            row |= {key: round(statistics.mean(v) / 100, 5) for key in FIGURES if (v := values(records, key))}
            whole = alike([record for record in records if not record.get("resumed")])
            timed = [seconds for seconds in map(cpu_of, alike(records)) if seconds is not None]
            row |= (
                {"train_cpu_seconds": round(statistics.mean(record["cpu_seconds"] for record in whole), 1)}
                if whole
                else {}
            )
            row |= {"ms_per_image": round(1000 * statistics.mean(timed), 2)} if timed else {}
            row |= {"processor": named} if (named := other([*whole, *alike(records)])) else {}
            entry["products"][product] = row
            machines |= {f"{ledger.computer(record)}, {record['machine']['cores']} cores" for record in records}
    return {"machine": "; ".join(sorted(machines)), "methods": dict(sorted(methods.items()))}


if __name__ == "__main__":
    main()
