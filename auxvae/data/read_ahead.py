"""Reading in a thread: while one item is used, the next is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(read: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """What is read for each item in order; a thread reads the next while one is used."""
    with ThreadPoolExecutor(1) as thread:
        reading = [thread.submit(read, item) for item in items[:1]]
        for following in items[1:]:
            result = reading.pop().result()
            reading.append(thread.submit(read, following))
            yield result
        for last in reading:
            yield last.result()
