r"""KL divergences of the posterior from its prior, in nats per image, means over the batch.

    kl          KL(q(z|x) || p(z|u)), in closed form where the prior is Gaussian:
                1/2 sum_j [ (sigma_j^2 + (mu_j - m_j)^2) / v_j - 1 - log(sigma_j^2 / v_j) ]
                else log q(z|x) - log p(z) at the sampled z
    kl_told     KL of the auxiliary latents alone
    kl_free     c(t) KL of the residual latents from N(0, 1): latents that are not needed become inactive before the
                others are refined; c(t) = cooling^(1 - r(t)), r(t) = clamp((t - t_0) / (t_1 - t_0), 0, 1) at the share
                t of the training, with t_0 = cooling_from and t_1 = cooling_until
    kl_early    (c(t) - 1) KL of the residual latents from N(0, 1): beside `kl` of weight 1 it makes c(t) in all, and
                is 0 at the end, when the loss is the bound again
    calibration r(t) (-100 log q(u|x) - KL of the auxiliary latents): beside `kl` of weight 1 it puts the log likelihood
                of the auxiliary variables under the posterior in place of the KL from N(u_j, v), whose v sets the width
                of the posterior. A proper score is least where the posterior is as wide as its errors; 100, because
                the reconstruction, which is better the narrower the samples are, pulls with a weight of 1
    capacity    |KL - C(t)|, C rises linearly to `capacity` nats over the first third      (arXiv 1804.03599, eq. 8)
    vae_of_u    1/2 |u - u'|^2 + KL(q_c(z|u) || N(0, 1)), the VAE of the factors of IDVAE   (arXiv 2007.00830)

with the prior p(z|u) = N(m, v) of models.priors. Of a measurement with the error e it is N(m, v + e^2), and
`calibration` knows of e, too (auxvae.config.measured), with its full weight from the first step on: a wide prior leaves
a latent room for what is not its variable, and the score ties it to u. Where an auxiliary variable is unknown, the
prior of its latent has the mean and the variance of that variable over the training rows, and there is no
`calibration`.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from auxvae.losses.inputs import Nats, TermInputs, TermSettings
from auxvae.models.model import Posterior
from auxvae.models.priors import Gaussian, Prior, squared_errors

SCORE_WEIGHT = 100.0  # of -log q(u|x) in `calibration`: with 30 the 68 % intervals of the PSF held 58 %, with 100 62 %


def kl(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Kullback-Leibler divergence of the posterior from the prior."""
    return of_images(inputs.posterior, inputs.prior, inputs.is_aux, fixed.density).mean()


def of_images(
    posterior: Posterior, prior: Gaussian, is_aux: Float[Tensor, " d"], density: Prior | None
) -> Float[Tensor, " B"]:
    """KL of the posterior of each image, (B,); density: the prior of the residual latents where it is not Gaussian."""
    closed = gaussian_kl(posterior.mean, posterior.log_variance, prior)
    if density is None:
        return closed.sum(1)
    mean, log_variance, z = (each[:, is_aux.shape[0] - density.dimensions :] for each in posterior)
    log_q = -0.5 * ((z - mean).square() * (-log_variance).exp() + log_variance + math.log(2 * math.pi)).sum(1)
    nats: Tensor = (is_aux * closed).sum(1) + log_q - density.log_prob(z)
    return nats


def kl_told(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Kullback-Leibler divergence of the auxiliary latents alone."""
    return (inputs.is_aux * _by_latent(inputs)).sum(1).mean()


def kl_free(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Divergence of the residual latents from N(0, 1), multiplied by `cooling` at first."""
    return _of_residual(inputs) * _cooling(inputs)


def kl_early(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """What `kl_free` has beyond the divergence itself: 0 once the cooling has ended."""
    return _of_residual(inputs) * (_cooling(inputs) - 1)


def _of_residual(inputs: TermInputs) -> Nats:
    return ((1 - inputs.is_aux) * _by_latent(inputs)).sum(1).mean()


def _cooling(inputs: TermInputs) -> Nats:
    """c(t): `cooling` at first, 1 in the end."""
    factor: Nats = inputs.scalars.cooling ** (1 - _cooled(inputs))
    return factor


def _cooled(inputs: TermInputs) -> Nats:
    """r(t): 0 before the cooling, 1 after it."""
    start, end = inputs.scalars.cooling_from, inputs.scalars.cooling_until
    return ((inputs.progress - start) / (end - start)).clamp(0, 1)


def calibration(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """What the log likelihood of the auxiliary variables costs more than the divergence of their latents."""
    squares, log_variance = _errors_of_aux(inputs, fixed.settings.errors)
    missing = 0.5 * (squares * (-log_variance).exp() + log_variance + math.log(2 * math.pi))
    instead = SCORE_WEIGHT * missing - _by_latent(inputs)
    counted = inputs.is_aux if inputs.observed is None else inputs.is_aux * inputs.observed
    ramp = _cooled(inputs) if inputs.error is None else torch.ones_like(inputs.progress)
    return ramp * (counted * instead).sum(1).mean()


def _errors_of_aux(inputs: TermInputs, errors: str) -> tuple[Float[Tensor, "B d"], Float[Tensor, "B d"]]:
    """Squared distances of posterior means from u, and the log variance for them (auxvae.config.measured)."""
    mean, log_variance, _ = inputs.posterior
    squares = (inputs.aux - mean).square()
    if inputs.error is None:
        return squares, log_variance
    of_errors = squared_errors(inputs.error)
    if errors == "independent":
        return squares, (log_variance.exp() + of_errors).log()
    return squares + of_errors, log_variance


def capacity(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Distance of the divergence from the capacity at this point of the training."""
    allowed = inputs.scalars.capacity * (3 * inputs.progress).clamp(max=1)
    return (kl(inputs, fixed) - allowed).abs()


def vae_of_u(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """The negative evidence lower bound of the VAE over the factors, whose encoder is the prior of the latents."""
    network = inputs.companion_network()
    prior: Gaussian = network(inputs.aux)
    z = prior.mean + prior.variance.sqrt() * inputs.noise
    factors: Tensor = network.decode(z)
    normal = Gaussian(torch.zeros_like(z), torch.ones_like(z))
    divergence = gaussian_kl(prior.mean, prior.variance.log(), normal).sum(1)
    return (0.5 * (factors - inputs.aux[:, : factors.shape[1]]).square().sum(1) + divergence).mean()


def gaussian_kl(mean: Tensor, log_variance: Tensor, prior: Gaussian) -> Float[Tensor, "B d"]:
    """KL of the Gaussians with these means and log variances from those of the prior, latent by latent, (B, d_Z)."""
    log_ratio = log_variance - prior.variance.log()
    return 0.5 * (log_ratio.exp() + (mean - prior.mean).square() / prior.variance - 1 - log_ratio)


def _by_latent(inputs: TermInputs) -> Float[Tensor, "B d"]:
    return gaussian_kl(inputs.posterior.mean, inputs.posterior.log_variance, inputs.prior)
