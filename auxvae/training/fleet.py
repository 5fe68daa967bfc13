"""Runs trained together: how the runs of a fleet share the machine.

The back-end here is the plain loop, the reference: on a GPU the runs of a fleet follow one another on it, on a CPU
each core takes a run at a time with one thread. A run's bytes depend on its own spec alone, never on its fleet mates.
Terms are pure and take weights and coverage masks as tensors (losses.terms), so that a batched back-end can stand
beside this one.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing.connection import wait
from pathlib import Path

import torch

from auxvae.config.run import Run
from foundation.console import log_file, open_log
from foundation.faults import Refused


def train_fleet(
    runs: Sequence[Run], train: Callable[[Run], None], workers: int
) -> Iterator[tuple[Run, Refused | None]]:
    """Train every run, so many at a time, and give each with what stopped it, as it ends."""
    if workers < 2 or len(runs) < 2:
        for run in runs:
            yield run, _attempt(train, run)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(runs)), spawn, _start_worker, (log_file(),)) as pool:
        waiting: dict[Future[Refused | None], Run] = {pool.submit(_attempt, train, run): run for run in runs}
        for done in as_completed(waiting):
            yield waiting[done], done.result()


def _attempt(train: Callable[[Run], None], run: Run) -> Refused | None:
    """A refusal is handed back, so that the other runs go on; anything else is a defect and is raised."""
    try:
        train(run)
    except Refused as refused:
        return refused
    return None


def _start_worker(log_path: Path | None) -> None:
    """The common log for this worker, and an end when the process that started it is killed."""
    open_log(log_path)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def choose_device(wanted: str) -> torch.device:
    """The device by name; `auto` is a CUDA GPU where there is one, else the CPU."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(wanted)
