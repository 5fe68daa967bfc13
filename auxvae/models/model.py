"""A model is four functions: `loss`, `encode`, `decode` and `sample`.

Training, checkpoints, fleets, analysis and report use these, the tensors of a model, and nothing that only an
autoencoder has. A family of models (auxvae.config.networks.FAMILIES) is one final class of this interface.
"""

from __future__ import annotations

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from auxvae.config.networks import FAMILIES
from auxvae.config.run import Run
from auxvae.data.likelihoods import Likelihood
from auxvae.data.loader import Batch
from auxvae.data.scaling import Scaling

Codes = Float[Tensor, "B d"]
POINT = -20.0  # log variance of a latent whose posterior is a point


class Posterior(NamedTuple):
    """q(z|x) of a batch and a sample of it, each of shape (B, d_Z)."""

    mean: Codes
    log_variance: Codes
    sample: Codes


class Loss(NamedTuple):
    """The terms of a batch by name, each a mean over the batch in nats per image, and its codes without gradient."""

    terms: dict[str, Float[Tensor, ""]]
    codes: Posterior


class TrainingData(NamedTuple):
    """What a model may use of its training rows beside the images: the likelihood, scaling constants and factors.

    factors: the auxiliary variables of all factors, (N,) by name, unscaled. aux: those of the run, (N, a) in [0, 1].
    error: their standard errors, infinite where they are unknown, (N, a); 0 if left out. context: the number of that
    of each row, (N,). inputs: what is beside the images, (N, p); nothing, if left out.
    """

    likelihood: Likelihood
    scaling: Scaling
    factors: Mapping[str, Tensor]
    aux: Float[Tensor, "N a"]
    error: Float[Tensor, "N a"] | None = None
    context: Int[Tensor, " N"] | None = None
    inputs: Float[Tensor, "N p"] | None = None


class Model(ABC):
    """The model of one run, made from (run, data, device), with weights that depend on the run's seed alone.

    network: the tensors that are saved with the run, parameters and buffers (a moving average of weights, say).
    can_decode: whether `decode` and `sample` exist; analyses that need images leave a model without them out. varying:
    attributes that differ between runs which may be stacked (training.stack), each a tensor or a NamedTuple of tensors.
    """

    network: nn.Module
    can_decode = True
    varying: tuple[str, ...] = ()

    @abstractmethod
    def loss(self, batch: Batch, draws: Any, progress: Float[Tensor, ""]) -> Loss:
        """Every term of the run's loss; progress in [0, 1] is the share of the training that is done."""

    @abstractmethod
    def encode(self, batch: Batch) -> tuple[Codes, Codes]:
        """Mean and log variance of the posterior, each (B, d_Z); a latent without a width has log variance POINT."""

    def decode(
        self, latents: Codes, context: Int[Tensor, " B"] | None = None, inputs: Float[Tensor, "B p"] | None = None
    ) -> Float[Tensor, "B C H W"]:
        """Images on the likelihood's scale; context: the number of each one's, the observational one if left out.

        Models that know nothing of contexts give the same images in all of them. inputs: what is beside each image, for
        models that are given anything.
        """
        raise NotImplementedError(f"{type(self).__name__} does not decode")

    def concepts(self, latents: Codes, context: Int[Tensor, " B"]) -> Float[Tensor, "B c"]:
        """What a context module makes of latents in contexts by number, a block for each concept."""
        raise NotImplementedError(f"{type(self).__name__} has no context module")

    def effects(self) -> Float[Tensor, "m m"]:
        """How strongly each concept (column) of a context module acts on each (row) where nothing is done."""
        raise NotImplementedError(f"{type(self).__name__} has no context module")

    def divergence(
        self, aux: Float[Tensor, "N a"], error: Float[Tensor, "N a"], posterior: Posterior
    ) -> Float[Tensor, " N"] | None:
        """KL of the posterior of each image from the model's prior, in nats; None where that has no density.

        aux, error: auxiliary variables and their standard errors, infinite where one is unknown.
        """
        return None

    def sample_prior(self, aux: Float[Tensor, "N a"], source: torch.Generator) -> Codes | None:
        """Samples of the prior of the residual latents at these auxiliary variables, None without a fixed prior."""
        return None

    def sample(self, count: int, source: torch.Generator, context: int | None = None) -> Float[Tensor, "B C H W"]:
        """So many images of the model's own, on the likelihood's scale, in a context of the data set if it has one."""
        raise NotImplementedError(f"{type(self).__name__} does not decode")

    def draw(self, seed: int, purpose: str, index: int, steps: int, rows: int) -> Any:
        """The random numbers of so many steps, addressed by (seed, purpose, index).

        A NamedTuple of CPU tensors whose first axis is the step; `loss` gets those of one step.
        """
        return ()

    def memory(self) -> dict[str, Tensor]:
        """Further tensors that training changes in place, such as a queue: saved in checkpoints, not with the run."""
        return {}

    def after_step(self, batch: Batch, codes: Posterior) -> None:  # noqa: B027, most families have nothing to do here
        """Called after each step of the optimiser: projections, moving averages, queues."""

    #: whether the schedule of the learning rate is that of the time in which parameters that rest learn
    in_phases = False

    def resting(self) -> list[tuple[list[nn.Parameter], tuple[float, float]]]:
        """Parameters that rest from one share of the training to another, each in one group at most."""
        return []

    def companion_parameters(self) -> list[nn.Parameter]:
        """Parameters with a learning rate of their own (those of a discriminator, say)."""
        return []


def draws_at(draws: Any, step: int) -> Any:
    """The random numbers of one step."""
    return draws._make(each[step] for each in draws) if draws else draws


def make_model(run: Run, data: TrainingData, device: torch.device) -> Model:
    """The model of a run, of its method's family."""
    family = pkgutil.resolve_name(FAMILIES[run.composition.family])
    model: Model = family(run, data, device)
    return model
