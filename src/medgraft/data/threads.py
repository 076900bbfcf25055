"""Threads that read and decode side by side; a large image has one thread of its own, whatever asks for it."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import ParamSpec, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Given = ParamSpec("Given")

WORKERS = min(4, os.cpu_count() or 1)  # more than cores only wait for each other: half of the work is Python
BATCH = 8  # items that a thread takes at once: handing over each by itself takes as long as reading a small file
WAITING = 2 * WORKERS  # batches that are begun before the first is asked for, and so the results that wait in memory
_ALONE = ThreadPoolExecutor(1)  # one for all: a thread keeps the memory that it freed


def mapped(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`function` of each item, in their order, a few ahead of what was asked for; raises what it raises."""
    rest = iter(items)
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting: deque[Future[list[Result]]] = deque()
        while batch := list(islice(rest, BATCH)):
            waiting.append(pool.submit(_each, function, batch))
            if len(waiting) == WAITING:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def alone(function: Callable[Given, Result], *arguments: Given.args, **named: Given.kwargs) -> Result:
    """`function` in the one thread for what takes much memory, after whatever is there already."""
    return _ALONE.submit(function, *arguments, **named).result()


def _each(function: Callable[[Item], Result], batch: list[Item]) -> list[Result]:
    return [function(item) for item in batch]
