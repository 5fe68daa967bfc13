"""The training loop of one run, for any family of models (models.model).

The batches and the random numbers of epoch e are drawn before it, addressed by (seed, purpose, e), and indexed by the
step; validation uses the same random numbers in every epoch. A run that is killed anywhere and restarted therefore
ends in the same bytes as one that is not. A term that is not finite stops the run, and says which term, step and run.

The best epoch is that of the least validation bound, sum_t w_t term_t over the terms `in_bound` (config.terms): the
loss of FactorVAE, say, falls when its discriminator loses ground, which makes no weights of the model better.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auxvae.config.run import Run
from auxvae.config.terms import TERMS
from auxvae.data import failures
from auxvae.data.loader import Batch
from auxvae.data.preparation import prepare
from auxvae.data.run_folder import claimed, finish
from auxvae.data.store import Store, open_store
from auxvae.models.model import Model, TrainingData, draws_at, make_model
from auxvae.training.checkpoint import resume, save_checkpoint
from auxvae.training.optimiser import adam, rates, set_rates
from auxvae.training.state import State, weights
from foundation.console import at, log, span
from foundation.faults import Fault, Refused, Words

CHECKPOINT_SECONDS = 15.0  # between two checkpoints, unless AUXVAE_CHECKPOINT_SECONDS says otherwise
LARGEST = 1e9  # of a pixel on the likelihood's scale: its square, and the sum of all, leave float32 few digits

Factors = Mapping[str, NDArray[np.float64]]
Follow = Callable[[Tensor], Mapping[str, float]]  # numbers by name from posterior means (N, d_Z) of validation rows
Observer = Callable[[Factors, torch.device], Follow]  # made from the factors (N,) of these rows


def shortest_pause() -> float:
    """Seconds of training between two checkpoints at least."""
    wanted = os.environ.get("AUXVAE_CHECKPOINT_SECONDS", str(CHECKPOINT_SECONDS))
    if not re.fullmatch(r"\d{1,9}(\.\d*)?", wanted):
        remedy = f"write a number of seconds, or leave it away for {CHECKPOINT_SECONDS:g}"
        raise Refused(Fault("AUXVAE_CHECKPOINT_SECONDS", wanted, "it must be a number from 0", remedy))
    return float(wanted)


def follow_nothing(factors: Factors, device: torch.device) -> Follow:
    """The observer that measures nothing."""
    return lambda codes: {}


def train_run(run: Run, store: Path, results: Path, device: torch.device, observer: Observer = follow_nothing) -> None:
    """Train one run from its checkpoint, if any, and write its folder."""
    with claimed(run, results):
        trainer = open_trainer(run, store, results, device, observer)
        trainer.train()
        write_run(trainer, results)


def open_trainer(run: Run, store: Path, results: Path, device: torch.device, observer: Observer) -> Trainer:
    """The trainer of a run, from its checkpoint if there is one."""
    if device.type == "cpu":
        torch.set_num_threads(1)  # sums depend on the order of their parts, and so on the number of threads
    return Trainer(run, open_store(store, run.dataset), results / "work" / run.id, device, observer)


def write_run(trainer: Trainer, results: Path) -> None:
    """Write the folder of a run whose training has ended."""
    run, state, last = trainer.run, trainer.state, weights(trainer.model)
    kept = state.best if run.training.keep == "best" else last
    finish(results / "runs" / run.id, trainer.work, run, trainer.scaling, kept, last, state.history)


class Trainer:
    """One run in training: model, batches, state."""

    def __init__(
        self, run: Run, store: Store, work: Path, device: torch.device, observer: Observer = follow_nothing
    ) -> None:
        """Read the data, build the model and take up the checkpoint, if there is one."""
        self.run, self.work, self.device = run, work, device
        self.scaling, train, validation = prepare(run, store)
        train, validation = train.of(run), validation.of(run)
        self.loader = train.batches(run, self.scaling, device, apart=run.composition.module == "contexts")
        self.validation = validation.batches(run, self.scaling, device)
        of_rows = (*train.aux(run, self.scaling), torch.from_numpy(train.context))
        data = TrainingData(train.likelihood, self.scaling, store.columns("train"), *of_rows, train.inputs)
        self.model: Model = make_model(run, data, device)
        self.images_scale = train.likelihood.to_scale
        self.weights = torch.tensor([run.weights[name] for name in run.terms], device=device)
        self.bound = torch.tensor([run.weights[name] * TERMS[name].in_bound for name in run.terms])
        kinds = {kind.factor for kind in run.dataset.kinds}  # what is followed takes factors for numbers on a line
        numbers = {name: values for name, values in validation.factors.items() if name not in kinds}
        self.follow = observer(numbers, device)
        self.state = self._new_state()
        if resume(work, run, self.state):
            log.info(f"{run.title}: resumes at step {self.state.step}")

    def _new_state(self) -> State:
        values = torch.zeros(self.loader.steps, len(self.run.terms), device=self.device)
        return State(self.model, adam(self.model, self.run.training), values, weights(self.model))

    @property
    def total(self) -> int:
        """Steps of the whole training."""
        return self.loader.steps * self.run.training.epochs

    def train(self) -> None:
        """Epoch after epoch, until the last or until patience ends."""
        self.saved = start = time.monotonic()
        self.pause = shortest_pause()
        first = self.state.step
        while not self.ended():
            self._epoch()
            log.info(self.line(time.monotonic() - start, self.state.step - first), extra=self.at())

    def ended(self) -> bool:
        """Whether the last epoch is done, or patience has ended the training before it."""
        training, epoch = self.run.training, self.state.epoch
        impatient = training.patience is not None and epoch - self.state.best_epoch >= training.patience
        return epoch >= training.epochs or impatient

    def at(self) -> dict[str, Any]:
        """How far the run is, for the progress bar of its fleet."""
        return at(self.run.id, self.state.epoch)

    def line(self, seconds: float, steps: int) -> str:
        """A message on the last epoch; so many steps took so many seconds."""
        row, epochs = self.state.history[-1], self.run.training.epochs
        terms = " ".join(f"{name} {row[f'train_{name}']:.4g}" for name in self.run.terms)
        head = f"{self.run.title}: epoch {self.state.epoch} of {epochs}, {terms}"
        speed = f"{steps * self.loader.size / seconds:,.0f} images/s" if steps else "all steps were done"
        left = span(seconds / steps * (self.total - self.state.step)) if steps else "nothing"
        return f"{head}, validation loss {row['validation_loss']:.5g}, {speed}, {left} left"

    def _epoch(self) -> None:
        """The steps of an epoch that are not done yet, then one row of history."""
        epoch, steps = self.state.epoch, self.loader.steps
        first = self.state.step - epoch * steps
        draws, progress = self.draws("latents", epoch, steps, self.loader.size), self.progress(epoch)
        for i, batch in enumerate(self.loader.batches(self.run.seed, epoch, first), first):
            self._step(batch, draws_at(draws, i), progress[i], i)
            if time.monotonic() - self.saved > self.pause:
                self.checkpoint(i)
        self.close_epoch()

    def progress(self, epoch: int) -> Tensor:
        """Share of the training that is done at each step of an epoch, (steps,)."""
        steps = self.loader.steps
        return ((epoch * steps + torch.arange(steps)) / self.total).float().to(self.device)

    def draws(self, purpose: str, index: int, steps: int, rows: int) -> Any:
        """The model's random numbers of so many steps, on the device."""
        draws = self.model.draw(self.run.seed, purpose, index, steps, rows)
        return draws._make(each.to(self.device) for each in draws) if draws else draws

    def _step(self, batch: Batch, draws: object, progress: Tensor, i: int) -> None:
        """One step of the optimiser; the values of the terms stay on the device until the epoch is closed."""
        state, training = self.state, self.run.training
        set_rates(state.optimiser, rates(state.optimiser, training.schedule, state.step, self.total))
        loss = self.model.loss(batch, draws, progress)
        values = torch.stack([loss.terms[name] for name in self.run.terms])
        state.optimiser.zero_grad(set_to_none=True)
        (values @ self.weights).backward()  # type: ignore[no-untyped-call]
        if training.clip is not None:
            for group in state.optimiser.param_groups:
                torch.nn.utils.clip_grad_norm_(group["params"], training.clip)
        state.optimiser.step()
        state.values[i] = values.detach()
        with torch.no_grad():
            self.model.after_step(batch, loss.codes)
        state.step += 1

    def checkpoint(self, i: int) -> None:
        """Save the state after step i of the epoch, unless a term is not finite."""
        self._refuse_infinite(self.state.values[: i + 1].cpu())
        save_checkpoint(self.work, self.run, self.state)
        self.saved = time.monotonic()

    def close_epoch(self, validated: tuple[Tensor, Tensor] | None = None) -> None:
        """Measure the validation rows (or take what a stack did), keep the best weights, add a row to the history."""
        values, state = self.state.values.cpu(), self.state
        terms, codes = validated or self._validate()
        self._refuse_infinite(torch.cat([values, terms[None]]))
        loss, bound = float(terms @ self.weights.cpu()), float(terms @ self.bound)
        if bound < state.best_bound:
            state.best_bound, state.best_epoch, state.best = bound, state.epoch + 1, weights(self.model)
        row: dict[str, float] = {"epoch": state.epoch + 1, "validation_loss": loss, "validation_bound": bound}
        for name, train, validation in zip(self.run.terms, values.mean(0).tolist(), terms.tolist(), strict=True):
            row |= {f"train_{name}": train, f"validation_{name}": validation}
        state.history.append(row | {f"validation_{name}": float(each) for name, each in self.follow(codes).items()})

    @torch.no_grad()
    def _validate(self) -> tuple[Tensor, Tensor]:
        """Mean of every term over the validation rows, (terms,), on the CPU, and the posterior means, (N, d_Z)."""
        draws = self.draws("validation", 0, self.validation.steps, self.validation.size)
        values, means, done = [], [], torch.ones((), device=self.device)
        self.model.network.eval()
        for i, batch in enumerate(self.validation.in_order()):
            loss = self.model.loss(batch, draws_at(draws, i), done)
            values.append(torch.stack([loss.terms[name] for name in self.run.terms]))
            means.append(loss.codes.mean)
        self.model.network.train()
        return torch.stack(values).mean(0).cpu(), torch.cat(means)

    def _refuse_infinite(self, values: Tensor) -> None:
        """Refuse terms (steps of this epoch, terms) that are not finite; a last row may be that of the validation."""
        broken = (~values.isfinite()).nonzero()
        if len(broken):
            i, term = broken[0].tolist()
            where = f"{self.run.id}, step {self.state.epoch * self.loader.steps + i + 1}"
            value = Words(f"{self.run.terms[term]} = {values[i, term]:g}")
            fault = Fault(where, value, "every term must be finite", self._remedy())
            failures.keep(self.run, self.work.parent.parent, fault)
            raise Refused(fault)

    def _remedy(self) -> str:
        """What to do about a term that is not finite: images too large for float32 are to blame before the training."""
        largest = float(self.images_scale(torch.tensor([self.scaling.count_low, self.scaling.count_high])).abs().max())
        if largest > LARGEST:
            low, high = self.scaling.count_low, self.scaling.count_high
            return f"the images are to blame, with pixels from {low:g} to {high:g}: take out marks of missing pixels"
        return "lower the learning rate or that weight"
