"""Runs trained together: how the runs of a fleet share the machine.

The back-end here is the plain loop, the reference: on a GPU the runs of a fleet follow one another, on a CPU each core
trains one run at a time with one thread. A run's bytes depend on its spec alone, never on the other runs of its fleet.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import cache, partial
from multiprocessing.connection import wait
from pathlib import Path

import torch

from auxvae.config.run import Fleet, Run
from auxvae.data.device import choose_device
from auxvae.data.run_folder import is_finished
from auxvae.data.store import Store
from auxvae.models.prior_checks import prior_faults
from auxvae.training.loop import Observer, follow_nothing, train_run
from foundation.console import log, log_file, open_log
from foundation.faults import Fault, Refused
from foundation.files import write_json


def train_all(
    fleet: Fleet, store: Path, results: Path, wanted: str, workers: int, observer: Observer = follow_nothing
) -> None:
    """Train a fleet on the device of that name, and write its manifest when all its runs are finished."""
    device = choose_device(wanted)
    log.info(f"{fleet.id}: {len(fleet.runs)} runs on {device}")
    train(fleet, store, results, device, workers, observer)
    manifest = {"runs": [run.id for run in fleet.runs], "device": str(device)}
    write_json(results / "fleets" / f"{fleet.id}.json", manifest)


def train(
    fleet: Fleet,
    store: Path,
    results: Path,
    device: torch.device,
    workers: int,
    observer: Observer = follow_nothing,
) -> None:
    """Train the runs of a fleet that are not finished yet; refuse at the end with what stopped any of them."""
    columns = cache(lambda source: Store(store, source).columns("train"))
    if wrong := prior_faults(fleet.runs, lambda run: columns(run.dataset) if run.prior.reads_factors() else {}):
        raise Refused(wrong)
    task = partial(train_run, store=store, results=results, device=device, observer=observer)
    unfinished = [run for run in fleet.runs if not is_finished(results / "runs" / run.id, run)]
    faults: list[Fault] = []
    for run, refused in train_runs(unfinished, task, workers if device.type == "cpu" else 1):
        log.info(f"{run.title}: stopped" if refused else f"{run.title}: finished")
        faults += refused.faults if refused else ()
    if faults:
        raise Refused(faults)


def train_runs(runs: Sequence[Run], task: Callable[[Run], None], workers: int) -> Iterator[tuple[Run, Refused | None]]:
    """Train every run, so many at a time, and yield each as it ends, with what stopped it."""
    if workers < 2 or len(runs) < 2:
        for run in runs:
            yield run, _attempt(task, run)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(runs)), spawn, _start_worker, (log_file(),)) as pool:
        waiting: dict[Future[Refused | None], Run] = {pool.submit(_attempt, task, run): run for run in runs}
        for done in as_completed(waiting):
            yield waiting[done], done.result()


def _attempt(task: Callable[[Run], None], run: Run) -> Refused | None:
    """A refusal is returned, so that the other runs go on; anything else is a defect and is raised."""
    try:
        task(run)
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
