"""The training loop: Adam, a schedule, the best weights kept, and state that survives being killed.

The batches of epoch e and the latent noise of step s are addressed by (seed, e) and (seed, s); validation noise by the
seed alone. The state after an epoch is therefore all that a restart needs, and a run that was killed ends in the
same bytes as one that was not. A term that is not finite stops its run, and says which term, step and run.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from auxvae.config.spec import Fleet, Run, Training
from auxvae.data import run_folder as runs
from auxvae.data.randomness import order
from auxvae.data.store import Part, Scaling, Store, run_likelihood, scaling
from auxvae.losses.objective import Objective
from auxvae.metrics.closed import FactorColumns, closed_forms, factor_columns
from auxvae.models.autoencoder import Autoencoder, build
from auxvae.models.prior_checks import prior_faults
from auxvae.training.fleet import choose_device, train_fleet
from foundation.console import log, span
from foundation.faults import Fault, Refused, Words
from foundation.files import locked, write_json

CHECKPOINT_SECONDS = 15.0
SECOND_BETAS = (0.5, 0.9)  # of a second network (arXiv 1802.05983, 2007.00830)
WARM_UP = 0.1  # share of the steps over which one_cycle rises


@dataclass
class Rows:
    """Images on the likelihood's scale and told factors in [0, 1], on the device."""

    images: Tensor
    u: Tensor


@dataclass
class State:
    """What changes while a run is trained, beside its network and optimiser; all of it goes into the checkpoint."""

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = math.inf
    history: runs.History = field(default_factory=list)


def train_all(fleet: Fleet, store: Path, results: Path, wanted: str, workers: int) -> None:
    """Train a fleet on the device that is wanted, and write its manifest once all its runs are finished."""
    device = choose_device(wanted)
    log.info(f"{fleet.id}: {len(fleet.runs)} runs on {device}")
    train(fleet, store, results, device, workers)
    manifest = {"runs": [run.id for run in fleet.runs], "device": str(device)}
    write_json(results / "fleets" / f"{fleet.id}.json", manifest)


def train(fleet: Fleet, store: Path, results: Path, device: torch.device, workers: int) -> None:
    """Train the runs of a fleet that are not finished yet; refuse at the end with what stopped any of them."""
    columns = cache(lambda source: Store(store, source).columns("train"))
    if wrong := prior_faults(fleet.runs, lambda run: columns(run.dataset) if run.prior.reads_factors() else {}):
        raise Refused(wrong)
    task = partial(train_run, store=store, results=results, device=device)
    open_runs = [run for run in fleet.runs if not runs.is_finished(results / "runs" / run.id, run)]
    faults: list[Fault] = []
    for run, refused in train_fleet(open_runs, task, workers if device.type == "cpu" else 1):
        log.info(f"{run.title}: stopped" if refused else f"{run.title}: finished")
        faults += refused.faults if refused else ()
    if faults:
        raise Refused(faults)


def train_run(run: Run, store: Path, results: Path, device: torch.device) -> None:
    """Train one run from where it stands to its folder; on a CPU with one thread, since sums depend on their order."""
    if device.type == "cpu":
        torch.set_num_threads(1)
    work = results / "work" / run.id
    with locked(work / "lock", run.id):
        trainer = Trainer(run, Store(store, run.dataset), work, device)
        trainer.train()
        kept = trainer.best if run.training.keep == "best" else _weights(trainer.network)
        folder = results / "runs" / run.id
        runs.finish(folder, work, run, trainer.scaling, kept, _weights(trainer.network), trainer.state.history)


class Trainer:
    """One run at work: network, optimiser, data and state."""

    def __init__(self, run: Run, store: Store, work: Path, device: torch.device) -> None:
        """Read the data, build the network and take up the state that an earlier start left."""
        self.run, self.work, self.device = run, work, device
        train, validation = store.part("train"), store.part("validation")
        self.scaling: Scaling = scaling(run, store, train)
        extremes = (self.scaling.count_low, self.scaling.count_high)
        kind = run_likelihood(run, store, train, extremes)
        self.network: Autoencoder = build(run, self.scaling.mean, self.scaling.std, kind.bounded).to(device)
        u = train.told(run.aux, self.scaling)
        self.objective = Objective.of(run, kind, store.columns("train"), u, device)
        self.train_rows = self._rows(train, store, extremes)
        self.validation_rows = self._rows(validation, store, extremes)
        self.factor_columns = factor_columns(validation.factors, device)
        self.optimiser = adam(self.network, run.training)
        self.steps = len(self.train_rows.images) // run.training.batch
        self.state, self.best = State(), _weights(self.network)
        self.queue = torch.zeros(0, run.network.latents, device=device)  # codes of the latest batches
        self._resume()

    def _rows(self, part: Part, store: Store, extremes: tuple[float, float]) -> Rows:
        images = run_likelihood(self.run, store, part, extremes).to_scale(part.images)
        u = part.told(self.run.aux, self.scaling)
        return Rows(images.to(self.device), u.to(self.device))

    def train(self) -> None:
        """Epoch after epoch, until the last or until patience ends."""
        saved = start = time.monotonic()
        first, epochs = self.state.epoch, self.run.training.epochs
        while self.state.epoch < epochs and not self._patience_ended():
            self._epoch()
            now = time.monotonic()
            left = (now - start) / (self.state.epoch - first) * (epochs - self.state.epoch)
            log.info(self._line(now - start, self.state.epoch - first, left))
            if now - saved > CHECKPOINT_SECONDS:
                saved = now
                self._save()

    def _line(self, seconds: float, epochs: int, left: float) -> str:
        row = self.state.history[-1]
        terms = " ".join(f"{name} {row[f'train_{name}']:.4g}" for name in self.run.terms)
        speed = epochs * self.steps * self.run.training.batch / seconds
        head = f"{self.run.title}: epoch {self.state.epoch} of {self.run.training.epochs}"
        return (
            f"{head}, {terms}, validation loss {row['validation_loss']:.5g}, {speed:,.0f} images/s, {span(left)} left"
        )

    def _patience_ended(self) -> bool:
        patience = self.run.training.patience
        return patience is not None and self.state.epoch - self.state.best_epoch >= patience

    def _epoch(self) -> None:
        """One pass over the training rows, one look at the validation rows, one row of history."""
        values = self._pass()
        validation, codes = self._validate()
        self._guard(torch.cat([values, validation[None]]))
        self.state.epoch += 1
        loss = float(validation @ self.objective.weights.cpu())
        if loss < self.state.best_loss:
            self.state.best_loss, self.state.best_epoch = loss, self.state.epoch
            self.best = _weights(self.network)
        row: dict[str, float] = {"epoch": self.state.epoch, "validation_loss": loss}
        for name, mean, held in zip(self.run.terms, values.mean(0).tolist(), validation.tolist(), strict=True):
            row |= {f"train_{name}": mean, f"validation_{name}": held}
        self.state.history.append(row | self._measured(codes))

    def _pass(self) -> Tensor:
        """Train on every batch of the epoch; the terms of each step, shape (steps, terms), leave the device once."""
        training, epoch = self.run.training, self.state.epoch
        rows = order(self.run.seed, epoch, len(self.train_rows.images)).to(self.device)
        values = torch.empty(self.steps, len(self.run.terms), device=self.device)
        for i in range(self.steps):
            step = epoch * self.steps + i
            for group in self.optimiser.param_groups:
                group["lr"] = group["largest"] * rate(training.schedule, step, training.epochs * self.steps)
            values[i], codes = self._step(rows[i * training.batch : (i + 1) * training.batch], step)
            if self.run.mmd.queue:
                self.queue = torch.cat([self.queue, codes])[-self.run.mmd.queue :]
        return values.cpu()

    def _step(self, rows: Tensor, step: int) -> tuple[Tensor, Tensor]:
        images, u = self.train_rows.images[rows], self.train_rows.u[rows]
        draws = self.objective.draw("latents", step, u, self.queue)
        progress = step / (self.run.training.epochs * self.steps)
        values, codes = self.objective.values(self.network, images, u, draws, progress)
        self.optimiser.zero_grad(set_to_none=True)
        (values @ self.objective.weights).backward()  # type: ignore[no-untyped-call]
        if self.run.training.clip is not None:
            for group in self.optimiser.param_groups:
                torch.nn.utils.clip_grad_norm_(group["params"], self.run.training.clip)
        self.optimiser.step()
        return values.detach(), codes.sample

    def _guard(self, values: Tensor) -> None:
        """Refuse an epoch in which a term was not finite, on a training batch or, as the last row, in validation."""
        broken = (~values.isfinite()).nonzero()
        if len(broken):
            i, term = broken[0].tolist()
            step = self.state.epoch * self.steps + i + 1
            name = self.run.terms[term]
            where, value = f"{self.run.id}, step {step}", Words(f"{name} = {values[i, term]:g}")
            raise Refused(Fault(where, value, "every term must be finite", "lower the learning rate or that weight"))

    @torch.no_grad()
    def _validate(self) -> tuple[Tensor, Tensor]:
        """Mean of every term over the validation rows, in batches of the training's size, (terms,), and the codes."""
        rows, batch = self.validation_rows, self.run.training.batch
        cuts = [slice(i, i + batch) for i in range(0, max(1, len(rows.images) - batch + 1), batch)]
        values, means = [], []
        for i, cut in enumerate(cuts):
            draws = self.objective.draw("validation", i, rows.u[cut])
            terms, codes = self.objective.values(self.network, rows.images[cut], rows.u[cut], draws)
            values.append(terms)
            means.append(codes.mean)
        return torch.stack(values).mean(0).cpu(), torch.cat(means)

    def _measured(self, codes: Tensor) -> dict[str, float]:
        """The metrics in closed form of the first validation rows' posterior means."""
        if self.factor_columns is None:
            return {}
        columns = FactorColumns(*(each[: len(codes)] for each in self.factor_columns))
        return {f"validation_{name}": float(value) for name, value in closed_forms(codes, columns).items()}

    def _save(self) -> None:
        tensors = {f"network.{k}": v for k, v in _weights(self.network).items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        moments = self.optimiser.state_dict()["state"]
        tensors |= {f"adam.{i}.{k}": v.cpu().contiguous() for i, each in moments.items() for k, v in each.items()}
        tensors["queue"] = self.queue.cpu()
        runs.save_checkpoint(self.work, self.run, tensors, vars(self.state))

    def _resume(self) -> None:
        found = runs.load_checkpoint(self.work, self.run)
        if found is None:
            return
        tensors, state = found
        self.state = State(**state)
        self.network.load_state_dict(_below("network.", tensors))
        self.best = _below("best.", tensors)
        self.queue = tensors["queue"].to(self.device)
        self._resume_moments(_below("adam.", tensors))
        log.info(f"{self.run.title}: goes on after epoch {self.state.epoch}")

    def _resume_moments(self, saved: dict[str, Tensor]) -> None:
        """Put Adam's moments back in the memory layout of their weights, which the fused step takes for granted."""
        moments: dict[int, dict[str, Tensor]] = {}
        weights = list(self.network.parameters())
        for name, tensor in saved.items():
            index, key = name.split(".")
            laid = torch.empty_like(weights[int(index)].detach()).copy_(tensor) if tensor.ndim else tensor
            moments.setdefault(int(index), {})[key] = laid
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": moments})


def adam(network: Autoencoder, training: Training) -> torch.optim.Adam:
    """Adam for the model, and with a shorter memory for its second network."""
    second = [] if network.second is None else list(network.second.parameters())
    model = list(network.parameters())[: -len(second) or None]
    groups = [{"params": model, "largest": training.learning_rate}]
    if second:
        groups.append({"params": second, "largest": training.second_learning_rate, "betas": SECOND_BETAS})
    return torch.optim.Adam(groups, lr=training.learning_rate, fused=True)


def rate(schedule: str, step: int, steps: int) -> float:
    """Learning rate of a step as a share of the largest."""
    if schedule == "constant":
        return 1.0
    done = step / steps
    rise = WARM_UP if schedule == "one_cycle" else 0.0
    if done < rise:
        return max(done / rise, 0.02)
    return 0.5 * (1 + math.cos(math.pi * (done - rise) / (1 - rise)))


def _weights(network: Autoencoder) -> dict[str, Tensor]:
    """A copy of the network's weights on the CPU, each in plain order."""
    return {name: value.detach().cpu().clone().contiguous() for name, value in network.state_dict().items()}


def _below(prefix: str, tensors: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
