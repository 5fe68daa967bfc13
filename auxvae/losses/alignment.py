r"""Terms that tie the auxiliary latents to their factors and keep the residual latents apart from them.

    explicitness   sum_{j aux} R_1(z_j, u_j)                                            (arXiv 2507.00298, eq. 7)
    intra          sum_{j != k aux} D(z_j, u_k)                                                          (eq. 8)
    inter          1/(d_Z - d) sum_{i residual} sum_{k aux} D(z_i, u_k)                                  (eq. 9)
                   + 1/(d_Z - d) sum_{i residual} sum_{k < l aux} D(z_i, u_k u_l) if `interactions` is set
    regression     1/2 sum_{j aux} (mu_j - u_j)^2
    critics        - sum_{j, k aux} of the bounds that the critics of MINE maximise     (arXiv 1801.04062)

The measure D of dependence is one of

    polynomial, `correlation: unbiased`   U of losses.unbiased, over the batch and earlier ones          (the default)
    polynomial, `correlation: absolute`   R_0 of losses.dependence, for `inter` of means mu_i: the published penalty,
                                          which is least at a dependence (losses.unbiased says why)
    hsic                                  HSIC_u of losses.unbiased; for `inter` of the residual latents jointly
    mine                                  max(bound, 0) of the critics; R_1 = -bound

Where auxiliary variables are unknown in some rows, explicitness is the correlation over the others (of degree 1), and
intra and inter have the mean of the variable there, with which nothing correlates.

Of a circular or categorical factor u_j are its variables (auxvae.config.kinds), a latent each: explicitness and inter
sum over them, so that ten classes weigh ten times a number; intra leaves out those of the latent's own factor.

All are plain numbers, without units: their weights carry the nats. A 0/1 tensor marks the auxiliary latents, so that a
whole grid of coverages is one program under `torch.func.vmap`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from auxvae.losses.dependence import correlations, hsic, mutual_information, r0, r1
from auxvae.losses.inputs import Nats, TermInputs, TermSettings
from auxvae.losses.queue import Queue
from auxvae.losses.unbiased import hsic_of_blocks, hsic_of_pairs, of_powers
from auxvae.models.critics import frozen


def explicitness(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """What is missing of the dependence of each auxiliary latent on its factor."""
    z, degree, normalise = inputs.posterior.sample, fixed.settings.aux_degree, fixed.settings.normalise
    if fixed.dependence == "polynomial":
        z, u = (_at_mean(each, inputs.observed) for each in (z, inputs.aux))
        return (inputs.is_aux * r1(z, u, degree, normalise)).sum()
    explicit = (hsic(z, inputs.aux) if fixed.dependence == "hsic" else _by_critics(inputs, z)).diagonal()
    missing = 1 - explicit if fixed.dependence == "hsic" else -explicit
    return (inputs.is_aux[: len(missing)] * missing).sum()


def _at_mean(columns: Float[Tensor, "B d"], observed: Float[Tensor, "B d"] | None) -> Float[Tensor, "B d"]:
    """The columns, at their mean where the auxiliary variable is unknown, so that those rows count nothing."""
    if observed is None:
        return columns
    mean = (observed * columns).sum(0) / observed.sum(0).clamp(min=1)
    return torch.where(observed > 0, columns, mean)


def intra(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Dependence of each auxiliary latent on the other factors; the variables of one factor depend on each other."""
    matrix = _dependence(inputs, inputs.posterior.sample, fixed.settings.aux_degree, fixed)
    others = inputs.is_aux[:, None] * inputs.is_aux * (inputs.owner[:, None] != inputs.owner)
    return (others[:, : matrix.shape[1]] * matrix).sum()


def inter(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Dependence of the residual latents on the auxiliary variables, per residual latent, or of them all by HSIC."""
    residual, z = 1 - inputs.is_aux, inputs.posterior.sample
    if fixed.dependence == "hsic":
        return hsic_of_blocks(z, inputs.aux, residual, inputs.is_aux)
    published = fixed.dependence == "mine" or fixed.settings.correlation == "absolute"
    matrix = _dependence(inputs, inputs.posterior.mean if published else z, fixed.settings.degree, fixed)
    by_latent = matrix @ inputs.is_aux[: matrix.shape[1]]
    if fixed.settings.interactions:
        by_latent = by_latent + _products(inputs, fixed)
    return (residual * by_latent).sum() / residual.sum().clamp(min=1)


def _dependence(inputs: TermInputs, z: Float[Tensor, "B d"], degree: int, fixed: TermSettings) -> Float[Tensor, "d F"]:
    """Dependence of every latent on every factor by the method's measure; for MINE, F counts auxiliary variables."""
    if fixed.dependence == "hsic":
        return hsic_of_pairs(z, inputs.aux)
    if fixed.dependence == "mine":
        return _by_critics(inputs, z).clamp(min=0)
    if fixed.settings.correlation == "absolute":
        return r0(z, inputs.aux, degree, fixed.settings.normalise)
    squares = of_powers(z, inputs.aux, inputs.factor_moments, degree, inputs.earlier)
    return squares.mean((0, 1)) if fixed.settings.normalise else squares.sum((0, 1))


def _by_critics(inputs: TermInputs, z: Float[Tensor, "B d"]) -> Float[Tensor, "d F"]:
    """The bounds of the critics on the mutual information, in nats."""
    network = frozen(inputs.companion_network())
    return mutual_information(network(z, inputs.aux), network(z, inputs.aux[inputs.shuffle[:, 0]]))


def _products(inputs: TermInputs, fixed: TermSettings) -> Float[Tensor, " d"]:
    """Sum over the pairs of factors k < l of |rho(mu_i, u_k u_l)|, or of its unbiased square, by latent, (d_Z,)."""
    latents = len(inputs.is_aux)
    first, second = torch.triu_indices(latents, latents, 1, device=inputs.is_aux.device)
    pairs = inputs.is_aux[first] * inputs.is_aux[second]
    if fixed.settings.correlation == "absolute":
        return correlations(inputs.posterior.mean, inputs.aux[:, first] * inputs.aux[:, second]).abs() @ pairs
    z, u = inputs.earlier.codes.split([latents, latents], 1)
    earlier = Queue(torch.cat([z, u[:, first] * u[:, second]], 1), inputs.earlier.pushed)
    products = inputs.aux[:, first] * inputs.aux[:, second]
    squares = of_powers(inputs.posterior.sample, products, inputs.product_moments, 1, earlier)
    return squares[0, 0] @ pairs


def regression(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Squared error of the auxiliary latents."""
    counted = inputs.is_aux if inputs.observed is None else inputs.is_aux * inputs.observed
    return 0.5 * (counted * (inputs.posterior.mean - inputs.aux).square()).sum(1).mean()


def critics(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """What the critics minimise: the negative of their bounds, at codes without gradient."""
    z, network = inputs.posterior.sample.detach(), inputs.companion_network()
    return -mutual_information(network(z, inputs.aux), network(z, inputs.aux[inputs.shuffle[:, 0]])).sum()
