"""The cache of what the frozen side has to say: computed once an image, kept in memory or memory-mapped on disk.

Floating-point tensors are kept as bfloat16 unless the stage asks for more, feature maps channel-last, so that a batch
is gathered by whole rows and arrives in the memory format convolutions like best. On disk each chunk is marked when it
is complete: an interrupted pass goes on where it stopped. Pages of the mapped file are given back after each gather, so
resident memory does not grow with the number of images.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from untaught.errors import RunError

CHUNK = 8
Compute = Callable[[Sequence[int]], Mapping[str, Tensor]]


@dataclass(frozen=True, slots=True)
class Layout:
    """Shape of one row of a cached tensor as stored, and whether it is a channel-last feature map."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    channels_last: bool

    @classmethod
    def of(cls, tensor: Tensor, half: bool = True) -> Layout:
        """The layout for rows of `tensor` (b, ...); `half` keeps floating-point ones as bfloat16."""
        last = tensor.ndim == 4
        shape = tuple(tensor.shape[1:])
        dtype = torch.bfloat16 if half and tensor.is_floating_point() else tensor.dtype
        return cls((*shape[1:], shape[0]) if last else shape, dtype, last)

    @property
    def bytes(self) -> int:
        """Bytes of one row."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def pack(self, tensor: Tensor) -> Tensor:
        """Rows as stored."""
        tensor = tensor.permute(0, 2, 3, 1) if self.channels_last else tensor
        return tensor.to("cpu", self.dtype).contiguous()

    def unpack(self, rows: Tensor) -> Tensor:
        """Rows as methods know them: feature maps are (b, c, h, w) in channels_last memory."""
        return rows.permute(0, 3, 1, 2) if self.channels_last else rows


class FeatureCache:
    """Tensors by name for `rows` rows. Fill it once, then gather any rows in any order."""

    def __init__(self, rows: int, *, budget: float, folder: Path | None = None, half: bool = True) -> None:
        """`budget` is in bytes; above it the rows go to `folder`; `half` keeps floating-point tensors as bfloat16."""
        self.rows, self.budget, self.folder, self.half = rows, budget, folder, half
        self.layouts: dict[str, Layout] = {}
        self._stores: dict[str, Tensor] = {}
        self._maps: list[mmap.mmap] = []
        self._done: np.ndarray | None = None

    def fill(
        self, compute: Compute, advance: Callable[[int], None], whole: Callable[[], bool], keep: bool = False
    ) -> None:
        """Compute all rows that are not there yet, in chunks of always the same composition.

        A chunk is marked as done while `whole` says that all its images were read; `keep` puts the rows on disk
        whatever their size and takes up what an earlier pass left there.
        """
        chunks = [range(start, min(start + CHUNK, self.rows)) for start in range(0, self.rows, CHUNK)]
        if self.folder is not None and (self.folder / "layout.json").exists():
            self._open_disk({})
        for number, chunk in enumerate(chunks):
            if self._done is None or not self._done[number]:
                self._put(number, chunk, compute(chunk), whole, keep)
            advance(len(chunk))

    def gather(self, rows: Sequence[int] | Tensor, names: Sequence[str] | None = None) -> dict[str, Tensor]:
        """The tensors of `rows` as they are kept: all, or those of `names`."""
        index = torch.as_tensor(rows, dtype=torch.long)
        result = {
            name: layout.unpack(self._stores[name].index_select(0, index))
            for name, layout in self.layouts.items()
            if names is None or name in names
        }
        self._release()
        return result

    def close(self, delete: bool = False) -> None:
        """Let go of memory and, with `delete`, of the files."""
        self._stores.clear()
        self._done = None
        self._maps.clear()  # unmapped with the last reference
        if delete and self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _put(
        self, number: int, chunk: Sequence[int], tensors: Mapping[str, Tensor], whole: Callable[[], bool], keep: bool
    ) -> None:
        if not self._stores:
            self._allocate(tensors, keep)
        for name, layout in self.layouts.items():
            self._stores[name][chunk[0] : chunk[-1] + 1] = layout.pack(tensors[name])
        if self._done is not None:
            for view in self._maps:
                view.flush()
            self._done[number] = whole()
            self._release()

    def _allocate(self, tensors: Mapping[str, Tensor], keep: bool) -> None:
        layouts = {name: Layout.of(tensor, self.half) for name, tensor in tensors.items()}
        if self.folder is None or not (keep or self._bytes(layouts) > self.budget):
            self.layouts = layouts
            self._stores = {
                name: torch.empty((self.rows, *item.shape), dtype=item.dtype) for name, item in layouts.items()
            }
            return
        self._open_disk(layouts)

    def _bytes(self, layouts: Mapping[str, Layout]) -> int:
        return self.rows * sum(layout.bytes for layout in layouts.values())

    def _open_disk(self, layouts: Mapping[str, Layout]) -> None:
        assert self.folder is not None
        description = self.folder / "layout.json"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if description.exists():
                saved = json.loads(description.read_text())
                layouts = {
                    name: Layout(tuple(shape), getattr(torch, dtype), last)
                    for name, (shape, dtype, last) in saved.items()
                }
            else:
                wanted = {
                    name: (item.shape, str(item.dtype).removeprefix("torch."), item.channels_last)
                    for name, item in layouts.items()
                }
                temporary = self.folder / "layout.json.tmp"
                temporary.write_text(json.dumps(wanted))
                temporary.replace(description)
            self.layouts = dict(layouts)
            done = self._map(self.folder / "done.bin", -(-self.rows // CHUNK))
            self._done = np.frombuffer(done, dtype=np.uint8)
            for name, layout in layouts.items():
                view = self._map(self.folder / f"{name}.bin", self.rows * layout.bytes)
                self._stores[name] = torch.frombuffer(view, dtype=layout.dtype).view(self.rows, *layout.shape)
        except OSError as error:
            self.close()
            need = self._bytes(layouts) / 2**30
            raise RunError(
                f"the feature cache in {self.folder} cannot be written ({error.strerror})",
                f"a writable folder with {need:.1f} GiB free",
                "free space, or choose another folder with --set cache.folder=PATH",
            ) from None

    def _map(self, path: Path, size: int) -> mmap.mmap:
        with path.open("r+b" if path.exists() else "w+b") as file:
            if os.fstat(file.fileno()).st_size != size:
                if self._done is not None:  # killed while it made or removed the files: what is made anew is empty
                    self._done[:] = 0
                if shutil.disk_usage(path.parent).free < size:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                if hasattr(
                    os, "posix_fallocate"
                ):  # so that a full disk is an error here and not a fault on first touch
                    os.posix_fallocate(file.fileno(), 0, size)
                file.truncate(size)
            view = mmap.mmap(file.fileno(), size)
        self._maps.append(view)
        return view

    def _release(self) -> None:
        for view in self._maps:
            if hasattr(mmap, "MADV_DONTNEED"):
                view.madvise(mmap.MADV_DONTNEED)
