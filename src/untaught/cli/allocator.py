"""How the C library keeps memory. Only the command line changes that, in its own process; nothing happens off Linux."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def keep_memory() -> None:
    """Serve all sizes from the heap and never give it back to the system.

    Large tensors are otherwise mapped and unmapped at every step, and each first touch of a page is a fault; on virtual
    machines that costs up to a third of the time.
    """
    _set({_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1})


def share_heaps() -> None:
    """Let all threads share two heaps: each one's own would keep what its images took (429 -> 385 MB over a folder)."""
    _set({_ARENA_MAX: 2})


def _set(options: dict[int, int]) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform.startswith("linux") else None
    if mallopt is not None:
        for option, value in options.items():
            mallopt(option, value)
