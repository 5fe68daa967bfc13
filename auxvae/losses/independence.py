r"""Terms that penalise dependence between latents; they use no factor.

    total_correlation      KL(q(z) || prod_j q(z_j)) over the minibatch as the whole data (arXiv 1802.04942, eq. S4):
                           mean_j [ log mean_i q(z_j|x_i) - sum_l log mean_i q(z_jl|x_i) ]
    density_ratio          E D(z), with D the log odds of a frozen discriminator          (arXiv 1802.05983, eq. 2)
    discriminator          its cross entropy on codes and on codes shuffled latent by latent, both without gradient
    covariance_of_means    sum_{i != j} Cov(mu)_ij^2                                      DIP-VAE-I, arXiv 1711.00848
    variance_of_means      sum_i (Cov(mu)_ii - 1)^2
    ..._of_samples         both with Cov(mu) + E diag sigma^2                             DIP-VAE-II

Deviations: means over the minibatch in place of importance weights for the data set's size, which change the total
correlation by a constant; density_ratio is the log odds of one output in place of the difference of two.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from auxvae.losses.inputs import Nats, TermInputs, TermSettings
from auxvae.models.critics import frozen

Codes = Float[Tensor, "B d"]


def total_correlation(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Total correlation of the aggregate posterior, in nats."""
    mean, log_variance, z = inputs.posterior
    joint: Tensor = JointDensity.apply(z, mean, log_variance)  # type: ignore[no-untyped-call]
    marginals: Tensor = MarginalDensity.apply(z, mean, log_variance)  # type: ignore[no-untyped-call]
    return (_log_mean_exp(joint) - marginals.sum(1)).mean()


def _log_mean_exp(values: Float[Tensor, "B B"]) -> Float[Tensor, " B"]:
    return values.logsumexp(1) - math.log(values.shape[1])


def _log_density(z: Tensor, mean: Tensor, log_variance: Tensor) -> Float[Tensor, "B B"]:
    """Density log q(z_j|x_i) of one latent in row j and column i, from three columns (B,)."""
    distance = (z[:, None] - mean).square() * (-log_variance).exp()
    return -0.5 * (distance + log_variance + math.log(2 * math.pi))


Columns = list[tuple[Tensor, Tensor, Tensor]]


def _columns(*codes: Codes) -> Columns:
    return list(zip(*(each.unbind(1) for each in codes), strict=True))


def _stacked(columns: Columns) -> tuple[Tensor, Tensor, Tensor]:
    z, mean, log_variance = (torch.stack(parts, 1) for parts in zip(*columns, strict=True))
    return z, mean, log_variance


class JointDensity(torch.autograd.Function):
    """log q(z_j|x_i) in row j and column i, (B, B): latent after latent, forwards and backwards."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        """From (B, d) each."""
        first, *others = _columns(z, mean, log_variance)
        total = _log_density(*first)
        for each in others:
            total = total + _log_density(*each)
        return total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Save the inputs; the backward pass recomputes the rest."""
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The gradient of every pair of rows, accumulated latent by latent."""
        return _stacked([_pull(gradients[0], *each) for each in _columns(*ctx.saved_tensors)])


class MarginalDensity(torch.autograd.Function):
    """log mean_i q(z_jl|x_i), (B, d), latent after latent: one n x n array at a time, forwards and backwards."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        """From (B, d) each."""
        return torch.stack([_log_mean_exp(_log_density(*each)) for each in _columns(z, mean, log_variance)], 1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Save the inputs; the backward pass recomputes the rest."""
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The gradient of a logarithm of a mean: posterior i pulls a code with its share of the density there."""
        columns = zip(gradients[0].unbind(1), _columns(*ctx.saved_tensors), strict=True)
        return _stacked([_pull(_log_density(*each).softmax(1) * g[:, None], *each) for g, each in columns])


def _pull(weight: Tensor, z: Tensor, mean: Tensor, log_variance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients (B,) of sum_ji weight_ji log q(z_j|x_i) of one latent with respect to z, mean and log variance."""
    precision = (-log_variance).exp()
    pull = (z[:, None] - mean) * precision * weight
    width = 0.5 * ((z[:, None] - mean).square() * precision - 1) * weight
    return -pull.sum(1), pull.sum(0), width.sum(0)


def density_ratio(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Total correlation, estimated as the mean log odds of the discriminator."""
    odds: Tensor = frozen(inputs.companion_network())(inputs.posterior.sample)
    return odds.mean()


def discriminator(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Cross entropy of the discriminator between codes and codes whose latents come from different images."""
    z, network = inputs.posterior.sample.detach(), inputs.companion_network()
    apart = z.gather(0, inputs.shuffle)
    return 0.5 * (softplus(-network(z)).mean() + softplus(network(apart)).mean())


def covariance_of_means(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Off-diagonal part of DIP-VAE-I."""
    return _off_diagonal(_covariance(inputs.posterior.mean))


def variance_of_means(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Diagonal part of DIP-VAE-I."""
    return _diagonal(_covariance(inputs.posterior.mean))


def covariance_of_samples(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Off-diagonal part of DIP-VAE-II."""
    return _off_diagonal(_covariance(inputs.posterior.mean))


def variance_of_samples(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Diagonal part of DIP-VAE-II."""
    return _diagonal(_covariance(inputs.posterior.mean) + inputs.posterior.log_variance.exp().mean(0).diag_embed())


def _covariance(codes: Codes) -> Float[Tensor, "d d"]:
    centred = codes - codes.mean(0)
    return centred.T @ centred / len(codes)


def _off_diagonal(covariance: Float[Tensor, "d d"]) -> Nats:
    return covariance.square().sum() - covariance.diagonal().square().sum()


def _diagonal(covariance: Float[Tensor, "d d"]) -> Nats:
    return (covariance.diagonal() - 1).square().sum()
