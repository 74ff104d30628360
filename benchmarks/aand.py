"""What amplification and hard positions are worth in `aand`: an ablation beside reverse distillation.

`reverse_distillation` and `aand` as they are are measured by `benchmarks/results.py`, in the same folder of runs; each
variant is a process of its own that leaves one JSON file. What is there already is not repeated, so the script can be
stopped and started. All are trained with the same seeds, default settings but for what their name says, and measured as
`untaught evaluate` does. Other forms of map and score are measured on the runs of `aand` that are there, on maps of
128 x 128 pixels. Records are kept in aand.json beside the page, which is written from whatever is known.

    python benchmarks/aand.py --runs DIR --data FOLDER... [--seeds 0] [--variants NAME...] [--only-table]
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ledger import Record, common, comparison, kept, notes, of_methods, seconds
from results import ONE_THREAD, call
from results import measure as measure_method

from untaught.engine.provenance import machine, versions

FIGURES = {"image_auroc": "image AUROC", "pixel_auroc": "pixel AUROC", "aupro": "AUPRO@0.3"}
METHODS = ("reverse_distillation", "aand")
VARIANTS: Mapping[str, Sequence[str]] = {
    "without amplification": ("model.amplifier.on=false",),
    "without hard positions": ("model.training.hard=0",),
    "gates never closed": ("model.amplifier.closed=0",),
}
FORMS = "forms"
GRID = 128
HEAD = """# What amplification and hard positions are worth

Written by `benchmarks/aand.py`. Preset `lite`, the seeds named, last epoch; nothing of the test split is seen in
training. Image AUROC / pixel AUROC / AUPRO@0.3 in percent, mean over seeds, ± standard deviation where there are
several. A product is named after the images measured, as in `docs/results.md`. CPU seconds are those of the training
process on one thread; processors differ (`docs/results.md`) and were shared with other work. Where a cell is empty,
nothing was measured.
"""
SETS = "Mean of four: bottle, screw, magnetic_tile, and the mean of the papers; ± over the seeds that both have."


def main() -> None:
    """Run what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--variants", nargs="*", default=[*METHODS, *VARIANTS, FORMS])
    parser.add_argument("--only-table", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("docs/ablations/aand.md"))
    args = parser.parse_args()
    if not args.only_table:
        if args.runs is None:
            parser.error("--runs is missing")
        args.runs.mkdir(parents=True, exist_ok=True)
        for seed in args.seeds:
            for folder in args.data:
                for variant in args.variants:
                    measure(variant, folder, seed, args.runs)
    known = kept(args.out.with_suffix(".json"), args.runs, ("variant", "product", "seed"))
    whole = [record | {"variant": record["method"]} for record in of_methods(args.runs, METHODS)]
    args.out.write_text(page([*whole, *known], comparison(args.runs, METHODS, FIGURES)), "utf-8")


def measure(variant: str, data: Path, seed: int, runs: Path) -> None:
    """Train and evaluate one method or variant on one product with one seed, unless that was done."""
    if variant in METHODS:
        measure_method(variant, data, seed, runs, ONE_THREAD)
        return
    name = f"{variant.replace(' ', '_')}-{data.name}-{seed}"
    done, out = runs / f"{name}.json", runs / name
    if done.exists():
        return
    record: Record = {"variant": variant, "product": data.name, "seed": seed}
    if variant == FORMS:
        record["forms"] = forms(runs / f"aand-{data.name}-{seed}", data)
        done.write_text(json.dumps(record, indent=1))
        return
    resumed = out.exists()
    options = [part for change in VARIANTS[variant] for part in ("--set", change)]
    trained, cpu = call(ONE_THREAD, "train", "aand", "--data", data, "--seed", seed, "--out", out, "--resume", *options)
    figures, _ = call(ONE_THREAD, "evaluate", out, "--data", data)
    record |= {"figures": {key: figures[key] for key in FIGURES}, "cpu_seconds": cpu, "resumed": resumed}
    record |= {"training": trained["training"], "machine": machine(), "versions": versions()}
    done.write_text(json.dumps(record, indent=1))
    print(name, [round(100 * (figures[key] or 0), 2) for key in FIGURES], f"{cpu:.0f} CPU s", flush=True)


def forms(run: Path, data: Path) -> dict[str, dict[str, float]]:
    """The figures of each form, raw scores, on maps of 128 x 128."""
    import numpy as np
    import torch
    from PIL import Image

    from untaught.data.folder import open_dataset
    from untaught.engine.predict import Detector
    from untaught.image import resize_map
    from untaught.metrics.accumulate import MaskedMap, pixel_metrics
    from untaught.metrics.auroc import auroc

    detector, dataset = Detector(run), open_dataset(str(data))
    samples = [sample for sample in dataset.samples if sample.split == "test"]
    found: dict[str, list[tuple[Any, float]]] = defaultdict(list)
    masks = []
    for sample in samples:
        pixels = torch.from_numpy(dataset.image(sample, detector.recipe)).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            for name, (levels, target) in level_forms(detector.method, pixels).items():
                map_, score = detector.method.map(levels, target, pixels.shape[-2:])
                found[name].append((resize_map(map_[0].numpy(), (GRID, GRID)), float(score)))
        mask = dataset.mask(sample) if sample.defective else None
        grid = None if mask is None else Image.fromarray(mask).convert("L").resize((GRID, GRID), 2)
        masks.append(None if grid is None else np.asarray(grid) > 127)
    labels = [sample.defective for sample in samples]
    figures = {}
    for name, rows in found.items():
        maps = [
            MaskedMap(sample.name, row[0], mask, "defect" if sample.defective else None)
            for sample, row, mask in zip(samples, rows, masks, strict=True)
            if mask is not None or not sample.defective
        ]
        pixel = pixel_metrics(lambda maps=maps: iter(maps), [0.3])
        image = auroc([row[1] for row in rows], labels, [sample.name for sample in samples])
        figures[name] = {"image_auroc": image, "pixel_auroc": pixel.auroc, "aupro": pixel.aupro[0.3]}
    return figures


def level_forms(method: Any, image: Any) -> dict[str, tuple[list[Any], list[Any]]]:
    """Level maps by name of the form, with the levels they belong to."""
    import torch

    from untaught.maps.distance import level_distances

    levels, plain = method.config.levels, method.plain(image)
    spared, amplified = method.spared(plain)
    gates = [torch.zeros_like(level[:, 0]) for level in spared] + method.amplifier.gate(amplified)
    advanced = method.advanced(image)
    distances = level_distances(advanced, method.student(advanced), levels, True)
    untouched = level_distances(plain, method.student(plain), levels, True)
    across = level_distances(plain, method.student(advanced), levels, True)
    return {
        "F' (the preset's score)": (distances, advanced),
        "F, same student": (untouched, plain),
        "F, restored from F'": (across, plain),
        "F, (1 + gate)": ([d * (1 + g) for d, g in zip(untouched, gates, strict=True)], plain),
        "F + gate (the preset's map)": ([d + g for d, g in zip(untouched, gates, strict=True)], plain),
        "gate alone": (gates, plain),
        "residual alone": (level_distances(advanced, plain, levels, True), plain),
        "F' + gate": ([d + g for d, g in zip(distances, gates, strict=True)], advanced),
        "F' (1 + gate)": ([d * (1 + g) for d, g in zip(distances, gates, strict=True)], advanced),
    }


def page(records: Sequence[Record], compared: Sequence[str]) -> str:
    """The whole page."""
    found: dict[str, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        found[record["product"]][record["variant"]].append(record)
    names = (*METHODS, *VARIANTS)
    varied = [product for product, rows in found.items() if any(rows[name] for name in VARIANTS)]
    lines = [HEAD, "## Beside reverse distillation", "", SETS, "", *compared, ""]
    lines += ["## What each part is worth", "", "Seeds in brackets: those that all columns of the row have.", ""]
    lines += ["| product | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    for product in varied:
        lines.append(f"| {product} | " + " | ".join(cells({name: found[product][name] for name in names})) + " |")
    for known in dict.fromkeys(tuple(n for n in names if found[product][n]) for product in varied):
        whole = [product for product in varied if all(found[product][name] for name in known)]
        if len(whole) > 1:
            row = cells({name: averaged([found[product][name] for product in whole]) for name in known})
            shown = dict(zip(known, row, strict=True))
            lines.append(
                f"| mean of these {len(whole)}: {', '.join(whole)} | "
                + " | ".join(shown.get(n, "") for n in names)
                + " |"
            )
    lines += ["", "## The gate on held-out images, and what training took", "", *effort(found, names), ""]
    lines += ["## Other forms of map and score", "", *other_forms(found), "", *notes("aand")]
    shown = dict.fromkeys(f"{record['machine']}" for record in records if record["variant"] in VARIANTS)
    return "\n".join([*lines, *(f"Machine: {one}." for one in shown), ""])


def cells(row: Mapping[str, Sequence[Record]]) -> list[str]:
    """`99.9 / 98.2 / 94.5 (0)` of each column, with deviations where there are several seeds."""
    seeds = common(row.values())
    return [cell([record for record in records if record["seed"] in seeds]) for records in row.values()]


def cell(records: Sequence[Record]) -> str:
    """The three figures and their seeds."""
    if not records:
        return "not measured"
    shown = []
    for key in FIGURES:
        values = [100 * record["figures"][key] for record in records]
        spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
        shown.append(f"{statistics.mean(values):.2f}{spread}")
    return " / ".join(shown) + f" ({', '.join(str(record['seed']) for record in records)})"


def averaged(groups: Sequence[Sequence[Record]]) -> list[Record]:
    """The mean over products, of each seed that all have."""
    rows = {seed: [next(r for r in group if r["seed"] == seed) for group in groups] for seed in common(groups)}
    return [
        {"seed": seed, "figures": {key: statistics.mean(r["figures"][key] for r in its) for key in FIGURES}}
        for seed, its in rows.items()
    ]


def effort(found: Mapping[str, Mapping[str, Sequence[dict[str, Any]]]], variants: Sequence[str]) -> list[str]:
    """CPU seconds of each variant, and how well the gate of `aand` tells held-out drawn defects; first seeds."""
    lines = ["| product | gate AUROC | gate F1 | mean gate on good images | " + " | ".join(variants) + " |"]
    lines.append("| --- | ---: | ---: | ---: |" + " ---: |" * len(variants))
    for product, rows in found.items():
        gate = rows["aand"][0]["training"]["measured"].get("amplify", {}) if rows["aand"] else {}
        quality = [gate.get(name) for name in ("gate AUROC", "gate F1", "mean gate on good images")]
        taken = [seconds(rows[name][0]) if rows[name] else None for name in variants]
        times = ["" if value is None else f"{value:.0f} s" for value in taken]
        cells = ["" if value is None else f"{value:.3f}" for value in quality] + times
        lines.append(f"| {product} | " + " | ".join(cells) + " |")
    return lines


def other_forms(found: Mapping[str, Mapping[str, Sequence[dict[str, Any]]]]) -> list[str]:
    """The forms measured on the runs of `aand`, one row a form; first seeds."""
    known = {name: [row["forms"] for row in rows[FORMS]] for name, rows in found.items() if rows[FORMS]}
    if not known:
        return ["Not measured."]
    names = next(iter(known.values()))[0]
    lines = ["F is the untouched teacher, F' the amplified one: each restored by the student from itself, unless said."]
    lines += [
        "Map and score of one form each. Maps and masks of 128 x 128 pixels, so slightly other figures than above."
    ]
    lines += ["The preset takes its map from one form and its score from another.", ""]
    lines += ["| form | " + " | ".join(known) + " |", "| --- |" + " --- |" * len(known)]
    for name in names:
        cells = [" / ".join(f"{100 * rows[0][name][key]:.2f}" for key in FIGURES) for rows in known.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    main()
