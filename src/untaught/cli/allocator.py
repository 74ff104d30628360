"""Keeps the C library from giving memory back to the system after each tensor.

Large tensors are otherwise mapped and unmapped at every step, and each first touch of a page is a fault; on virtual
machines that costs up to a third of the time. Only the command line does this, to its own process.
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4


def keep_memory() -> None:
    """Ask glibc to serve all sizes from its heap and never to trim it; does nothing elsewhere."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
