"""Random numbers that depend on what they are for, never on what was drawn before.

Each epoch of each stage has its own stream, so a resumed run draws what the unbroken one would have drawn.
"""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch


def derive(*keys: int | str) -> int:
    """A seed in 0..2^63-1 from any keys; the same keys give the same seed on every machine."""
    digest = hashlib.sha256("/".join(str(key) for key in keys).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def seed_all(*keys: int | str) -> None:
    """Seed python, numpy and torch from `keys`."""
    seed = derive(*keys)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - third-party layers may use the global stream
    torch.manual_seed(seed)


def generator(*keys: int | str) -> torch.Generator:
    """A torch generator on the CPU seeded from `keys`."""
    return torch.Generator().manual_seed(derive(*keys))
