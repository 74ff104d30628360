"""Files that are whole or not there: written to a temporary name, synced to disk and renamed.

And where a cache may be.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import platformdirs

from untaught.errors import RunError

UMASK = os.umask(0)
os.umask(UMASK)


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        RunError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(path, error) from error


def not_written(path: Path, error: OSError) -> RunError:
    """The error for a file or folder that cannot be written, with advice by what the system said."""
    expected, fix = _ADVICE.get(error.errno or 0, ("a writable folder with free space", "choose another folder"))
    return RunError(f"{path} cannot be written ({error.strerror or error})", expected, fix)


def disk_full(error: RunError) -> bool:
    """Whether a disk without space, or a quota that is used up, was the cause."""
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)


_FULL = ("a folder with free space", "free space, or choose another folder")
_FORBIDDEN = ("a folder that may be written", "choose another folder, or change its permissions")
_NOWHERE = ("a path that can be made", "correct the path")
_ADVICE = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EROFS: _FORBIDDEN,
    errno.ENOENT: _NOWHERE,
    errno.ENOTDIR: _NOWHERE,
    errno.EISDIR: _NOWHERE,
    errno.EEXIST: _NOWHERE,
    errno.ENAMETOOLONG: _NOWHERE,
}


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to a temporary name and rename it, so that the file is whole or unchanged."""
    with replacing(path) as file:
        file.write(text.encode())


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends well, synced to disk; nothing is left of it otherwise.

    Raises:
        RunError: the folder cannot be written, `path` is one itself, or the disk is full.
    """
    name = ""
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~UMASK)
        Path(name).replace(path)
    except BaseException as error:
        if name:
            Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise not_written(path, error) from error
        raise


def cache_root() -> Path:
    """The folder for everything that may be deleted at any time: UNTAUGHT_CACHE, else the platform's cache folder."""
    return Path(os.environ.get("UNTAUGHT_CACHE") or platformdirs.user_cache_dir("untaught"))
