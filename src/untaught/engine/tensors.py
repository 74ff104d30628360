"""What a method takes, from arrays to tensors: the same for training, calibration and inspection."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from untaught.inspector import Inputs


def to_tensors(inputs: Inputs, device: torch.device | None = None) -> dict[str, Tensor]:
    """Batches (n, h, w, c) as (n, c, h, w) fp32 on `device`, in channels_last memory; pixels of 0..255 become 0..1."""
    tensors: dict[str, Tensor] = {}
    for name, array in inputs.items():
        rows = torch.from_numpy(array)
        values = rows.permute(0, 3, 1, 2).to(device).float()
        values = values / 255 if rows.dtype == torch.uint8 else values
        tensors[name] = values.contiguous(memory_format=torch.channels_last)
    return tensors


def to_arrays(tensors: Mapping[str, Tensor]) -> Inputs:
    """Rows as they are kept, (n, c, h, w), as the arrays (n, h, w, c) they came from."""
    return {name: rows.permute(0, 2, 3, 1).contiguous().numpy() for name, rows in tensors.items()}
