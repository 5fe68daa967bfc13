r"""The terms of the losses: pure functions of ONE run's tensors, each a scalar: nats per image, a mean over the batch.

    reconstruction       -log p(x|z)                                                    (auxvae.data.likelihoods)
    kl                   KL(q(z|x) || p(z|u)), closed where the prior is Gaussian:
                         1/2 sum_j [ (sigma_j^2 + (mu_j - m_j)^2) / v_j - 1 - log(sigma_j^2 / v_j) ]
                         else log q(z|x) - log p(z) at the sample
    kl_told              the same over the told latents alone
    kl_free              that of the others from N(0, 1), times `cooling` for the first 0.65 of the training, times 1
                         from 0.95 of it on, log-linear between: latents that are not needed are put to rest first
    capacity             |KL - C(t)|, C rises linearly to `capacity` nats over the first third  (1804.03599, eq. 8)
    explicitness         sum_{j told} R_1(z_j, u_j)                                     (arXiv 2507.00298, eq. 7)
    intra                sum_{j != k told} R_0(z_j, u_k)                                                  (eq. 8)
    inter                1/(d_Z - d) sum_{i not told} sum_{k told} R_0(mu_i, u_k)                         (eq. 9)
                         + the same with |rho(mu_i, u_k u_l)|, k < l, where `interactions` is set
    regression           1/2 sum_{j told} (mu_j - u_j)^2
    critics              - sum_{j, k told} of the bounds that the critics of MINE raise
    total_correlation, density_ratio, discriminator, covariance_..., variance_...       (auxvae.losses.independence)
    mmd, mmd_marginal, mmd_pairs                                                        (auxvae.losses.mmd)
    vae_of_u             1/2 |u - u'|^2 + KL(q_c(z|u) || N(0, 1))                       (IDVAE, arXiv 2007.00830)

with the prior p(z|u) = N(m, v) of models.priors and R of losses.dependence: polynomials, HSIC, or MINE, for which R_0
is the bound itself, where it is above 0, and R_1 its negative. Those, the MMDs and the regression are pure numbers:
their weights carry the nats. Which latents are told is a tensor, so that a whole grid of coverages is one program
under `torch.func.vmap`; a term may branch on nothing but the static options. Beside a kl_free, mmd_marginal and
mmd_pairs weigh a latent by 1 - 2 E sigma_j^2, from 0 to 1: a latent at rest is not to follow a prior that its KL
keeps it from; and they rise linearly with the training, since a strong MMD at first holds latents at the angle where
it met them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from auxvae.losses import independence, mmd
from auxvae.losses.dependence import correlations, hsic, mutual_information, r0, r1
from auxvae.losses.inputs import Nats, TermInputs, TermSettings
from auxvae.models.critics import frozen
from auxvae.models.priors import Gaussian

HELD, COOLED = 0.65, 0.95  # shares of the training between which kl_free cools


def reconstruction(seen: TermInputs, options: TermSettings) -> Nats:
    """Negative log-likelihood of the images."""
    return options.likelihood.nats(seen.images, seen.image).mean()


def kl(seen: TermInputs, options: TermSettings) -> Nats:
    """Kullback-Leibler divergence of the posterior from the prior."""
    closed = _divergence(seen)
    if options.density is None:
        return closed.sum(1).mean()
    free = slice(seen.told.shape[0] - options.density.dimensions, None)
    mean, log_variance, z = (each[:, free] for each in seen.posterior)
    log_q = -0.5 * ((z - mean).square() * (-log_variance).exp() + log_variance + math.log(2 * math.pi)).sum(1)
    nats: Tensor = ((seen.told * closed).sum(1) + log_q - options.density.log_prob(z)).mean()
    return nats


def kl_told(seen: TermInputs, options: TermSettings) -> Nats:
    """Kullback-Leibler divergence of the told latents alone."""
    return (seen.told * _divergence(seen)).sum(1).mean()


def kl_free(seen: TermInputs, options: TermSettings) -> Nats:
    """Divergence of the latents that are not told from N(0, 1), at first `cooling` times over."""
    nats = ((1 - seen.told) * _divergence(seen)).sum(1).mean()
    return nats * options.cooling ** (1 - ((seen.progress - HELD) / (COOLED - HELD)).clamp(0, 1))


def _divergence(seen: TermInputs) -> Float[Tensor, "B d"]:
    """KL of each latent's posterior from its Gaussian prior, (B, d_Z)."""
    return _between(seen.posterior.mean, seen.posterior.log_variance, seen.prior)


def _between(mean: Tensor, log_variance: Tensor, prior: Gaussian) -> Float[Tensor, "B d"]:
    """KL of the Gaussians with these means and log variances from those of the prior, latent by latent."""
    ratio = log_variance - prior.variance.log()
    return 0.5 * (ratio.exp() + (mean - prior.mean).square() / prior.variance - 1 - ratio)


def capacity(seen: TermInputs, options: TermSettings) -> Nats:
    """Distance of the divergence from the capacity that it has by now."""
    allowed = options.capacity * (3 * seen.progress).clamp(max=1)
    return (kl(seen, options) - allowed).abs()


def explicitness(seen: TermInputs, options: TermSettings) -> Nats:
    """What each told latent misses of its own factor."""
    z, u = seen.posterior.sample, seen.u
    if options.dependence == "polynomial":
        return (seen.told * r1(z, u, options.aux_degree, options.normalise)).sum()
    said = _dependence(seen, z, options.aux_degree, options).diagonal()
    lost = 1 - said if options.dependence == "hsic" else -said
    return (seen.told[: len(lost)] * lost).sum()


def intra(seen: TermInputs, options: TermSettings) -> Nats:
    """What each told latent says of the factors of the others."""
    said = _dependence(seen, seen.posterior.sample, options.aux_degree, options).clamp(min=0)
    both = seen.told[:, None] * seen.told * (1 - torch.eye(len(seen.told), device=seen.told.device))
    return (both[:, : said.shape[1]] * said).sum()


def inter(seen: TermInputs, options: TermSettings) -> Nats:
    """What the free latents say of the told factors, per free latent."""
    free = 1 - seen.told
    said = _dependence(seen, seen.posterior.mean, options.degree, options).clamp(min=0)
    said = said @ seen.told[: said.shape[1]]
    if options.interactions:
        said = said + _products(seen)
    return (free * said).sum() / free.sum().clamp(min=1)


def _dependence(seen: TermInputs, z: Float[Tensor, "B d"], degree: int, options: TermSettings) -> Float[Tensor, "d F"]:
    """How much every latent says of every factor, by the measure of the method; MINE knows the told ones alone."""
    if options.dependence == "polynomial":
        return r0(z, seen.u, degree, options.normalise)
    if options.dependence == "hsic":
        return hsic(z, seen.u)
    critics = frozen(seen.second_network())
    return mutual_information(critics(z, seen.u), critics(z, seen.u[seen.shuffle[:, 0]]))


def _products(seen: TermInputs) -> Float[Tensor, " d"]:
    """sum_{k<l told} |rho(mu_i, u_k u_l)| of every latent i, shape (d_Z,)."""
    first, second = torch.triu_indices(len(seen.told), len(seen.told), 1, device=seen.told.device)
    rho = correlations(seen.posterior.mean, seen.u[:, first] * seen.u[:, second])
    return rho.abs() @ (seen.told[first] * seen.told[second])


def regression(seen: TermInputs, options: TermSettings) -> Nats:
    """Squared error of the told latents."""
    return 0.5 * (seen.told * (seen.posterior.mean - seen.u).square()).sum(1).mean()


def critics(seen: TermInputs, options: TermSettings) -> Nats:
    """What the critics lower: the negative of their bounds, on codes held still."""
    z, network = seen.posterior.sample.detach(), seen.second_network()
    return -mutual_information(network(z, seen.u), network(z, seen.u[seen.shuffle[:, 0]])).sum()


def vae_of_u(seen: TermInputs, options: TermSettings) -> Nats:
    """The negative bound of the VAE over the factors, whose encoder is the prior."""
    network = seen.second_network()
    known: Gaussian = network(seen.u)
    z = known.mean + known.variance.sqrt() * seen.noise
    made: Tensor = network.decode(z)
    normal = Gaussian(torch.zeros_like(z), torch.ones_like(z))
    divergence = _between(known.mean, known.variance.log(), normal).sum(1)
    return (0.5 * (made - seen.u[:, : made.shape[1]]).square().sum(1) + divergence).mean()


def _live(seen: TermInputs, options: TermSettings) -> Float[Tensor, " d"]:
    """1 for the latents that are to follow the prior, 0 for the told ones and for those that a KL has put to rest."""
    free = 1 - seen.told
    if not options.gated:
        return free
    spread = seen.posterior.log_variance.detach().exp().mean(0)
    return free * (1 - 2 * spread).clamp(0, 1)


def _risen(seen: TermInputs, options: TermSettings) -> Tensor:
    """How much marginals and pairs weigh by now."""
    return seen.progress if options.gated else torch.ones_like(seen.progress)


def joint_mmd(seen: TermInputs, options: TermSettings) -> Nats:
    """MMD^2 of the latents that are not told from their prior."""
    free = 1 - seen.told
    z, past, y = (each * free for each in (seen.posterior.sample, seen.past, seen.drawn))
    return mmd.joint(z, past, y, seen.variance * free, options.mmd)


def mmd_marginal(seen: TermInputs, options: TermSettings) -> Nats:
    """MMD^2 of each of those latents alone, summed."""
    each = mmd.marginal(seen.posterior.sample, seen.past, seen.expected, options.mmd.width)
    return _risen(seen, options) * (_live(seen, options) * each).sum()


def mmd_pairs(seen: TermInputs, options: TermSettings) -> Nats:
    """Distance of the covariances of every pair of them, and of each with the told latents, held still, summed.

    Where pairs are drawn, their mean stands for the mean of all. A told latent is scaled as its factor in [0, 1].
    """
    free, live = 1 - seen.told, _live(seen, options)
    z, past = (free * each + seen.told * _standing(each) for each in (seen.posterior.sample, seen.past))
    wanted = None if options.independent else seen.drawn
    weight = torch.triu(live[:, None] * live + seen.told[:, None] * live + seen.told * live[:, None], 1)
    weight = _risen(seen, options) * weight
    if options.mmd.pairs == "all":
        return (weight * mmd.pairs(z, past, wanted, options.mmd.width)).sum()
    chosen = weight[seen.pairs[0], seen.pairs[1]]
    each = mmd.chosen_pairs(z, past, wanted, seen.pairs, options.mmd.width)
    return (chosen * each).sum() / chosen.sum().clamp(min=1e-9) * weight.sum()


def _standing(told: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Told latents without gradient, of about unit variance."""
    return (told.detach() - 0.5) * math.sqrt(12)


Term = Callable[[TermInputs, TermSettings], Nats]
TERMS: dict[str, Term] = {
    "reconstruction": reconstruction,
    "kl": kl,
    "kl_told": kl_told,
    "kl_free": kl_free,
    "capacity": capacity,
    "explicitness": explicitness,
    "intra": intra,
    "inter": inter,
    "regression": regression,
    "critics": critics,
    "vae_of_u": vae_of_u,
    "total_correlation": independence.total_correlation,
    "density_ratio": independence.density_ratio,
    "discriminator": independence.discriminator,
    "covariance_of_means": independence.covariance_of_means,
    "variance_of_means": independence.variance_of_means,
    "covariance_of_samples": independence.covariance_of_samples,
    "variance_of_samples": independence.variance_of_samples,
    "mmd": joint_mmd,
    "mmd_marginal": mmd_marginal,
    "mmd_pairs": mmd_pairs,
}
