"""Feature maps of any timm backbone at chosen strides: frozen ones for teachers, fresh ones to be trained."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from jaxtyping import Float
from timm.models import get_pretrained_cfg
from torch import Tensor, nn

from untaught.errors import ConfigError
from untaught.nn.folding import folded
from untaught.nn.trunk import Trunk
from untaught.nn.weights import find_weights, full_name
from untaught.run import WeightsRecord

ANY_SIZE = {"strict_img_size": False, "dynamic_img_size": True}


class Backbone(nn.Module):
    """Feature maps of a timm network, finest level first.

    The input is RGB in 0..1; it is normalised as the network's pretrained weights expect it.

    Args:
        name: the timm model.
        net: its network of features, as `load_backbone` or `fresh_backbone` makes it.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, net: Any) -> None:
        super().__init__()
        self.net = net
        self.channels = tuple(int(channels) for channels in net.feature_info.channels())
        self.nhwc = str(getattr(net, "output_fmt", "NCHW")).endswith("NHWC")
        cfg: Any = get_pretrained_cfg(name)
        self.register_buffer("mean", torch.tensor(cfg.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(cfg.std).view(1, 3, 1, 1))

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Features of each level, (b, c, h / stride, w / stride)."""
        normal = (image - self.mean) / self.std
        features = self.network()(normal.contiguous(memory_format=torch.channels_last))
        return [level.permute(0, 3, 1, 2) for level in features] if self.nhwc else list(features)

    def network(self) -> Any:
        """What computes the features."""
        return self.net


class Teacher(Backbone):
    """Frozen features of a pretrained network, finest level first.

    The network stays in eval mode whatever is asked of it, no parameter wants a gradient, and layers behind the
    deepest level are left out. Its state is that of the whole network; what computes has its batch norms folded into
    the convolutions. The input is RGB in 0..1; it is normalised as the network was trained.

    Args:
        name: a timm model, with or without the tag of its weights.
        strides: levels, as pixels of the input per position of the feature map.
        weights: a local safetensors file in place of the usual places.
        untrained: leave the seeded random initialisation, for weights that are put in afterwards.
        groups: of an EfficientNet: stop behind so many groups of blocks, before the end of the one level asked for.

    Raises:
        ConfigError: no such model, it gives no feature maps, none of a stride asked for, or it has no such group.
        WeightsError: its weights cannot be had.
    """

    _folded: tuple[Any, list[tuple[Tensor, int]]] | None = None  # in a tuple it is no part of the state

    def __init__(
        self,
        name: str,
        strides: Sequence[int],
        weights: Path | None = None,
        *,
        untrained: bool = False,
        groups: int | None = None,
    ) -> None:
        net, record = load_backbone(name, tuple(strides), weights, untrained=untrained)
        super().__init__(name, net)
        self.strides, self.record = tuple(strides), record
        if groups is not None:
            self.net = Trunk(name, net, self.strides, groups)
            self.channels = (self.net.channels,)
        self.requires_grad_(False)
        self.to(memory_format=torch.channels_last)
        self.train(False)
        self.register_load_state_dict_post_hook(Teacher._forget)  # type: ignore[no-untyped-call]

    def train(self, mode: bool = True) -> Teacher:
        """Does nothing but stay in eval mode."""
        return super().train(False)

    def network(self) -> Any:
        """The network without batch norms, made anew where the weights have changed; an exported graph keeps them."""
        if torch.compiler.is_compiling():
            return self.net
        if self._folded is None or any(tensor._version != known for tensor, known in self._folded[1]):
            state = [tensor for tensor in (*self.net.parameters(), *self.net.buffers()) if not tensor.is_inference()]
            self._folded = folded(self.net), [(tensor, tensor._version) for tensor in state]
        return self._folded[0]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Teacher:
        self._forget()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def _forget(self, *_: Any) -> None:
        self._folded = None


def fresh_backbone(name: str, strides: Sequence[int]) -> Any:
    """The same network with random weights drawn from torch's generator, to be trained; see `Backbone`.

    Residual blocks start with both convolutions at work (timm would silence the last one of each), which is what the
    usual implementation of ResNet does.
    """
    with torch.device("meta"):
        known = inspect.signature(type(timm.create_model(name, pretrained=False))).parameters
    options: dict[str, Any] = {"zero_init_last": False} if "zero_init_last" in known else {}
    net = timm.create_model(
        name, pretrained=False, features_only=True, out_indices=find_levels(name, strides), **options
    )
    drop_unused(net)
    return net


def load_backbone(
    name: str, strides: Sequence[int], weights: Path | None = None, *, untrained: bool = False
) -> tuple[Any, WeightsRecord]:
    """A timm network that returns the feature maps of the given strides, and where its weights came from.

    The state of torch's random generators is the same afterwards. For the arguments and errors see `Teacher`.
    """
    indices = find_levels(name, strides)
    cfg = get_pretrained_cfg(name)
    with torch.device("meta"):
        whole = timm.create_model(name, pretrained=False)
    known = inspect.signature(type(whole)).parameters
    options: dict[str, Any] = {key: value for key, value in ANY_SIZE.items() if key in known}
    options |= {"features_only": True, "out_indices": indices}
    if untrained:
        record = WeightsRecord(name=full_name(cfg), source="random initialisation", sha256="")
    else:
        state, record = find_weights(cfg, whole.state_dict(), weights)
        options |= {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": state}}
    with torch.random.fork_rng(devices=[]), without_remarks():
        torch.manual_seed(0)
        net = timm.create_model(name, **options)
    drop_unused(net)
    return net, record


@contextlib.contextmanager
def without_remarks() -> Iterator[None]:
    """Keeps timm from warning of the classifier's weights, which a network of features has no use for."""
    logger = logging.getLogger("timm.models._builder")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def find_levels(name: str, strides: Sequence[int]) -> tuple[int, ...]:
    """The numbers under which timm knows the levels of these strides; of several with one stride the deepest.

    Raises:
        ConfigError: no such model, it gives no feature maps, or none of a stride asked for.
    """
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "look at timm.list_models()"
        raise ConfigError(f"there is no backbone called {name!r}", "the name of a timm model", hint)
    try:
        with torch.device("meta"):
            info: Any = timm.create_model(name, pretrained=False, features_only=True).feature_info
    except (RuntimeError, AssertionError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"the backbone {name!r} cannot be used ({error})", "a timm model that gives feature maps", "choose another"
        ) from None
    there = dict(zip((int(stride) for stride in info.reduction()), info.out_indices, strict=True))
    missing = [stride for stride in strides if stride not in there]
    if missing or list(strides) != sorted(set(strides)):
        raise ConfigError(
            f"levels of stride {', '.join(map(str, strides))} were asked of {name}",
            f"rising strides out of {', '.join(map(str, there))}",
            "choose among these",
        )
    return tuple(there[stride] for stride in strides)


def drop_unused(net: Any) -> None:
    """Take away the blocks behind the deepest level, where timm leaves them in place."""
    names = net.feature_info.module_name()
    numbers = [int(found[1]) for name in names if (found := re.match(r"blocks\.(\d+)", name))]
    if isinstance(getattr(net, "blocks", None), nn.Sequential) and len(numbers) == len(names):
        net.blocks = net.blocks[: max(numbers) + 1]
