"""One training epoch from the feature cache against the same student trained the usual way, in one run.

The usual way: the teacher runs at every step, tensors are contiguous, everything is fp32. Both ways take the same
student, batches, loss and optimiser; ours in the precision that training chooses on this machine, and with --precisions
also in the other one. Alternates between all, so that drift of the machine hits them alike.

    python benchmarks/epoch.py --data FOLDER [--precisions]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterable

import torch

from untaught.batch import Batch
from untaught.data.base import Dataset
from untaught.data.folder import open_dataset
from untaught.engine.features import FeatureCache
from untaught.engine.fit import Share, Step
from untaught.engine.intake import Intake
from untaught.engine.provenance import machine
from untaught.engine.seed import seed_all
from untaught.image import Recipe
from untaught.method import Method, Stage
from untaught.nn.precision import bf16_pays
from untaught.registry import method_class

CPU = torch.device("cpu")


def prepared(dataset: Dataset, images: int, channels_last: bool) -> tuple[Method, Stage, Share, torch.Tensor]:
    """A fresh method, its stage, the cached features and the decoded images."""
    kind = method_class("reverse_distillation")
    seed_all(0)
    method = kind(kind.configure("lite"))
    if channels_last:
        method = method.to(memory_format=torch.channels_last)
    stage = next(iter(method.stages()))
    side = method.config.image_size
    samples = [sample for sample in dataset.samples if sample.split == "train"][:images]
    recipe = Recipe(height=side, width=side)
    pixels = torch.stack([torch.from_numpy(dataset.image(sample, recipe)) for sample in samples]).permute(0, 3, 1, 2)
    cache = FeatureCache(len(samples) * stage.views, budget=8e9)
    Intake(dataset, recipe).fill(cache, samples, stage=stage, device=CPU)
    share = Share(cache, range(len(samples)), range(len(samples)), stage.views)
    method.prepare(stage, share.in_order(), lambda tensor: tensor)
    return method, stage, share, pixels.contiguous()


def cached_epoch(method: Method, stage: Stage, share: Share, bf16: bool) -> float:
    """Seconds of an epoch of our loop."""
    step = Step(method, stage, CPU, bf16)
    return epoch(method, stage, step, share.epoch(stage.batch_size, 0))


def usual_epoch(method: Method, stage: Stage, pixels: torch.Tensor) -> float:
    """Seconds of an epoch with the teacher in every step."""
    step = Step(method, stage, CPU, bf16=False)

    def batches():
        for index in torch.randperm(len(pixels)).split(stage.batch_size):
            image = pixels[index].float() / 255
            with torch.no_grad():
                frozen = {name: tensor.contiguous() for name, tensor in stage.frozen(image).items()}
            yield Batch(index, None, frozen)

    return epoch(method, stage, step, batches())


def epoch(method: Method, stage: Stage, step: Step, batches: Iterable[Batch]) -> float:
    """Seconds of one epoch over `batches`."""
    optimizer = stage.optimizer(stage.parameters)
    method.train()
    started = time.perf_counter()
    for batch in batches:
        optimizer.zero_grad()
        next(iter(step(batch).values())).backward()
        optimizer.step()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="toy")
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precisions", action="store_true", help="slow where bfloat16 is imitated")
    args = parser.parse_args()
    dataset = open_dataset(args.data)
    fast = prepared(dataset, args.images, channels_last=True)
    slow = prepared(dataset, args.images, channels_last=False)
    chosen = fast[1].mixed and bf16_pays(CPU)
    ours, other, usual = [], [], []
    for _ in range(args.rounds + 1):  # the first round warms up
        ours.append(cached_epoch(*fast[:3], chosen))
        if args.precisions:
            other.append(cached_epoch(*fast[:3], not chosen))
        usual.append(usual_epoch(slow[0], slow[1], slow[3]))
    ratios = [late / early for late, early in zip(usual[1:], ours[1:], strict=True)]
    side = slow[3].shape[-1]
    print(f"one epoch of {args.images} images at {side} px: ours {statistics.median(ours[1:]):.2f} s,", end=" ")
    print(f"the usual way {statistics.median(usual[1:]):.2f} s")
    names = ("bfloat16", "float32") if chosen else ("float32", "bfloat16")
    if args.precisions:
        against = statistics.median(late / early for late, early in zip(other[1:], ours[1:], strict=True))
        print(f"{names[0]} is chosen, {names[1]} takes {against:.2f} times as long")
    print(f"ratio {statistics.median(ratios):.1f} (min {min(ratios):.1f}, max {max(ratios):.1f}) on {machine()}")


if __name__ == "__main__":
    main()
