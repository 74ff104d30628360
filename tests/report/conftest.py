"""Run folders as training and evaluation leave them, drawn and made up: small, but of the real shapes."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from untaught.calibration import Calibration
from untaught.image import Recipe
from untaught.records import Result
from untaught.regions import find_regions
from untaught.run import Card, DataRecord, FileRecord, Run, TrainingRecord, WeightsRecord

KINDS = ("scratch", "hole", "stain")
RATE = 0.05


def draw_part(rng, kind, side=96):
    """A round part on a plain ground; with a defect of the kind, and its mask."""
    image = Image.new("RGB", (side, side), (44, 48, 54))
    draw = ImageDraw.Draw(image)
    shift = rng.integers(-3, 4, 2)
    box = [side * 0.15 + shift[0], side * 0.15 + shift[1], side * 0.85 + shift[0], side * 0.85 + shift[1]]
    draw.ellipse(box, fill=(166, 168, 170))
    draw.ellipse(
        [box[0] + side * 0.25, box[1] + side * 0.25, box[2] - side * 0.25, box[3] - side * 0.25], fill=(60, 64, 70)
    )
    mask = Image.new("L", (side, side))
    x, y = rng.integers(side // 4, side // 2, 2).tolist()
    for drawing, colour in ((draw, (90, 60, 40)), (ImageDraw.Draw(mask), 255)):
        if kind == "scratch":
            drawing.line([x, y, x + side // 4, y + side // 8], fill=colour, width=max(2, side // 40))
        elif kind != "good":
            drawing.ellipse([x, y, x + side // 8, y + side // 9], fill=colour)
    return image, np.asarray(mask) > 127


def anomaly_map(rng, mask, strength, side=64):
    """Smooth noise with a blurred copy of the mask on it."""
    noise = Image.fromarray(rng.normal(0, 1, (8, 8)).astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC)
    blob = Image.fromarray(mask.astype(np.float32)).resize((side // 4, side // 4), Image.Resampling.BOX)
    return 0.12 * np.asarray(noise) + strength * np.asarray(blob.resize((side, side), Image.Resampling.BICUBIC))


def write_card(folder, rng, *, name, false_reject=RATE, kind="conformal", held_out=40, method="reverse_distillation"):
    scores = np.sort(rng.gamma(20, 0.02, held_out))
    files = [FileRecord(name=f"train/good/{i:03d}.png", sha256=f"{i:064x}") for i in range(held_out)]
    weights = WeightsRecord(name="efficientnet_lite0", source="package", sha256="ab" * 32, licence="Apache-2.0")
    card = Card(
        name=name,
        method=method,
        preset="lite",
        reduction="highest value of the map",
        created="2026-11-20T09:30:00+00:00",
        seed=0,
        recipe=Recipe(height=64),
        data=DataRecord(spec="toy", name="plate", layout="folder", train=files, calibration=files[:held_out]),
        backbone=weights,
        weights=weights,
        training=TrainingRecord(
            seconds=61.5,
            epochs={"student": 30},
            stopped={"student": "no gain in 8 epochs"},
            images=209,
            parameters=1_640_000,
        ),
        calibration=Calibration.from_scores(scores, scores * 1.05, false_reject, kind),
        versions={"untaught": "0.1.0", "torch": "2.9.0"},
        machine={"cpu": "two cores", "system": "Linux"},
    )
    run = Run.__new__(Run)
    run.folder, run.card = folder, card
    run.save_card()
    log = [
        {
            "stage": "student",
            "epoch": i,
            "loss": 2 * 0.86**i + 0.03,
            "held_out": 2 * 0.87**i + 0.06,
            "seconds": 2.0,
            "rate": 1e-3,
        }
        for i in range(30)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log))
    (folder / "settings.toml").write_text('method = "reverse_distillation"\nseed = 0\n\n[cache]\nmemory = 2.0\n')
    return run


def evaluate(run, rng, *, good=12, each=4, strength=1.6, names=None, side=96):
    """Add evaluation.json, gallery.npz and the figures on the card."""
    threshold, pixel = run.card.calibration.image.value, run.card.calibration.pixel.value
    rows, arrays = [], {}
    kinds = ["good"] * good + [kind for kind in KINDS for _ in range(each)]
    for number, kind in enumerate(kinds):
        image, mask = draw_part(rng, kind, side)
        scores = anomaly_map(rng, mask, strength * rng.uniform(0.3, 1.0) * (kind != "good")).astype(np.float32)
        score = float(scores.max())
        regions = find_regions(scores, pixel, image.size)
        rows.append(
            {
                "name": (names or {}).get(number, f"test/{kind}/{number:03d}.png"),
                "kind": kind,
                "score": score,
                "p_value": float(
                    (1 + sum(s >= score for s in run.card.calibration.scores)) / (1 + run.card.calibration.image.n)
                ),
                "reject": score > threshold,
                "seconds": 0.031,
                "size": list(image.size),
                "regions": [
                    {"box": list(r.box), "area": r.area, "score": r.score, "contour": r.contour.tolist()}
                    for r in regions
                ],
                "gallery": number,
            }
        )
        file = io.BytesIO()
        image.save(file, "JPEG", quality=85)
        arrays[f"image_{number}"] = np.frombuffer(file.getvalue(), np.uint8)
        arrays[f"map_{number}"] = scores.astype(np.float16)
        if kind != "good":
            arrays[f"mask_{number}"] = mask.astype(np.uint8)
    np.savez(run.folder / "gallery.npz", **arrays)
    figures = result_of(rows, threshold)
    kinds = {kind: result_of([r for r in rows if r["kind"] in ("good", kind)], threshold) for kind in KINDS}
    run.card.metrics["plate"] = replace(figures, kinds=kinds)
    run.save_card()
    curves = {
        "image_roc": roc_points(rows),
        "pixel_roc": [[0, 0], [0.01, 0.8], [0.1, 0.97], [1, 1]],
        "pro": [[0, 0], [0.01, 0.6], [0.05, 0.85], [0.3, 0.97], [1, 1]],
    }
    data = {"spec": "toy", "name": "plate", "layout": "folder"}
    (run.folder / "evaluation.json").write_text(
        json.dumps({"data": data, "aupro_limit": 0.3, "curves": curves, "rows": rows})
    )


def roc_points(rows):
    good = [r["score"] for r in rows if r["kind"] == "good"]
    bad = [r["score"] for r in rows if r["kind"] != "good"]
    limits = [np.inf, *sorted(good + bad, reverse=True)]
    return [[float(np.mean([s >= t for s in good])), float(np.mean([s >= t for s in bad]))] for t in limits]


def result_of(rows, threshold):
    good = np.array([r["score"] for r in rows if r["kind"] == "good"])
    bad = np.array([r["score"] for r in rows if r["kind"] != "good"])
    miss, false = float((bad <= threshold).mean()), float((good > threshold).mean())
    return Result(
        n_good=len(good),
        n_defective=len(bad),
        image_auroc=float((bad[:, None] > good).mean()),
        image_ap=0.975,
        image_f1_max=0.96,
        pixel_auroc=0.9871,
        aupro=0.934,
        false_reject_rate=false,
        false_reject_interval=(max(0.0, false - 0.05), false + 0.2),
        miss_rate=miss,
        miss_interval=(max(0.0, miss - 0.05), min(1.0, miss + 0.2)),
        threshold=threshold,
        seconds_per_image=0.031,
    )


@pytest.fixture
def make_run(tmp_path):
    """A function that makes a run folder; evaluated unless told otherwise."""

    def make(name="plate-1", *, evaluated=True, seed=0, evaluation=None, **card) -> Run:
        rng = np.random.default_rng(seed)
        folder = tmp_path / f"run-{len(list(tmp_path.glob('run-*')))}"
        folder.mkdir()
        run = write_card(folder, rng, name=name, **card)
        if evaluated:
            evaluate(run, rng, **(evaluation or {}))
        return Run(folder)

    return make
