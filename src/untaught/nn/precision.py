"""What the hardware computes in bfloat16 itself, and what it would only imitate slowly."""

from __future__ import annotations

import torch


def bf16_pays(device: torch.device) -> bool:
    """Whether bfloat16 is computed by the hardware and not emulated."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
