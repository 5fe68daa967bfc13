"""Runs of one composition trained as one program: their tensors have a first axis of runs.

    loss = sum_k sum_t w_kt term_t(theta_k, batch_k, draws_k)        one vmapped call; then clip and Adam for each run

A step of a small network is mostly overhead, which the runs of a stack share. Each run keeps its Trainer, whose tensors
become views of the stack's (training.stacked_tensors): checkpoints, queues and the run's folder are those of a run
alone. On a CPU a batched product computes each member by itself, so that a run's bytes do not depend on the stack that
it is in; they agree with those of the plain loop to rounding (both are tested). On a GPU a step is replayed as one CUDA
graph (training.replay), validation is stacked, too, and results are claimed to rounding only. HFTA (arXiv 2102.02344)
is the prior system for arrays of models; here every member resumes exactly, too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from auxvae.config.run import Run
from auxvae.data.loader import held
from auxvae.data.run_folder import claim, is_finished
from auxvae.training import loop
from auxvae.training.loop import Observer, Trainer, follow_nothing, open_trainer, write_run
from auxvae.training.replay import repeated
from auxvae.training.stack_size import is_out_of_memory, most_runs, release
from auxvae.training.static_step import StackedModel, TrainingStep, ValidationStep
from foundation.console import log
from foundation.faults import Fault, Refused, Words

CHECKPOINT_SHARE = 0.1  # largest share of the time that goes into checkpoints: those of many runs take long
KEPT = 0.75  # share of a GPU's stack below which it is stacked anew without the runs that left it


def composition(run: Run) -> tuple[object, ...]:
    """Equal for runs that may be stacked: they differ in seed, weights, coverage and continuous settings alone."""
    cooled = replace(run.settings, cooling=1.0, cooling_from=0.0, cooling_until=1.0)
    settings = replace(cooled, capacity=0.0, prior_variance=1.0, mmd=replace(run.mmd, width=1.0))
    sized = run.composition.companion or run.composition.conditional == "copied" or run.prior.kind != "normal"
    has_errors = bool(run.measurements)  # of some coverages alone: a program has them for all of its runs, or for none
    return run.method, run.network, run.training, settings, has_errors, len(run.variables) if sized else None


@dataclass(frozen=True)
class Workshop:
    """Where runs are trained: their data, their results, the device and the bytes of it that they may take."""

    store: Path
    results: Path
    device: torch.device
    observer: Observer = follow_nothing
    memory: float = math.inf

    def open(self, run: Run) -> Trainer:
        """The trainer of a run, from its checkpoint if there is one."""
        return open_trainer(run, self.store, self.results, self.device, self.observer)

    def write(self, trainer: Trainer) -> None:
        """Write the folder of a run whose training has ended."""
        write_run(trainer, self.results)

    def unfinished(self, runs: Sequence[Run]) -> list[Run]:
        """The runs without a finished folder."""
        return [run for run in runs if not is_finished(self.results / "runs" / run.id, run)]


def train_stack(
    runs: Sequence[Run],
    store: Path,
    results: Path,
    device: torch.device,
    observer: Observer = follow_nothing,
    memory: float = math.inf,
) -> None:
    """Train runs of one composition from their checkpoints, if any, and write their folders; `memory` is in bytes.

    A run that is refused leaves the stack; the others go on, and all faults are raised at the end.
    """
    workshop = Workshop(store, results, device, observer, memory)
    with ExitStack() as locks:
        free, faults = claim(runs, results, locks)
        for part in _parts(free, workshop):
            faults += _train_part(part, workshop)
    if faults:
        raise Refused(faults)


def _parts(runs: list[Run], workshop: Workshop) -> Iterator[list[Run]]:
    """The runs in stacks that fit into the memory."""
    size = _most(runs, workshop) if math.isfinite(workshop.memory) and len(runs) > 1 else len(runs)
    if size < len(runs):
        log.info(f"{len(runs)} runs need more than {workshop.memory / 1e9:.3g} GB: trained {size} at a time")
    for start in range(0, len(runs), max(size, 1)):
        yield runs[start : start + size]


def _most(runs: list[Run], workshop: Workshop) -> int:
    """How many runs fit, by the first that can be opened."""
    for run in runs:
        try:
            return most_runs(workshop.open(run), workshop.memory)
        except Refused:
            continue  # refused again, and reported, where it is trained
    return len(runs)


def _train_part(runs: list[Run], workshop: Workshop) -> list[Fault]:
    """Train runs to their ends and return the faults; where the memory does not suffice, one half after the other."""
    try:
        return _train_together(runs, workshop)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    release(workshop.device)
    left = workshop.unfinished(runs)
    if len(runs) == 1:
        value = Words(f"a run that does not fit into the memory of {workshop.device}")
        return [Fault(runs[0].id, value, "a step must fit", "lower training.batch or network.width")]
    half = -(-len(runs) // 2)
    log.info(f"{len(runs)} runs do not fit into the memory of {workshop.device}: {half} at a time, from checkpoints")
    parts = (left[start : start + half] for start in range(0, len(left), half))
    return [fault for part in parts for fault in _train_part(part, workshop)]


def _train_together(runs: Sequence[Run], workshop: Workshop) -> list[Fault]:
    """Open runs, train those that are at the same step as a stack, and return the faults of those that are refused."""
    faults: list[Fault] = []
    trainers: list[Trainer] = []
    for run in runs:
        try:
            trainers.append(_sharing(workshop.open(run), trainers))
        except Refused as refused:
            faults += refused.faults
    for step in sorted({trainer.state.step for trainer in trainers}):
        faults += _train([trainer for trainer in trainers if trainer.state.step == step], workshop)
    return faults


def _sharing(trainer: Trainer, others: Sequence[Trainer]) -> Trainer:
    """The trainer with the images of the others, so that a device holds them once."""
    for other in others[:1]:
        for mine, theirs in ((trainer.loader, other.loader), (trainer.validation, other.validation)):
            loader, shared = held(mine), held(theirs).data
            alike = {name: getattr(shared, name) for name in ("images", "context", "rows", "precision", "inputs")}
            loader.data = loader.data._replace(**alike)
    return trainer


def _train(trainers: list[Trainer], workshop: Workshop) -> list[Fault]:
    """Train runs that are at the same step, each to its end; the faults of those that are refused on the way."""
    faults: list[Fault] = []
    for trainer in trainers:
        if trainer.ended():
            workshop.write(trainer)
    going = [trainer for trainer in trainers if not trainer.ended()]
    while going:
        stack = Stack(going, workshop.write)
        least = max(1, least_share(workshop.device) * len(going))
        while len(stack.going) >= least:
            stack.epoch()
        faults += stack.faults
        going = stack.going
    return faults


def least_share(device: torch.device) -> float:
    """Share of a stack below which it is stacked anew: on a CPU each run costs time, on a GPU recording a step does."""
    return KEPT if device.type == "cuda" else 1.0


class Stack:
    """Runs in training together, all at the same step."""

    def __init__(self, trainers: Sequence[Trainer], write: Callable[[Trainer], None]) -> None:
        """Stack their tensors, which become views of the stack's; `write` is called for each run that ends."""
        self.trainers, self.going, self.write, self.first = trainers, list(trainers), write, trainers[0]
        self.faults: list[Fault] = []
        model = StackedModel(trainers)
        self.training, device = TrainingStep(model, trainers), self.first.device
        self.step = repeated(self.training, device)
        self.validation = ValidationStep(model, trainers) if device.type != "cpu" else None
        self.validate = repeated(self.validation, device) if self.validation else None
        self.started, self.first_step = time.monotonic(), self.first.state.step
        self.saved, self.pause = self.started, loop.shortest_pause()

    def epoch(self) -> None:
        """Do the steps of an epoch that are not done yet, then close it for each run."""
        epoch, steps, step = self.going[0].state.epoch, self.first.loader.steps, self.first.state.step
        self.training.load(epoch, step - epoch * steps)
        for i in range(step - epoch * steps, steps):
            self.step()
            for trainer in self.trainers:
                trainer.state.step += 1
            if time.monotonic() - self.saved > self.pause:
                self._checkpoint(i)
        self._close()

    def _checkpoint(self, i: int) -> None:
        """Save every run after step i of the epoch."""
        start = time.monotonic()
        self._each(lambda k, trainer: trainer.checkpoint(i))
        self.saved = time.monotonic()
        self.pause = max(loop.shortest_pause(), (self.saved - start) / CHECKPOINT_SHARE)

    def _close(self) -> None:
        """Close the epoch of each run; one that ends is written, and leaves."""
        validated = self._validated()
        self._each(lambda k, trainer: self._close_run(trainer, validated(k)))
        ended = [trainer for trainer in self.going if trainer.ended()]
        for trainer in ended:
            self.write(trainer)
        self.going = [trainer for trainer in self.going if trainer not in ended]

    def _close_run(self, trainer: Trainer, validated: tuple[Tensor, Tensor] | None) -> None:
        trainer.close_epoch(validated)
        log.info(
            trainer.line(time.monotonic() - self.started, trainer.state.step - self.first_step), extra=trainer.at()
        )

    def _validated(self) -> Callable[[int], tuple[Tensor, Tensor] | None]:
        """By run: terms and means of the validation rows, or on a CPU None, where each run's plain loop has them."""
        if self.validation is None or self.validate is None:
            return lambda k: None
        self.validation.step.zero_()
        for _ in range(self.first.validation.steps):
            self.validate()
        values, means = self.validation.values.mean(1).cpu(), self.validation.means.flatten(1, 2)
        return lambda k: (values[k], means[k])

    def _each(self, action: Callable[[int, Trainer], None]) -> None:
        """Do something for each run that goes on, by its place; one that is refused leaves."""
        for k, trainer in enumerate(self.trainers):
            if trainer in self.going:
                try:
                    action(k, trainer)
                except Refused as refused:
                    self.faults += refused.faults
                    self.going.remove(trainer)
