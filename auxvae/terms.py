r"""The terms of the losses: pure functions of ONE run's tensors, each a scalar: nats per image, a mean over the batch.

    reconstruction  -log p(x|z)                                                            (auxvae.likelihoods)
    kl              1/2 sum_j [ (sigma_j^2 + (mu_j - m_j)^2) / v_j - 1 - log(sigma_j^2 / v_j) ]     eq. 4
    explicitness    sum_{j told} R_1(z_j, u_j)                                                      eq. 7
    intra           sum_{j != k told} R_0(z_j, u_k)                                                 eq. 8
    inter           1/(d_Z - d) sum_{i not told} sum_{k told} R_0(mu_i, u_k)                        eq. 9
                    + the same with |rho(mu_i, u_k u_l)|, k < l, where `interactions` is set

with the prior N(m, v) of auxvae.priors and R of auxvae.dependence, equations of arXiv 2507.00298. The last three are
pure numbers: their weights carry the nats. Which latents are told is a tensor, so that a whole grid of coverages is
one program under `torch.func.vmap`; a term may branch on nothing but the static options.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from auxvae.dependence import correlations, r0, r1
from auxvae.likelihoods import Likelihood
from auxvae.networks import Posterior
from auxvae.priors import Gaussian

Images = Float[Tensor, "B C H W"]
Nats = Float[Tensor, ""]


class Batch(NamedTuple):
    """What a term sees of the data: images (B, C, H, W) on the likelihood's scale, factors u (B, d_Z), told (d_Z,).

    Column j of u is the factor told to latent j, in [0, 1]; it is 0 where told[j] is 0.
    """

    images: Images
    u: Float[Tensor, "B d"]
    told: Float[Tensor, " d"]


class Options(NamedTuple):
    """What is fixed for a run: the likelihood, and the degrees and manner of the dependence measures."""

    likelihood: Likelihood
    degree: int = 3
    aux_degree: int = 3
    normalise: bool = True
    interactions: bool = False


def reconstruction(batch: Batch, prior: Gaussian, posterior: Posterior, image: Images, options: Options) -> Nats:
    """Negative log-likelihood of the images."""
    return options.likelihood.nats(batch.images, image).mean()


def kl(batch: Batch, prior: Gaussian, posterior: Posterior, image: Images, options: Options) -> Nats:
    """Kullback-Leibler divergence of the posterior from the prior."""
    ratio = posterior.log_variance - prior.variance.log()
    distance = (posterior.mean - prior.mean).square() / prior.variance
    return 0.5 * (ratio.exp() + distance - 1 - ratio).sum(1).mean()


def explicitness(batch: Batch, prior: Gaussian, posterior: Posterior, image: Images, options: Options) -> Nats:
    """What each told latent misses of its own factor."""
    lost = r1(posterior.sample, batch.u, options.aux_degree, options.normalise)
    return (batch.told * lost).sum()


def intra(batch: Batch, prior: Gaussian, posterior: Posterior, image: Images, options: Options) -> Nats:
    """What each told latent says of the factors of the others."""
    both = batch.told[:, None] * batch.told * (1 - torch.eye(len(batch.told), device=batch.told.device))
    return (both * r0(posterior.sample, batch.u, options.aux_degree, options.normalise)).sum()


def inter(batch: Batch, prior: Gaussian, posterior: Posterior, image: Images, options: Options) -> Nats:
    """What the free latents say of the told factors, per free latent."""
    free = 1 - batch.told
    said = r0(posterior.mean, batch.u, options.degree, options.normalise) @ batch.told
    if options.interactions:
        said = said + _products(batch, posterior)
    return (free * said).sum() / free.sum().clamp(min=1)


def _products(batch: Batch, posterior: Posterior) -> Float[Tensor, " d"]:
    """sum_{k<l told} |rho(mu_i, u_k u_l)| of every latent i, shape (d_Z,)."""
    first, second = torch.triu_indices(len(batch.told), len(batch.told), 1, device=batch.told.device)
    rho = correlations(posterior.mean, batch.u[:, first] * batch.u[:, second])
    return rho.abs() @ (batch.told[first] * batch.told[second])


Term = Callable[[Batch, Gaussian, Posterior, Images, Options], Nats]
TERMS: dict[str, Term] = {
    "reconstruction": reconstruction,
    "kl": kl,
    "explicitness": explicitness,
    "intra": intra,
    "inter": inter,
}
