"""Work on what comes next while the caller is busy with what it has: reading and cutting beside the model.

It knows neither scans nor models. Pillow, the codecs and torch let other Python threads run while they work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
DEPTH = 2
"""Results that may wait: enough to bridge a slow file, and as many pictures' crops in memory."""


def ahead(calls: Iterable[Callable[[], T]], depth: int = DEPTH) -> Generator[T]:
    """The calls' results in order, up to `depth` of them made in one other thread before they are asked for.

    What a call raises is raised when its turn comes, and ends the iteration. Closing the generator waits for the
    call that is running and makes no other.
    """
    todo = iter(calls)
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        waiting: deque[Future[T]] = deque(thread.submit(call) for call in islice(todo, depth))
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(thread.submit(call) for call in islice(todo, 1))
                yield result
                del result  # a picture's crops are large: they are gone before the next is waited for
        finally:
            for future in waiting:
                future.cancel()
