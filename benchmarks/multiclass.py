"""One model for all products against one model each: trains what is missing, writes docs/ablations/multiclass.md.

Models of one product are those of benchmarks/results.py, in the same folder of runs or among its records; what is there
already is not repeated, so the script can be stopped and started. Preset `lite`, default settings; last epoch; nothing
of the test split is seen in training. Milliseconds are CPU time from file to verdict on one thread. Variants are models
for all products that differ from a method by what their name says: what `stfpm` and `dcam` are compared by, and both
remedies for what `dcam` trains behind its gates and scores before them. What benchmarks/latency.py printed is taken up
from latency.md in the folder of runs, where it is there. Records are kept in multiclass.json beside the page.

    python benchmarks/multiclass.py --runs DIR --data FOLDER... [--methods NAME...] [--variants NAME...] [--seeds 0]
                                    [--only-all] [--only-table]
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from ledger import Record, kept, of_methods, processors, seconds
from results import FIGURES, call, measure, seconds_per_image

from untaught.engine.provenance import machine, versions

METHODS = ("stfpm", "dcam", "reverse_distillation")
UNIT = ('model.distance="unit"', 'model.map.form="product"', "model.map.weights=[]")
COSINE = ('model.distance="cosine"',)
PUBLISHED = "stfpm: unit vectors, product"
AIM = 2
Figures = Mapping[int, Mapping[str, float]]  # seed -> the three figures
VARIANTS: Mapping[str, Sequence[str]] = {
    PUBLISHED: ("stfpm", *UNIT),
    "dcam: cosine, no remedy": ("dcam", *COSINE, "model.raw_weight=0"),
    "dcam: cosine, raw_weight 0.5": ("dcam", *COSINE, "model.raw_weight=0.5"),
    "dcam: cosine, keep_attention": ("dcam", *COSINE, "model.raw_weight=0", "model.keep_attention=true"),
    "dcam: no relative entropy": ("dcam", "model.entropy=0"),
}
NONE = "not measured"
LATENCY = "latency"
HEAD = """# One model for many products

Written by `benchmarks/multiclass.py`: preset `lite`, default settings, last epoch, raw scores, every mask at its own
resolution. *All* is one model trained on all products at once, *each* a model of its own for every product, with the
same images held out. Image AUROC / pixel AUROC / AUPRO@0.3 in percent, of each product among its own test images; the
mean is that of the products' figures. {seeds}
"""
COST = """Times were taken in runs of their own, whatever else the machine did: what can be compared is the last table,
of one run. An image's time is that of the images of {first}. One model for all has one size of input for all, the
papers' own models a smaller one.
"""
APART = """## What differs between `stfpm` and `dcam`

One model for all products each. Both methods as they are score the squared distance of standardised features, by one
student and one map. `dcam` trains the cosine and the relative entropy of gated features beside it: what lies between
the two rows is due to them. The published form of `dcam` trains gated features alone and scores ungated ones ("no
remedy"); `raw_weight` trains the ungated ones as well, `keep_attention` scores the gated ones. The published form of
`stfpm` is that of unit vectors.
"""


def main() -> None:
    """Run what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--epochs", type=int, help="train models for all products so long, in place of the stopping rule"
    )
    parser.add_argument("--workers", type=int, default=1, help="each run takes its share of the cores")
    parser.add_argument("--only-all", action="store_true", help="do not train models of one product")
    parser.add_argument("--only-table", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("docs/ablations/multiclass.md"))
    args = parser.parse_args()
    args.runs.mkdir(parents=True, exist_ok=True)
    for seed in () if args.only_table else args.seeds:
        for name in (*args.methods, *args.variants):
            together(name, args.data, seed, args.runs, args.workers, args.epochs)
        for method in () if args.only_all else args.methods:
            for folder in args.data:
                measure(method, folder, seed, args.runs, args.workers)
    if (turns := args.runs / "latency.md").exists():
        table = {"name": LATENCY, "seed": 0, "table": turns.read_text("utf-8").strip()}
        (args.runs / "all").mkdir(exist_ok=True)
        place(args.runs, LATENCY, 0).write_text(json.dumps(table, indent=1))
    every = kept(args.out.with_suffix(".json"), args.runs / "all", ("name", "seed"))
    chosen = [record for record in every if record["seed"] in args.seeds or record["name"] == LATENCY]
    each = [record for record in of_methods(args.runs, args.methods) if record["seed"] in args.seeds]
    args.out.write_text(page(chosen, each, args.methods, [folder.name for folder in args.data], args.seeds), "utf-8")


def place(runs: Path, name: str, seed: int) -> Path:
    """Where the record of a model for all products lies, apart from those of one product."""
    return runs / "all" / f"{re.sub('[^a-z0-9_]+', '-', name)}-{seed}.json"


def together(name: str, data: Sequence[Path], seed: int, runs: Path, workers: int, epochs: int | None) -> None:
    """Train and evaluate one model, of a method or a variant, on all products, unless that was done."""
    method, *changes = VARIANTS.get(name, (name,))
    done = place(runs, name, seed)
    if done.exists():
        return
    done.parent.mkdir(exist_ok=True)
    out, named = done.with_suffix(""), [word for folder in data for word in ("--data", str(folder))]
    asked = [] if epochs is None else ["--epochs", epochs]
    asked += [word for change in changes for word in ("--set", change)]
    resumed = out.exists()
    trained, cpu = call(workers, "train", method, *named, *asked, "--seed", seed, "--out", out, "--resume")
    figures, _ = call(workers, "evaluate", out, *named)
    found = {product: {key: own[key] for key in FIGURES} for product, own in figures["products"].items()}
    training = trained["training"]
    record = {
        "name": name, "seed": seed, "figures": found, "asked": epochs,
        "mean": {key: statistics.mean(own[key] for own in found.values()) for key in FIGURES},
        "cpu_seconds": cpu, "resumed": resumed, "cpu_seconds_per_image": seconds_per_image(out, data[0]),
        "epochs": sum(training["epochs"].values()), "parameters": training["parameters"],
        "bytes": (out / "weights.safetensors").stat().st_size, "machine": machine(), "versions": versions(),
    }  # fmt: skip
    done.write_text(json.dumps(record, indent=1))
    print(name, "all", seed, f"{cpu:.0f} CPU s", flush=True)


def page(
    every: Sequence[Record],
    each: Sequence[Record],
    methods: Sequence[str],
    products: Sequence[str],
    seeds: Sequence[int],
) -> str:
    """The whole page, from the records of models for all products and those of models of one."""
    told = (
        "Seeds in the heads of the columns: those that all products have, in both columns of a method if it has both."
    )
    all_ = {method: [record for record in every if record["name"] == method] for method in methods}
    if asked := sorted({record["asked"] for found in all_.values() for record in found if record.get("asked")}):
        told += f" Models for all were trained for {', '.join(map(str, asked))} epochs in place of the stopping rule."
    alone = {
        (method, product): [r for r in each if (r["method"], r["product"]) == (method, product)]
        for method in methods
        for product in products
    }
    columns = [(method, which) for method in methods for which in ("all", "each")]
    cells: dict[tuple[str, str], dict[str, Figures]] = {}
    for method, which in columns:
        cells[method, which] = {
            product: {record["seed"]: record["figures"][product] for record in all_[method]}
            if which == "all"
            else {record["seed"]: record["figures"] for record in alone[method, product]}
            for product in products
        }
    own = {column: set(shared(cells[column])) for column in columns}
    both = {method: own[method, "all"] & own[method, "each"] for method in methods}
    common = {(method, which): sorted(both[method] or own[method, which]) for method, which in columns}
    named = {column: ", ".join(map(str, common[column])) or "-" for column in columns}
    head = ["product", *(f"{method}, {which} ({named[method, which]})" for method, which in columns)]
    lines = [HEAD.format(seeds=told), "## Accuracy", "", *rule(head)]
    for product in products:
        found = [(cells[column][product], common[column]) for column in columns]
        lines.append(row(product, [three([own[seed] for seed in kept_ or sorted(own)]) for own, kept_ in found]))
    lines.append(row("**mean**", [mean(cells[column], common[column]) for column in columns]))
    measured = {f"{method}, all": records for method, records in all_.items()}
    measured |= {f"{method}, each": [r for p in products for r in alone[method, p]] for method in methods}
    lines += ["", *bar(every), *processors(measured)]
    lines += [f"Records of {name}: {note}." for name, note in remarks(every).items()]
    lines += [
        "",
        "## Size and cost",
        "",
        COST.format(first=products[0]),
        *rule(["", "trained parameters", "weights, MB", "training, CPU s", "ms an image"]),
    ]
    for method in methods:
        lines += cost(
            method, all_[method], [record for product in products for record in alone[method, product]], products[0]
        )
    lines += apart(methods[:2], every)
    for record in every:
        if record["name"] == LATENCY:
            lines += ["", "## Latency in turns", "", "Written by `benchmarks/latency.py`.", "", record["table"]]
    shown = dict.fromkeys(
        f"{record['machine']}. Versions: {record['versions']}" for record in every if "mean" in record
    )
    lines += ["", *(f"Machine: {one}." for one in shown), ""]
    return "\n".join(lines)


def apart(methods: Sequence[str], every: Sequence[Record]) -> list[str]:
    """Methods and variants: means over products."""
    lines = ["", APART, *rule(["model", "seeds", "mean of products", "epochs", "training, CPU s"])]
    for name in (*methods, *VARIANTS):
        if records := [record for record in every if record["name"] == name]:
            epochs = statistics.mean(record["epochs"] for record in records)
            seeds = ", ".join(str(record["seed"]) for record in records)
            cells = [seeds, three([record["mean"] for record in records]), f"{epochs:.0f}", total([records])]
            lines.append(row(name, cells))
    return lines


def rule(head: Sequence[str]) -> list[str]:
    """The head of a table."""
    return [row(head[0], head[1:]), "| --- |" + " ---: |" * (len(head) - 1)]


def row(name: str, cells: Sequence[str]) -> str:
    """One row of a table."""
    return f"| {name} | " + " | ".join(cells) + " |"


def three(found: Sequence[Mapping[str, float]]) -> str:
    """The three figures, averaged over seeds."""
    if not found:
        return NONE
    return " / ".join(f"{100 * statistics.mean(figures[key] for figures in found):.1f}" for key in FIGURES)


def shared(products: Mapping[str, Figures]) -> list[int]:
    """The seeds that all products have."""
    return sorted(set.intersection(*(set(own) for own in products.values())))


def mean(products: Mapping[str, Figures], seeds: Sequence[int]) -> str:
    """The three figures averaged over products, of the seeds that all have."""
    return three([own[seed] for own in products.values() for seed in seeds])


def bar(every: Sequence[Record]) -> list[str]:
    """How far `dcam` is above `stfpm` where one model serves all, and whether that is what was aimed at."""
    known = {name: {r["seed"]: r["mean"] for r in every if r["name"] == name} for name in ("stfpm", "dcam", PUBLISHED)}
    found = [ahead(known["dcam"], known[other]) for other in ("stfpm", PUBLISHED)]
    if not all(found):
        return []
    (first, seeds), (published, others) = found
    told = f"Aimed at were {AIM} points of pixel AUROC of `dcam` above `stfpm`, one model for all: it is {first:+.1f} "
    told += f"(seed {seeds}), {'reached' if first >= AIM else 'not reached'}. Above `stfpm` in its published form it "
    return [f"{told}is {published:+.1f} (seed {others}).", ""]


def ahead(one: Figures, other: Figures) -> tuple[float, str] | tuple[()]:
    """By how many points of pixel AUROC one is ahead of another, and on which seeds, which both have."""
    if not (seeds := sorted(one.keys() & other.keys())):
        return ()
    gain = statistics.mean(one[seed]["pixel_auroc"] - other[seed]["pixel_auroc"] for seed in seeds)
    return 100 * gain, ", ".join(map(str, seeds))


def remarks(every: Sequence[Record]) -> dict[str, str]:
    """What records say of themselves, by the names of the models."""
    found: dict[str, list[str]] = {}
    for record in every:
        if note := record.get("note"):
            found.setdefault(note, []).append(record["name"])
    return {", ".join(dict.fromkeys(names)): note for note, names in found.items()}


def cost(method: str, all_: Sequence[Record], each: Sequence[Record], first: str) -> list[str]:
    """Parameters, size and time of one model for all, and of all models together that it stands for.

    An image's time is that of the `first` product's images in both rows.
    """
    if not all_:
        return [row(method, [NONE] * 4)]
    size = [f"{all_[0]['parameters']:,}", f"{all_[0]['bytes'] / 1e6:.1f}"]
    lines = [row(f"{method}, all", [*size, total([all_]), milliseconds(all_)])]
    if products := sorted({item["product"] for item in each}):
        own = [[item for item in each if item["product"] == product] for product in products]
        size = [f"{len(own)} x {each[0]['training']['parameters']:,}", f"{len(own)} x {all_[0]['bytes'] / 1e6:.1f}"]
        per_image = milliseconds([item for item in each if item["product"] == first])
        lines.append(row(f"{method}, each", [*size, total(own), per_image]))
    return lines


def total(groups: Sequence[Sequence[Record]]) -> str:
    """CPU seconds of one training of each group together: the mean over its records."""
    known = [[value for record in group if (value := seconds(record)) is not None] for group in groups]
    return f"{sum(map(statistics.mean, known)):.0f}" if all(known) else NONE


def milliseconds(records: Sequence[Record]) -> str:
    """CPU milliseconds of an image."""
    return f"{1000 * statistics.mean(r['cpu_seconds_per_image'] for r in records):.0f}" if records else NONE


if __name__ == "__main__":
    main()
