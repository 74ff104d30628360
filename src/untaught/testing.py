"""The questions that every method has to answer well, as assertions; for methods of third parties too.

def test_my_method():
    check_method(MyMethod)
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from untaught.anomalies.draw import Drawer
from untaught.batch import Batch
from untaught.data import flaws, moulding, toy
from untaught.engine.pairs import draw_pairs, to_pixels
from untaught.engine.predict import scorer
from untaught.engine.tensors import to_tensors
from untaught.errors import RunError
from untaught.export.graph import to_onnx
from untaught.image.depth import DepthRecipe, prepare
from untaught.method import Method, Stage
from untaught.records import GOOD
from untaught.runtime.session import open_session

STEPS = 20  # at the full learning rate; twice as many follow, in which it falls
GOOD_IMAGES = 8
PAIRS = 3  # parts of each kind of defect
TOLERANCE = 1e-5
EXPORTED = 1e-4
Make = Callable[[], Method]
Shown = tuple[Tensor, ...]  # what a method takes, in the order of its `inputs`


def check_method(method: type[Method], *, untrained: bool = False, seed: int = 0, **settings: Any) -> None:
    """Assert that a method keeps its contract.

    Asked are: can it be made from its defaults; does every preset make a valid config; is the frozen side bit-identical
    after training, even after `.train()`, and without gradients; does every parameter of a stage get a gradient; does
    the loss fall in 20 steps on drawn parts; has the map the input's size, is it finite; does the same image give the
    same in any batch; does the same seed give the same weights; is a saved method the same when loaded; does the map
    rise where a drawn part has a defect; does it give the same as an ONNX graph.

    Args:
        method: the class.
        untrained: make it without its backbone's weights.
        seed: of its weights and of the drawn parts.
        settings: of the method, over its defaults. The check takes less time with a small `image_size`.

    Raises:
        AssertionError: with the question that was answered wrongly.
    """
    assert method(method.configure(), untrained=untrained).reduction, "say in `reduction` how the score is drawn"
    for preset in method.presets:
        method.configure(preset)

    def make() -> Method:
        torch.manual_seed(seed)
        return method(method.configure(**settings), untrained=untrained)

    model = make()
    parts = draw_parts(model.config.image_size, model.inputs, seed)
    check_training(model, parts.good)
    check_map(model, parts.good)
    check_batches(model, parts.good)
    check_defects(model, parts)
    check_saved(model, method(model.config, untrained=True), parts.good)
    check_seed(make, parts.good)
    check_exported(model, parts.defective)


@dataclass(frozen=True)
class Parts:
    """Drawn parts: good ones to learn from; others twice, whole and with a defect of each of `kinds` at `mask`."""

    good: Shown
    whole: Shown
    defective: Shown
    mask: Tensor
    kinds: tuple[str, ...]


def draw_parts(size: int, inputs: tuple[str, ...] = ("image",), seed: int = 0) -> Parts:
    """Parts of the drawn product line, RGB in 0..1; with depth, of the drawn product that has it."""
    flat = "depth" not in inputs
    kinds: tuple[str, ...] = flaws.KINDS if flat else moulding.KINDS if "image" in inputs else moulding.SHAPES
    masks = []

    def one(part: int, number: int, kind: str) -> dict[str, NDArray[Any]]:
        if flat:
            image, mask = toy.draw([seed, part, number], size, kind)
            given: dict[str, NDArray[Any]] = {"image": image}
        else:
            made = moulding.draw([seed, part, number], size, kind)
            given, mask = (
                {"image": made.image, "depth": prepare(made.distance, DepthRecipe(), size, size)},
                made.footprint,
            )
        if kind != GOOD:
            masks.append(torch.from_numpy(mask))
        return given

    def shown(part: int, words: Sequence[str]) -> Shown:
        rows = [one(part, number, kind) for number, kind in enumerate(words)]
        tensors = to_tensors({name: np.stack([row[name] for row in rows]) for name in inputs})
        return tuple(tensors.values())

    kinds *= PAIRS
    good, whole = shown(0, [GOOD] * GOOD_IMAGES), shown(1, [GOOD] * len(kinds))
    return Parts(good, whole, shown(1, kinds), torch.stack(masks), kinds)


def members(shown: Shown, chosen: Sequence[int] | slice) -> Shown:
    """Some of the images."""
    return tuple(tensor[chosen] for tensor in shown)


def learn(method: Method, shown: Shown, steps: int = STEPS, watch: Callable[[Stage], None] | None = None) -> None:
    """Train every stage for `steps`, in which its loss has to fall, and twice as many in which the rate does.

    At the full rate the weights move faster than the running statistics of batch normalisation, by which the map is
    made: what would be asked of it then is luck. `watch` is called after each backward pass.

    Raises:
        AssertionError: the loss of a stage does not fall, or is not finite.
    """
    for stage in method.stages():
        method.eval()
        batches = [batch_of(stage, method.inputs, shown)]
        method.prepare(stage, batches, lambda tensor: tensor)
        optimizer = stage.optimizer(stage.parameters)
        rates = [group["lr"] for group in optimizer.param_groups]
        method.train()
        losses = []
        for step in range(3 * steps):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * min(1.0, 1.5 - step / (2 * steps))
            loss = next(iter(stage.loss(batches[0]).values()))
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            if watch is not None:
                watch(stage)
            optimizer.step()
            losses.append(loss.item())
        assert all(math.isfinite(value) for value in losses), f"stage {stage.name}: the loss is not finite: {losses}"
        assert min(losses[steps - 3 : steps]) < losses[0], f"stage {stage.name}: the loss does not fall: {losses}"
    method.eval()
    method.settle(batches, lambda tensor: tensor)


def batch_of(stage: Stage, inputs: tuple[str, ...], shown: Shown) -> Batch:
    """What the engine makes of images for this stage."""
    given = dict(zip(inputs, shown, strict=True))
    images = given.get("image")
    batch = Batch(torch.arange(len(shown[0])), images, depth=given.get("depth"))
    if stage.frozen is not None:
        with torch.no_grad():
            batch.frozen = stage.frozen(*shown)
        if not stage.image and stage.pairs is None:
            batch.image = batch.depth = None
    if stage.pairs is not None and images is not None:
        pixels = (images * 255).round().to(torch.uint8)
        everything = to_pixels(pixels)
        batch.defect, batch.mask = draw_pairs(
            Drawer(stage.pairs), pixels, batch.index.tolist(), ("check",), lambda n: everything[n % len(everything)]
        )
    return batch


def check_training(method: Method, shown: Shown) -> None:
    """The loss falls, what is trained gets gradients, what is frozen neither gradients nor any change."""
    trained = {id(parameter) for stage in method.stages() for parameter in stage.parameters}
    frozen = {name: part for name, part in method.named_parameters() if id(part) not in trained}
    assert not any(part.requires_grad for part in frozen.values()), f"wants gradients but no stage: {list(frozen)}"
    modules = [name for name, child in method.named_children() if not trained & {id(p) for p in child.parameters()}]
    before = {
        name: tensor.clone()
        for name, tensor in method.state_dict().items()
        if name.partition(".")[0] in modules and any(part.startswith(name.partition(".")[0]) for part in frozen)
    }
    moved: set[int] = set()

    def watch(stage: Stage) -> None:
        moved.update(id(part) for part in stage.parameters if part.grad is not None and part.grad.abs().sum() > 0)

    learn(method, shown, watch=watch)
    method.train()
    with torch.no_grad():
        method(*members(shown, slice(2)))
    method.eval()
    still = [
        name for stage in method.stages() for name, part in method.named_parameters() if id(part) in trained - moved
    ]
    assert not still, f"never got a gradient: {still}"
    assert all(part.grad is None for part in frozen.values()), "a frozen parameter got a gradient"
    after = method.state_dict()
    changed = [name for name, tensor in before.items() if not torch.equal(tensor, after[name])]
    assert not changed, f"frozen, but changed by training: {changed}"


def check_map(method: Method, shown: Shown) -> None:
    """The map has the input's size, there is one score an image, and all is finite fp32."""
    map_, score = scored(method, shown)
    images = shown[0]
    assert map_.shape == (len(images), *images.shape[-2:]), f"the map of {tuple(images.shape)} is {tuple(map_.shape)}"
    assert score.shape == (len(images),), f"{len(images)} images have scores of shape {tuple(score.shape)}"
    for what, tensor in (("map", map_), ("score", score)):
        assert tensor.dtype == torch.float32, f"the {what} is {tensor.dtype}"
        assert tensor.isfinite().all(), f"the {what} is not finite"


def check_batches(method: Method, shown: Shown) -> None:
    """An image gives the same alone and in any company."""
    together = scored(method, shown)
    for chosen in ([0], [3, 0], list(reversed(range(len(shown[0]))))):
        some = scored(method, members(shown, chosen))
        for what, whole, part in zip(("map", "score"), together, some, strict=True):
            difference = (whole[chosen] - part).abs().max().item()
            assert difference <= TOLERANCE * max(1, whole.abs().max().item()), f"{what}: the batch makes {difference:g}"


def check_defects(method: Method, parts: Parts) -> None:
    """On average the map is higher where a part has a defect than at the same place of the same part without it."""
    (whole, _), (defective, _) = scored(method, parts.whole), scored(method, parts.defective)
    rise = [
        (bad[mask].mean() - good[mask].mean()).item()
        for bad, good, mask in zip(defective, whole, parts.mask, strict=True)
    ]
    assert sum(rise) > 0, f"the map does not rise at defects: {list(zip(parts.kinds, rise, strict=True))}"


def check_saved(method: Method, other: Method, shown: Shown) -> None:
    """Loaded into a fresh method, the saved state gives bit-equal maps."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in method.state_dict().items()}, path)
        other.load_state_dict(load_file(path))
    for one, two in zip(scored(method, shown), scored(other.eval(), shown), strict=True):
        assert torch.equal(one, two), "a saved method gives other maps when loaded"


def check_exported(method: Method, shown: Shown) -> None:
    """As an ONNX graph the method gives the same map and score, within `EXPORTED` of the largest.

    To be asked on defects: on parts that a student has learned, what is left of the difference of two nearly equal
    numbers may be so small that torch itself is off by more than that, against its own double precision.
    """
    arrays = [tensor.permute(0, 2, 3, 1).contiguous().numpy() for tensor in members(shown, slice(2))]
    inputs = {
        name: (array * 255).round().astype(np.uint8) if name == "image" else array
        for name, array in zip(method.inputs, arrays, strict=True)
    }
    try:
        graph = to_onnx(method, (arrays[0].shape[1], arrays[0].shape[2]), batch=2)
    except RunError as error:
        raise AssertionError(str(error)) from error
    session = open_session(graph, "onnxruntime", threads=1)
    for what, expected, came in zip(
        ("map", "score"), scorer(method, torch.device("cpu"))(inputs), session(inputs), strict=True
    ):
        difference = float(np.abs(expected - came).max() / max(np.abs(expected).max(), 1e-12))
        assert difference <= EXPORTED, f"the {what} of the ONNX graph differs by {difference:g} of its largest value"


def check_seed(make: Make, shown: Shown) -> None:
    """Made and trained twice from one seed, the weights are bit-equal."""
    states = []
    for _ in range(2):
        method = make()
        learn(method, members(shown, slice(4)), steps=5)
        states.append(method.state_dict())
    differ = [name for name, tensor in states[0].items() if not torch.equal(tensor, states[1][name])]
    assert not differ, f"differ although the seed is the same: {differ}"


def scored(method: Method, shown: Shown) -> tuple[Tensor, Tensor]:
    """Map and score, without gradients."""
    with torch.no_grad():
        map_, score = method(*shown)
    return map_, score
