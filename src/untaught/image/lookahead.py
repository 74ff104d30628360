"""Work in threads, answers in order, a bounded number ahead of the consumer."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")
PATIENCE = 1.0  # seconds that leaving waits for an item that is being taken; a camera may never give one


def in_order(function: Callable[[Item], Answer], items: Iterable[Item], workers: int = 2) -> Iterator[Answer]:
    """Apply `function` in threads and give the answers in the order of the items.

    Fewer than `2 * workers` items are on their way, so memory is bounded however slow the consumer is. An answer is
    given as soon as it is there, however long the next item lets wait: items are taken in a thread of their own. What
    taking one raises is raised here in its place.
    """
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="untaught")
    waiting: SimpleQueue[Future[Answer] | None] = SimpleQueue()
    room, left = Semaphore(2 * workers - 1), Event()

    def feed() -> None:
        try:
            taken = iter(items)
            while room.acquire() and not left.is_set():
                try:
                    item = next(taken)
                except StopIteration:
                    break
                waiting.put(pool.submit(function, item))
        except BaseException as error:
            failed: Future[Answer] = Future()
            failed.set_exception(error)
            waiting.put(failed)
        finally:
            waiting.put(None)
            if isinstance(items, Generator):
                items.close()

    feeder = Thread(target=feed, name="untaught-feeder", daemon=True)
    feeder.start()
    try:
        while (answer := waiting.get()) is not None:
            room.release()
            yield answer.result()
    finally:
        left.set()
        room.release()
        feeder.join(PATIENCE)
        pool.shutdown(cancel_futures=True)
