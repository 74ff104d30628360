"""One command at a time changes a folder; whoever only reads asks nobody.

The system holds the lock, for as long as the process lives: a killed one leaves nothing that would have to be cleared
away. Whoever comes second waits a little, as the other may be about to end, and is then told who is at work.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from untaught.errors import RunError
from untaught.files import make_folder, not_written

NAME = ".lock"
PATIENCE = 3.0  # seconds
_FAR = 1 << 30  # where Windows locks a byte: what is locked cannot be read there

_mine = threading.local()


def first_process() -> bool:
    """Whether this process speaks for all that were launched together."""
    return int(os.environ.get("RANK", "0")) == 0


@contextlib.contextmanager
def alone(folder: Path, task: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Keep all other processes and threads from changing `folder` meanwhile; it may be entered again by the same.

    The folder is made where it is not there, and is gone afterwards where nothing was put into it. Of processes that
    were launched together the first holds the lock for all.

    Args:
        folder: what is to be changed.
        task: what is done to it, in a word, for whoever comes second.
        waiting: called now and then while somebody else is at work on it; None: that is an error.

    Raises:
        RunError: somebody else is at work on it, or it cannot be written.
    """
    if not first_process():
        yield
        return
    key = os.path.realpath(folder)
    mine: set[str] = _mine.__dict__.setdefault("folders", set())
    if key in mine:
        yield
        return
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    with contextlib.ExitStack() as stack:
        stack.callback(_remove_empty, new)
        stack.callback(_give_back, folder / NAME, _take(folder, task, waiting))
        mine.add(key)
        stack.callback(mine.discard, key)
        yield


@contextlib.contextmanager
def anew(parent: Path, name: str, task: str) -> Iterator[Path]:
    """A new folder below `parent`, `name` numbered where it is taken, that nobody else has or changes meanwhile.

    It is gone afterwards where nothing was put into it. Of processes that were launched together the first makes it;
    the others are given a name that they have to ask the first for.

    Args:
        parent: is made where it is not there.
        name: of the folder.
        task: what is done to it, in a word.

    Raises:
        RunError: it cannot be made.
    """
    if not first_process():
        yield parent / name
        return
    new = [path for path in (parent, *parent.parents) if not path.exists()]
    folder = _made(parent, name)
    with contextlib.ExitStack() as stack:
        stack.callback(_remove_empty, [folder, *new])
        stack.enter_context(alone(folder, task))
        yield folder


def _made(parent: Path, name: str) -> Path:
    """The first of the numbered names that was free; what is made cannot be made by another too."""
    number = 1
    while True:
        folder = parent / (name if number == 1 else f"{name}-{number}")
        make_folder(folder.parent)
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        except FileNotFoundError:
            continue  # another process has just removed the parent it had made
        except OSError as error:
            raise not_written(folder, error) from error
        else:
            return folder


def _take(folder: Path, task: str, waiting: Callable[[], None] | None) -> BinaryIO:
    """The locked file."""
    path, until = folder / NAME, time.monotonic() + PATIENCE
    while True:
        make_folder(folder)
        try:
            file = path.open("a+b")
        except FileNotFoundError:
            continue  # another process has just removed the folder it had made
        except OSError as error:
            raise not_written(path, error) from error
        try:
            if not _lock(file):
                if time.monotonic() > until:
                    if waiting is None:
                        raise _busy(folder, file)
                    waiting()
                    until = time.monotonic() + PATIENCE
            elif _is_at(path, file):
                _sign(file, task)
                return file
        except BaseException:
            file.close()
            raise
        file.close()
        time.sleep(0.05)


def _sign(file: BinaryIO, task: str) -> None:
    """Write down who holds the lock, for the others' message: on a full disk they will do without."""
    with contextlib.suppress(OSError):
        file.truncate(0)
        os.write(file.fileno(), f"{task}, process {os.getpid()}".encode())


def _busy(folder: Path, file: BinaryIO) -> RunError:
    file.seek(0)
    who = file.read(100).decode("utf-8", "replace")
    return RunError(
        f"another command is at work on {folder}" + (f" ({who})" if who else ""),
        "one command at a time",
        "wait until it is done, then repeat this one",
    )


def _is_at(path: Path, file: BinaryIO) -> bool:
    """Whether the locked file is the one that others will find: its last owner may have removed it meanwhile."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _give_back(path: Path, file: BinaryIO) -> None:
    if sys.platform != "win32":  # there an open file cannot be removed, here it must not be anybody else's
        path.unlink(missing_ok=True)
    file.close()
    if sys.platform == "win32":
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _remove_empty(folders: list[Path]) -> None:
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> bool:
        file.seek(_FAR)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(file: BinaryIO) -> bool:
        """Lock an open file; False where another has it. File systems without locks are taken as they are."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True
