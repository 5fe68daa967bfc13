"""Runs trained together: how the runs of a fleet share the machine.

Two back-ends: the plain loop, the reference, trains one run at a time; a stack (training.stack) trains runs of one
composition as one program, where their network is small enough for that to pay. On a CPU each core trains one group at
a time with one thread, on a GPU they follow one another. A run's bytes depend on its spec alone, never on the other
runs of its fleet.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

import torch

from auxvae.config.run import Fleet, Run
from auxvae.data.device import choose_device
from auxvae.data.run_folder import is_finished
from auxvae.data.store import Store
from auxvae.models.prior_checks import prior_faults
from auxvae.training.loop import Observer, follow_nothing, train_run
from auxvae.training.stack import composition, train_stack
from foundation.console import log
from foundation.faults import Fault, Refused
from foundation.files import write_json
from foundation.workers import run_all

LARGEST_STACK = 32  # runs; more gain nothing on a CPU and hold more memory
LARGEST_STREAMED = 4  # runs in the order of shards, each of which holds two windows of its own (data.stream)


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
    task = partial(train_group, store=store, results=results, device=device, observer=observer)
    unfinished = [run for run in fleet.runs if not is_finished(results / "runs" / run.id, run)]
    workers = workers if device.type == "cpu" else 1
    faults: list[Fault] = []
    for group, refused in run_all(groups(unfinished, workers), task, workers):
        faults += refused.faults if refused else ()
        for run in group:
            finished = is_finished(results / "runs" / run.id, run)
            log.info(f"{run.title}: finished" if finished else f"{run.title}: stopped")
    if faults:
        raise Refused(faults)


def groups(runs: Sequence[Run], workers: int) -> list[tuple[Run, ...]]:
    """Runs that one process trains at a time: stacks of one composition, a share for each worker; the others alone."""
    stacks: dict[object, list[Run]] = {}
    for run in runs:
        stacks.setdefault(composition(run) if run.is_stacked else run.id, []).append(run)
    parts = []
    for stack in stacks.values():
        largest = LARGEST_STREAMED if stack[0].training.order == "shards" else LARGEST_STACK
        size = min(largest, -(-len(stack) // workers))
        parts += [tuple(stack[start : start + size]) for start in range(0, len(stack), size)]
    return parts


def train_group(
    runs: tuple[Run, ...], store: Path, results: Path, device: torch.device, observer: Observer = follow_nothing
) -> None:
    """Train a stack, or a run alone."""
    if runs[0].is_stacked:
        train_stack(runs, store, results, device, observer)
    else:
        train_run(runs[0], store, results, device, observer)
