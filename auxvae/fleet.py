"""Runs trained together: the step of one run, and how the runs of a fleet share the machine.

The back-end here is the plain loop, the reference: on a GPU the runs of a fleet follow one another on it, on a CPU
each core takes a run at a time with one thread. A run's bytes depend on its own spec alone, never on its fleet mates.
Terms are pure and take weights and coverage masks as tensors (auxvae.terms), so that a batched back-end can stand
beside this one.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

import torch
from torch import Tensor

from auxvae.methods import METHODS
from auxvae.networks import Conv4
from auxvae.priors import PRIORS
from auxvae.spec import Run
from auxvae.terms import TERMS, Batch, Options
from foundation.console import log_file, open_log
from foundation.faults import Refused


@dataclass(frozen=True)
class Objective:
    """The loss of one run as a function of its network, a batch and the latent noise."""

    run: Run
    options: Options
    weights: Tensor
    variance: Tensor
    told: Tensor

    @classmethod
    def of(cls, run: Run, options: Options, device: torch.device) -> Objective:
        """The objective of a run, its constants on the device."""
        told = torch.zeros(run.network.latents)
        told[: len(run.told)] = 1
        weights = torch.tensor([run.weights[name] for name in run.terms])
        variance = torch.tensor(run.prior_variance)
        return cls(run, options, weights.to(device), variance.to(device), told.to(device))

    def values(self, network: Conv4, images: Tensor, u: Tensor, noise: Tensor) -> Tensor:
        """Every term in nats per image, shape (terms,), in the order of the run's weights; u is (B, told)."""
        padded = torch.nn.functional.pad(u, (0, len(self.told) - u.shape[1]))
        posterior, image = network(images, noise)
        batch = Batch(images, padded, self.told)
        prior = PRIORS[METHODS[self.run.method].prior](padded, self.told, self.variance)
        terms = [TERMS[name](batch, prior, posterior, image, self.options) for name in self.run.terms]
        return torch.stack(terms)


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
