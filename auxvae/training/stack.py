"""Runs of one composition trained as one program: their tensors have a first axis of runs.

    loss = sum_k sum_t w_kt term_t(theta_k, batch_k, draws_k)        one vmapped call; then clip and Adam for each run

A step of a small network is mostly overhead, which the runs of a stack share. Each run keeps its Trainer, whose tensors
become views of the stack's: validation, checkpoints, queues and the run's folder are those of a run alone. On a CPU a
batched product computes each member by itself, so that a run's bytes do not depend on the stack that it is in; they
agree with those of the plain loop to rounding (both are tested). HFTA (arXiv 2102.02344) is the prior system for arrays
of models; here every member resumes exactly, too.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import pad

from auxvae.config.run import Run
from auxvae.data.loader import Batch
from auxvae.models.model import Loss, Model, Posterior, draws_at
from auxvae.training import loop
from auxvae.training.loop import Observer, Trainer, follow_nothing, open_trainer, write_run
from auxvae.training.optimiser import rate, set_rate
from foundation.console import log
from foundation.faults import Fault, Refused
from foundation.files import locked

Tensors = dict[str, Tensor]
MOMENTS = ("exp_avg", "exp_avg_sq")


def composition(run: Run) -> tuple[object, ...]:
    """Equal for runs that may be stacked: they differ in seed, weights, coverage and continuous settings alone."""
    settings = replace(run.settings, capacity=0.0, cooling=1.0, prior_variance=1.0, mmd=replace(run.mmd, width=1.0))
    sized = run.composition.companion or run.composition.conditional == "copied" or run.prior.kind != "normal"
    return run.method, run.network, run.training, settings, len(run.aux) if sized else None


def train_stack(
    runs: Sequence[Run], store: Path, results: Path, device: torch.device, observer: Observer = follow_nothing
) -> None:
    """Train runs of one composition from their checkpoints, if any, and write their folders.

    A run that is refused leaves the stack; the others go on, and all faults are raised at the end.
    """
    faults: list[Fault] = []
    with ExitStack() as locks:
        trainers: list[Trainer] = []
        for run in runs:
            try:
                locks.enter_context(locked(results / "work" / run.id / "lock", run.id))
                trainers.append(open_trainer(run, store, results, device, observer))
            except Refused as refused:
                faults += refused.faults
        for step in sorted({trainer.state.step for trainer in trainers}):
            faults += _train([trainer for trainer in trainers if trainer.state.step == step])
        for trainer in trainers:
            if trainer.ended():
                write_run(trainer, results)
    if faults:
        raise Refused(faults)


def _train(trainers: list[Trainer]) -> list[Fault]:
    """Train runs that are at the same step, each to its end; the faults of those that are refused on the way."""
    faults: list[Fault] = []
    going = [trainer for trainer in trainers if not trainer.ended()]
    while going:
        stack = Stack(going)
        while all(stack.epoch()):
            pass
        faults += [fault for refused in stack.refused.values() for fault in refused.faults]
        going = [t for t in going if t.run.id not in stack.refused and not t.ended()]
    return faults


class Stack:
    """Runs in training together, all at the same step."""

    def __init__(self, trainers: Sequence[Trainer]) -> None:
        """Stack their tensors, which become views of the stack's."""
        self.trainers, self.first = trainers, trainers[0]
        self.refused: dict[str, Refused] = {}
        self.parameters, self.buffers = self._stack_network()
        self.varying = {name: self._stack_attribute(name) for name in self.first.model.varying}
        self.weights = _stacked([trainer.weights for trainer in trainers])
        self.values = _stacked([trainer.state.values for trainer in trainers])
        for k, trainer in enumerate(trainers):
            trainer.state.values = self.values[k]
        self.optimiser = self._stack_optimisers()
        self.started, self.first_step = time.monotonic(), self.first.state.step
        self.first.saved = self.started

    def _stack_network(self) -> tuple[Tensors, Tensors]:
        """Parameters and saved buffers by name; other buffers are constants that all runs share."""
        networks = [trainer.model.network for trainer in self.trainers]
        stacked = {name: _bind([dict(network.state_dict(keep_vars=True))[name] for network in networks])
                   for name in networks[0].state_dict()}  # fmt: skip
        parameters = dict(networks[0].named_parameters())
        trained = {name: each.requires_grad_() for name, each in stacked.items() if name in parameters}
        return trained, {name: each for name, each in stacked.items() if name not in parameters}

    def _stack_attribute(self, name: str) -> Any:
        """An attribute of the models, a tensor or a record of tensors."""
        values = [getattr(trainer.model, name) for trainer in self.trainers]
        if isinstance(values[0], Tensor):
            return _bind(values)
        return type(values[0])(*(_bind(list(each)) for each in zip(*values, strict=True)))

    def _stack_optimisers(self) -> torch.optim.Adam:
        """One Adam for all runs, with their moments; the moments of each run are views of it."""
        names = {id(parameter): name for name, parameter in self.first.model.network.named_parameters()}
        optimisers = [trainer.state.optimiser for trainer in self.trainers]
        groups = [{**group, "params": [self.parameters[names[id(p)]] for p in group["params"]]}
                  for group in optimisers[0].param_groups]  # fmt: skip
        joint = torch.optim.Adam(groups, lr=groups[0]["lr"], fused=groups[0]["fused"])
        for g, group in enumerate(joint.param_groups):
            for i, stacked in enumerate(group["params"]):
                members = [(each, each.param_groups[g]["params"][i]) for each in optimisers]
                joint.state[stacked] = _moments(members)
        return joint

    def epoch(self) -> list[bool]:
        """Do the steps of an epoch that are not done yet; whether each run goes on after it."""
        first, epoch = self.first, self.first.state.epoch
        start = first.state.step - epoch * first.loader.steps
        sources = [trainer.loader.batches(trainer.run.seed, epoch, start) for trainer in self.trainers]
        draws, progress = self.draws(epoch), first.progress(epoch)
        for i, batches in enumerate(zip(*sources, strict=True), start):
            self._step(self._joined(batches), draws_at(draws, i), progress[i], i)
            if time.monotonic() - first.saved > loop.CHECKPOINT_SECONDS:
                self._each(partial(Trainer.checkpoint, i=i))
                first.saved = time.monotonic()
        self._each(self._close)
        return [trainer.run.id not in self.refused and not trainer.ended() for trainer in self.trainers]

    def draws(self, epoch: int) -> Any:
        """The models' random numbers of an epoch, each (steps, runs, ...)."""
        steps, size = self.first.loader.steps, self.first.loader.size
        draws = [trainer.draws("latents", epoch, steps, size) for trainer in self.trainers]
        return type(draws[0])(*(_stacked(each, 1) for each in zip(*draws, strict=True)))

    def _joined(self, batches: Sequence[Batch]) -> Batch:
        """The batches of a step as one, auxiliary variables with a column for every latent."""
        width = self.first.run.network.latents
        wide = [b._replace(aux=_padded(b.aux, width), observed=_padded(b.observed, width)) for b in batches]
        return Batch(*(_stacked(each) for each in zip(*wide, strict=True)))

    def _step(self, batch: Batch, draws: Any, progress: Tensor, i: int) -> None:
        """One step of the optimiser for every run."""
        training, state = self.first.run.training, self.first.state
        set_rate(self.optimiser, rate(training.schedule, state.step, self.first.total))
        calls = vmap(self._terms, in_dims=(0, 0, 0, 0, 0, None))
        values, codes = calls(self.parameters, self.buffers, self.varying, batch, draws, progress)
        self.optimiser.zero_grad(set_to_none=True)
        (values * self.weights).sum().backward()
        if training.clip is not None:
            for group in self.optimiser.param_groups:
                _clip(group["params"], training.clip)
        self.optimiser.step()
        self.values[:, i] = values.detach()
        with torch.no_grad():
            for k, trainer in enumerate(self.trainers):
                trainer.model.after_step(Posterior(*(each[k] for each in codes)))
                trainer.state.step += 1

    def _terms(
        self, parameters: Tensors, buffers: Tensors, varying: Mapping[str, Any], batch: Batch, draws: Any, done: Tensor
    ) -> tuple[Tensor, Posterior]:
        """The terms of one run, (terms,), and its codes."""
        model = copy.copy(self.first.model)
        for name, value in varying.items():
            setattr(model, name, value)
        tensors = {f"network.{name}": each for name, each in (parameters | buffers).items()}
        loss: Loss = functional_call(_Call(model), tensors, (batch, draws, done))
        return torch.stack([loss.terms[name] for name in self.first.run.terms]), loss.codes

    def _close(self, trainer: Trainer) -> None:
        trainer.close_epoch()
        log.info(trainer.line(time.monotonic() - self.started, trainer.state.step - self.first_step))

    def _each(self, action: Callable[[Trainer], None]) -> None:
        """Do something for each run; what is refused is kept, and the others go on."""
        for trainer in self.trainers:
            if trainer.run.id not in self.refused:
                try:
                    action(trainer)
                except Refused as refused:
                    self.refused[trainer.run.id] = refused


class _Call(nn.Module):
    """A model's loss as a module, so that its network's tensors can be replaced for one call."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network, self.loss = model.network, model.loss

    def forward(self, batch: Batch, draws: Any, progress: Tensor) -> Loss:
        return self.loss(batch, draws, progress)


def _stacked(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors of all runs; those of a lone run twice, since a batched product of one takes another path."""
    return torch.stack([*tensors, *tensors] if len(tensors) == 1 else list(tensors), dim)


def _bind(tensors: list[Tensor]) -> Tensor:
    """The tensors stacked; each of them is made a view of its place in the stack."""
    stacked = _stacked([each.detach() for each in tensors])
    for k, each in enumerate(tensors):
        each.data = stacked[k]
    return stacked


def _moments(members: list[tuple[torch.optim.Adam, Tensor]]) -> Tensors:
    """Adam's moments of one parameter of all runs; those of each run become views of them."""
    empty = [optimiser.state[p] or _no_moments(p) for optimiser, p in members]
    moments = {"step": empty[0]["step"], **{name: _bind([each[name] for each in empty]) for name in MOMENTS}}
    for k, (optimiser, p) in enumerate(members):
        optimiser.state[p] = {"step": moments["step"], **{name: moments[name][k] for name in MOMENTS}}
    return moments


def _no_moments(parameter: Tensor) -> Tensors:
    step = torch.zeros((), dtype=torch.float32, device=parameter.device)
    return {"step": step, **{name: torch.zeros_like(parameter) for name in MOMENTS}}


def _padded(columns: Tensor, width: int) -> Tensor:
    return pad(columns, (0, width - columns.shape[1]))


def _clip(parameters: list[Tensor], largest: float) -> None:
    """Scale the gradients of each run so that their norm is at most the largest."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms = torch.stack([each.flatten(1).norm(dim=1) for each in gradients]).norm(dim=0)
    share = (largest / (norms + 1e-6)).clamp(max=1)
    for each in gradients:
        each.mul_(share.view(-1, *[1] * (each.ndim - 1)))
