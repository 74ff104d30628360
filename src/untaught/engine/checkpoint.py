"""Checkpoints: one safetensors file, written to a temporary name, synced and renamed. No pickle.

The file holds the method's tensors, the optimiser's tensors and, as JSON in its header, everything that is a number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from untaught.errors import RunError
from untaught.files import replacing

FILE = "state.safetensors"


def save_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any] | None = None) -> None:
    """Write tensors and a JSON header to one file, whole or not at all."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as file:
        file.write(save(plain, {"untaught": json.dumps(header or {})}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and header of a file written by `save_tensors`.

    Raises:
        RunError: the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("untaught", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise RunError(
            f"{path} cannot be read ({error})", "a whole safetensors file", "restore it, or train again"
        ) from None


def save_checkpoint(
    folder: Path, method: nn.Module, optimizer: torch.optim.Optimizer | None, progress: Mapping[str, Any]
) -> None:
    """Write the state of training. Frozen parameters are left out: the backbone's file has them."""
    tensors = {f"method.{name}": tensor for name, tensor in trained_state(method).items()}
    numbers: dict[str, Any] = {}
    if optimizer is not None:
        for index, values in optimizer.state_dict()["state"].items():
            for key, value in values.items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer.{index}.{key}"] = value
                else:
                    numbers[f"{index}.{key}"] = value
    save_tensors(folder / FILE, tensors, {"progress": dict(progress), "optimizer": numbers})


def load_checkpoint(folder: Path, method: nn.Module) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
    """Put the method's tensors back; give the progress and the optimiser's state by parameter number."""
    tensors, header = load_tensors(folder / FILE)
    state = {name.removeprefix("method."): tensor for name, tensor in tensors.items() if name.startswith("method.")}
    missing = set(trained_state(method)) ^ set(state)
    if missing:
        raise RunError(
            f"{folder} belongs to another network ({len(missing)} tensors differ)",
            "a checkpoint of the same settings",
            "train again into a new folder",
        )
    method.load_state_dict(state, strict=False)
    slots: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            slots.setdefault(int(index), {})[key] = tensor
    for name, number in header["optimizer"].items():
        index, key = name.split(".", 1)
        slots.setdefault(int(index), {})[key] = number
    return header["progress"], slots


def restore_optimizer(optimizer: torch.optim.Optimizer, slots: Mapping[int, Mapping[str, Any]]) -> None:
    """Give a fresh optimiser the state a checkpoint kept."""
    fresh = optimizer.state_dict()
    optimizer.load_state_dict(
        {"state": {index: dict(values) for index, values in slots.items()}, "param_groups": fresh["param_groups"]}
    )


def trained_state(method: nn.Module) -> dict[str, Tensor]:
    """The method's tensors but for those of its frozen modules."""
    frozen = {f"{name}." for name, module in method.named_children() if _is_frozen(module)}
    return {name: tensor for name, tensor in method.state_dict().items() if not name.startswith(tuple(frozen))}


def _is_frozen(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)
