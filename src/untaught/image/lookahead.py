"""Work in threads, answers in order, a bounded number ahead of the consumer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def in_order(function: Callable[[Item], Answer], items: Iterable[Item], workers: int = 2) -> Iterator[Answer]:
    """Apply `function` in threads and give the answers in the order of the items.

    At most `2 * workers` answers wait, so memory is bounded however slow the consumer is.
    """
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="untaught")
    waiting: deque[Future[Answer]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
