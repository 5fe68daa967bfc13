"""Runs trained together: how the runs of a fleet share the machine.

Two back-ends: the plain loop, the reference, trains one run at a time; a stack (training.stack) trains runs of one
composition as one program: on a CPU where their network is small enough for that to pay, on a GPU always. On a CPU each
core trains one group at a time with one thread, and a run's bytes depend on its spec alone, never on the other runs of
its fleet; on a GPU the groups follow one another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

import torch

from auxvae.config.networks import STACKED_FAMILIES
from auxvae.config.run import Fleet, Run
from auxvae.data.device import choose_device, free_memory, set_precision
from auxvae.data.failures import failures
from auxvae.data.run_folder import is_finished
from auxvae.data.store import Store
from auxvae.models.prior_checks import prior_faults
from auxvae.training.loop import Observer, follow_nothing, train_run
from auxvae.training.stack import composition, train_stack
from foundation.console import at, bar, log
from foundation.faults import Fault, Refused
from foundation.files import write_json
from foundation.workers import run_all

CPU = torch.device("cpu")
LEAST_STACK = 3  # runs; a stack is not cut into smaller ones, whose steps cost nearly as much (benchmarks/stack.py)
LARGEST_STACK = 32  # runs; more gain nothing on a CPU and hold more memory
LARGEST_ON_GPU = 256  # runs, where the memory of the GPU does not allow fewer


def train_all(
    fleet: Fleet, store: Path, results: Path, wanted: str, workers: int, observer: Observer = follow_nothing
) -> None:
    """Train a fleet on the device of that name, and write its manifest once its runs are finished or have failed."""
    device = choose_device(wanted)
    log.info(f"{fleet.id}: {len(fleet.runs)} runs on {device}")
    faults: tuple[Fault, ...] = ()
    try:
        train(fleet, store, results, device, workers, observer)
    except Refused as refused:
        faults = refused.faults
    failed = failures(fleet.runs, results)
    if others := [fault for fault in faults if str(fault) not in map(str, failed.values())]:
        raise Refused(others)
    for fault in failed.values():
        log.info(f"failed, and left out: {fault}")
    manifest = {"runs": [run.id for run in fleet.runs], "failed": sorted(failed), "device": str(device)}
    write_json(results / "fleets" / f"{fleet.id}.json", manifest)


def train(
    fleet: Fleet,
    store: Path,
    results: Path,
    device: torch.device,
    workers: int,
    observer: Observer = follow_nothing,
) -> None:
    """Train the runs of a fleet that neither are finished nor have failed; refuse at the end with what stopped any."""
    columns = cache(lambda source: Store(store, source).columns("train"))
    if wrong := prior_faults(fleet.runs, lambda run: columns(run.dataset) if run.prior.reads_factors() else {}):
        raise Refused(wrong)
    failed = failures(fleet.runs, results)
    waiting = [run for run in fleet.runs if run.id not in failed]
    unfinished = [run for run in waiting if not is_finished(results / "runs" / run.id, run)]
    workers = workers if device.type == "cpu" else 1
    memory = free_memory(device) / workers
    set_precision(device, fleet.runs[0].training.gpu_precision)
    task = partial(train_group, store=store, results=results, device=device, observer=observer, memory=memory)
    faults: list[Fault] = []
    with bar(fleet.id, sum(run.training.epochs for run in unfinished), "epochs"):
        for group, refused in run_all(groups(unfinished, workers, device), task, workers):
            faults += refused.faults if refused else ()
            for run in group:
                finished = is_finished(results / "runs" / run.id, run)
                ended = f"{run.title}: {'finished' if finished else 'stopped'}"
                log.info(ended, extra=at(run.id, run.training.epochs))
    if faults:
        raise Refused(faults)


def groups(runs: Sequence[Run], workers: int, device: torch.device = CPU) -> list[tuple[Run, ...]]:
    """Runs that one process trains at a time, the largest first: stacks of one composition, or a run alone.

    A stack holds one worker's share at most, so that all have work; where there are enough stacks, they stay whole.
    """
    stacks: dict[object, list[Run]] = {}
    for run in runs:
        stacks.setdefault(composition(run) if is_stacked(run, device) else run.id, []).append(run)
    most = LARGEST_STACK if device.type == "cpu" else LARGEST_ON_GPU
    size = min(most, max(LEAST_STACK, -(-len(runs) // workers)))
    parts = [tuple(stack[i : i + size]) for stack in stacks.values() for i in range(0, len(stack), size)]
    return sorted(parts, key=len, reverse=True)


def is_stacked(run: Run, device: torch.device) -> bool:
    """Whether a run is trained in one program with others of its kind: on a GPU whatever its network.

    A stack reads the rows of all its runs from one tensor, so that a run which reads shard by shard is trained alone.
    """
    any_network = device.type != "cpu" and run.composition.family in STACKED_FAMILIES
    return run.is_stacked or (any_network and run.training.order == "rows")


def train_group(
    runs: tuple[Run, ...],
    store: Path,
    results: Path,
    device: torch.device,
    observer: Observer = follow_nothing,
    memory: float = math.inf,
) -> None:
    """Train a stack in so many bytes, or a run alone."""
    if is_stacked(runs[0], device):
        train_stack(runs, store, results, device, observer, memory)
    else:
        train_run(runs[0], store, results, device, observer)
