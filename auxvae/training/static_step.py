"""A step of a stack as a fixed sequence of operations on tensors at fixed addresses, as a CUDA graph needs it.

    theta_k <- theta_k - Adam(clip(grad sum_t w_kt term_t(theta_k, batch_k[i], draws_k[i])))      k = 1 .. K at once

i is a tensor on the device that a step advances itself. The rows of every batch of an epoch, its random numbers and its
learning rates lie on the device before the first step. A step therefore reads nothing from the host and tells it
nothing: no Python value depends on a tensor's (tests/auxvae/test_static_step.py repeats a recorded list of operations,
for every method, and compares the bytes with those of a stack that is not recorded).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call, vmap

from auxvae.data.loader import Batch, held
from auxvae.models.model import Loss, Model, Posterior
from auxvae.models.stacked_layers import in_bfloat16, stackable
from auxvae.training.convolution_choice import chosen_products
from auxvae.training.loop import Trainer
from auxvae.training.optimiser import rates
from auxvae.training.stacked_tensors import (
    StackedRows,
    Tensors,
    bind_attribute,
    bind_network,
    bind_optimisers,
    stacked,
)


class Numbers(NamedTuple):
    """What the S steps of an epoch read, at fixed addresses.

    plans: positions of the rows (S, K, B), and of an augmented run its elements (S, K, B). draws: random numbers, each
    (S, K, ...). progress (S,): share of the training that is done. rates (S, groups): learning rates.
    """

    plans: tuple[Int[Tensor, "S K B"], ...]
    draws: Any
    progress: Float[Tensor, " S"]
    rates: Float[Tensor, "S groups"]

    def at(self, step: Int[Tensor, "1"]) -> Numbers:
        """Those of one step, without the first axis."""
        plans = tuple(each.index_select(0, step)[0] for each in self.plans)
        progress, rates = (each.index_select(0, step)[0] for each in (self.progress, self.rates))
        return Numbers(plans, self.draws._make(each.index_select(0, step)[0] for each in self.draws), progress, rates)


class StackedModel:
    """The models of K runs of one composition as one: their terms, and what follows a step."""

    def __init__(self, trainers: Sequence[Trainer]) -> None:
        """Stack their tensors, which become views of the stack's."""
        models = [trainer.model for trainer in trainers]
        self.model, self.terms = copy.copy(models[0]), trainers[0].run.terms
        lower = trainers[0].run.training.gpu_precision == "bfloat16" and trainers[0].device.type != "cpu"
        network = stackable(models[0].network, chosen_products(trainers))
        self.model.network = in_bfloat16(network, trainers[0].device.type) if lower else network
        self.parameters, self.buffers = bind_network([model.network for model in models])
        self.varying = {name: bind_attribute(models, name) for name in self.model.varying}

    def __call__(self, batch: Batch, draws: Any, progress: Tensor) -> tuple[Tensor, Posterior]:
        """The terms of every run, (K, terms), and its codes, each (K, B, d_Z)."""
        calls = vmap(self._terms, in_dims=(0, 0, 0, 0, 0, None))
        values: tuple[Tensor, Posterior] = calls(self.parameters, self.buffers, self.varying, batch, draws, progress)
        return values

    @torch.no_grad()
    def after_step(self, batch: Batch, codes: Posterior) -> None:
        """What every model does after a step of the optimiser, to its tensors and varying attributes."""
        vmap(self._after_step)(self.parameters, self.buffers, self.varying, batch, codes)

    def _member(self, varying: Mapping[str, Any]) -> Model:
        model = copy.copy(self.model)
        for name, value in varying.items():
            setattr(model, name, value)
        return model

    def _terms(
        self, parameters: Tensors, buffers: Tensors, varying: Mapping[str, Any], batch: Batch, draws: Any, done: Tensor
    ) -> tuple[Tensor, Posterior]:
        tensors = {f"network.{name}": each for name, each in (parameters | buffers).items()}
        member = self._member(varying)
        loss: Loss = functional_call(_Call(member, member.loss), tensors, (batch, draws, done))
        return torch.stack([loss.terms[name] for name in self.terms]), loss.codes

    def _after_step(
        self, parameters: Tensors, buffers: Tensors, varying: Mapping[str, Any], batch: Batch, codes: Posterior
    ) -> Posterior:
        tensors = {f"network.{name}": each for name, each in (parameters | buffers).items()}
        member = self._member(varying)
        functional_call(_Call(member, member.after_step), tensors, (batch, codes))
        return codes


class _Call(nn.Module):
    """A function of a model as a module, so that its network's tensors can be replaced for one call."""

    def __init__(self, model: Model, function: Callable[..., Any]) -> None:
        super().__init__()
        self.network, self.function = model.network, function

    def forward(self, *inputs: Any) -> Any:
        return self.function(*inputs)


class TrainingStep:
    """One step of the optimiser for every run; called once per step, it goes through an epoch."""

    def __init__(self, model: StackedModel, trainers: Sequence[Trainer]) -> None:
        """Stack the weights of the terms, their values and the optimisers, and make room for an epoch's numbers."""
        self.model, self.trainers, first = model, trainers, trainers[0]
        self.rows = StackedRows([trainer.loader for trainer in trainers], first.run.network.latents)
        self.weights = stacked([trainer.weights for trainer in trainers])
        self.values = stacked([trainer.state.values for trainer in trainers])
        for k, trainer in enumerate(trainers):
            trainer.state.values = self.values[k]
        optimisers = [trainer.state.optimiser for trainer in trainers]
        self.optimiser = bind_optimisers(optimisers, first.model.network, model.parameters)
        self.clip = first.run.training.clip
        self.step = torch.zeros(1, dtype=torch.long, device=first.device)
        self.numbers: Numbers | None = None

    def load(self, epoch: int, step: int) -> None:
        """Write the numbers of an epoch to where the steps read them; the next step is this one of it."""
        first, self.numbers = self.trainers[0], self.numbers or self._room()
        copies = len(self.weights) // len(self.trainers)
        for k, trainer in enumerate(self.trainers):
            plans = held(trainer.loader).plans(trainer.run.seed, epoch)
            draws = trainer.draws("latents", epoch, first.loader.steps, first.loader.size)
            for place, each in zip((*self.numbers.plans, *self.numbers.draws), (*plans, *draws), strict=True):
                place[:, k * copies : (k + 1) * copies].copy_(each[:, None])
        self.numbers.progress.copy_(first.progress(epoch))
        self.numbers.rates.copy_(self._rates(epoch))
        self.step.fill_(step)

    def _room(self) -> Numbers:
        """Tensors for the numbers of an epoch."""
        first, runs = self.trainers[0], len(self.weights)
        steps, size = first.loader.steps, first.loader.size
        like = first.draws("latents", 0, 1, size)
        draws = like._make(each.new_empty(steps, runs, *each.shape[1:]) for each in like)
        groups = len(self.optimiser.param_groups)
        return Numbers(
            tuple(self.step.new_empty(steps, runs, size) for _ in range(2 if first.loader.augmentation else 1)),
            draws,
            self.values.new_empty(steps),
            self.values.new_empty(steps, groups),
        )

    def _rates(self, epoch: int) -> Float[Tensor, "S groups"]:
        """The learning rates of an epoch, on the CPU."""
        first, steps = self.trainers[0], self.trainers[0].loader.steps
        schedule = first.run.training.schedule
        return torch.tensor([rates(self.optimiser, schedule, epoch * steps + i, first.total) for i in range(steps)])

    def __call__(self) -> None:
        """Forward, backward, clip, optimiser, and the values of the terms."""
        assert self.numbers is not None, "load comes first"
        now, groups = self.numbers.at(self.step), self.optimiser.param_groups
        for group, largest in zip(groups, now.rates.unbind(), strict=True):
            group["lr"].copy_(largest)
        batch = self.rows.batch(*now.plans)
        values, codes = self.model(batch, now.draws, now.progress)
        self.optimiser.zero_grad(set_to_none=True)
        (values * self.weights).sum().backward()
        if self.clip is not None:
            for group in groups:
                _clip(group["params"], self.clip)
        self.optimiser.step()
        self.values.index_copy_(1, self.step, values.detach()[:, None])
        self.model.after_step(batch, codes)
        self.step.add_(1)


class ValidationStep:
    """The terms and posterior means of one batch of validation rows of every run."""

    def __init__(self, model: StackedModel, trainers: Sequence[Trainer]) -> None:
        """The random numbers are the same in every epoch."""
        self.model, first = model, trainers[0]
        loader = first.validation
        self.rows = StackedRows([trainer.validation for trainer in trainers], first.run.network.latents)
        draws = [trainer.draws("validation", 0, loader.steps, loader.size) for trainer in trainers]
        self.draws = draws[0]._make(stacked(each, 1) for each in zip(*draws, strict=True))
        self.done = torch.ones((), device=first.device)
        self.order = torch.arange(loader.steps * loader.size, device=first.device).view(loader.steps, 1, -1)
        self.order = self.order.expand(-1, len(self.rows.starts), -1).contiguous()
        self.values = self.done.new_zeros(len(self.rows.starts), loader.steps, len(first.run.terms))
        self.means = self.done.new_zeros(*self.values.shape[:2], loader.size, first.run.network.latents)
        self.step = torch.zeros(1, dtype=torch.long, device=first.device)

    @torch.no_grad()
    def __call__(self) -> None:
        """The next batch; a model knows by its network's mode that it is not trained on it."""
        self.model.model.network.eval()
        order, *draws = (each.index_select(0, self.step)[0] for each in (self.order, *self.draws))
        values, codes = self.model(self.rows.batch(order), self.draws._make(draws), self.done)
        self.values.index_copy_(1, self.step, values[:, None])
        self.model.model.network.train()
        self.means.index_copy_(1, self.step, codes.mean[:, None])
        self.step.add_(1)


def _clip(parameters: list[Tensor], largest: float) -> None:
    """Scale the gradients of each run so that their norm is at most the largest."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms = torch.stack([each.flatten(1).norm(dim=1) for each in gradients]).norm(dim=0)
    share = (largest / (norms + 1e-6)).clamp(max=1)
    for each in gradients:
        each.mul_(share.view(-1, *[1] * (each.ndim - 1)))
