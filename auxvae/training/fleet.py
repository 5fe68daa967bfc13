"""Runs trained together: how the runs of a fleet share the machine.

The back-end here is the plain loop, the reference: on a GPU the runs of a fleet follow one another, on a CPU each core
trains one run at a time with one thread. A run's bytes depend on its spec alone, never on the other runs of its fleet.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import torch

from auxvae.config.run import Fleet
from auxvae.data.device import choose_device
from auxvae.data.run_folder import is_finished
from auxvae.data.store import Store
from auxvae.models.prior_checks import prior_faults
from auxvae.training.loop import Observer, follow_nothing, train_run
from foundation.console import log
from foundation.faults import Fault, Refused
from foundation.files import write_json
from foundation.workers import run_all


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
    for run, refused in run_all(unfinished, task, workers if device.type == "cpu" else 1):
        log.info(f"{run.title}: stopped" if refused else f"{run.title}: finished")
        faults += refused.faults if refused else ()
    if faults:
        raise Refused(faults)
