"""A live source of frames: the newest one counts, and what comes while it is inspected is left out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

Image = TypeVar("Image")


class Frame(NamedTuple, Generic[Image]):
    """A frame of a live source.

    `taken` is when the source gave it, in seconds since 1970; `number` counts what the source gave, from 0: where it
    jumps, frames were left out.
    """

    image: Image
    taken: float
    number: int


def newest(frames: Iterable[Image]) -> Iterator[Frame[Image]]:
    """The newest frame each time one is asked for, none twice; ends with the source, whose error is raised here.

    Whoever takes longer over a frame than the source to give the next one falls behind by one frame, never by more, and
    memory does not grow.

    Args:
        frames: read in a thread of its own, as fast as it gives them; each must be an object of its own, not a buffer
            that the next one overwrites.
    """
    changed, left = threading.Condition(), threading.Event()
    waiting: list[Frame[Image]] = []
    ended: list[BaseException | None] = []

    def read() -> None:
        error = None
        try:
            for number, image in enumerate(frames):
                with changed:
                    waiting[:] = [Frame(image, time.time(), number)]
                    changed.notify()
                if left.is_set():
                    return
        except BaseException as raised:  # even an exit: it belongs to whoever asks for frames, and waits for them
            error = raised
        with changed:
            ended.append(error)
            changed.notify()

    threading.Thread(target=read, name="untaught frames", daemon=True).start()
    try:
        while True:
            with changed:
                changed.wait_for(lambda: waiting or ended)
                if not waiting:
                    break
                frame = waiting.pop()
            yield frame
    finally:
        left.set()
    if ended[0] is not None:
        raise ended[0]
