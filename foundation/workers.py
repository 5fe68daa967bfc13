"""Independent tasks in several processes with one log; a refusal of one does not stop the others.

In a terminal the messages of all processes go through the one that started them, which draws the progress bar.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from logging.handlers import QueueHandler, QueueListener
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, TypeVar

from foundation.console import in_terminal, log, log_file, open_log
from foundation.faults import Refused

T = TypeVar("T")


def run_all(items: Sequence[T], task: Callable[[T], None], workers: int) -> Iterator[tuple[T, Refused | None]]:
    """Do the task for every item, so many at a time, and yield each as it ends, with what refused it.

    With two workers or more the task runs in processes of its own, so it must be importable. They end when the process
    that started them is killed. Any error but a refusal is a defect, and is raised.
    """
    if workers < 2 or len(items) < 2:
        for item in items:
            yield item, _attempt(task, item)
        return
    context = _context(task)
    with _messages(context) as messages:
        start = (log_file(), messages)
        with ProcessPoolExecutor(min(workers, len(items)), context, _start_worker, start) as pool:
            waiting: dict[Future[Refused | None], T] = {pool.submit(_attempt, task, item): item for item in items}
            for done in as_completed(waiting):
                yield waiting[done], done.result()


@contextmanager
def _messages(context: BaseContext) -> Iterator[Any]:
    """In a terminal a queue whose messages this process logs; None elsewhere, where every process writes its own."""
    if not in_terminal():
        yield None
        return
    queue: Any = context.Queue()
    listener = QueueListener(queue, *log.handlers, respect_handler_level=True)
    listener.start()
    try:
        yield queue
    finally:
        listener.stop()


def _context(task: Callable[[T], None]) -> BaseContext:
    """Processes forked from a server that imports the task's module once, before anything starts a thread."""
    context = multiprocessing.get_context("forkserver")
    function = task.func if isinstance(task, partial) else task
    context.set_forkserver_preload([function.__module__])
    return context


def _attempt(task: Callable[[T], None], item: T) -> Refused | None:
    try:
        task(item)
    except Refused as refused:
        return refused
    return None


def _start_worker(log_path: Path | None, messages: Any) -> None:
    """Open the common log, or send all to its queue, and end this worker when the process that started it is killed."""
    open_log(log_path)
    if messages is not None:
        log.handlers[:] = [QueueHandler(messages)]
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
