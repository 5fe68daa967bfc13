"""Independent tasks in several processes with one log; a refusal of one does not stop the others."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import TypeVar

from foundation.console import log_file, open_log
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
    with ProcessPoolExecutor(min(workers, len(items)), _context(task), _start_worker, (log_file(),)) as pool:
        waiting: dict[Future[Refused | None], T] = {pool.submit(_attempt, task, item): item for item in items}
        for done in as_completed(waiting):
            yield waiting[done], done.result()


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


def _start_worker(log_path: Path | None) -> None:
    """Open the common log, and end this worker when the process that started it is killed."""
    open_log(log_path)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
