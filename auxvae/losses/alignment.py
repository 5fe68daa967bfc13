r"""Terms that tie the auxiliary latents to their factors and keep the residual latents apart from them.

    explicitness   sum_{j aux} R_1(z_j, u_j)                                            (arXiv 2507.00298, eq. 7)
    intra          sum_{j != k aux} R_0(z_j, u_k)                                                        (eq. 8)
    inter          1/(d_Z - d) sum_{i residual} sum_{k aux} R_0(mu_i, u_k)                               (eq. 9)
                   + 1/(d_Z - d) sum_{i residual} sum_{k < l aux} |rho(mu_i, u_k u_l)| if `interactions` is set
    regression     1/2 sum_{j aux} (mu_j - u_j)^2
    critics        - sum_{j, k aux} of the bounds that the critics of MINE maximise     (arXiv 1801.04062)

with R of losses.dependence: correlations of powers, HSIC, or MINE, for which R_0 = max(bound, 0), R_1 = -bound. All are
plain numbers, without units: their weights carry the nats. A 0/1 tensor marks the auxiliary latents, so that a whole
grid of coverages is one program under `torch.func.vmap`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from auxvae.losses.dependence import correlations, hsic, mutual_information, r0, r1
from auxvae.losses.inputs import Nats, TermInputs, TermSettings
from auxvae.models.critics import frozen


def explicitness(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """What is missing of the dependence of each auxiliary latent on its factor."""
    z, degree, normalise = inputs.posterior.sample, fixed.settings.aux_degree, fixed.settings.normalise
    if fixed.dependence == "polynomial":
        return (inputs.is_aux * r1(z, inputs.aux, degree, normalise)).sum()
    explicit = _dependence(inputs, z, degree, fixed).diagonal()
    missing = 1 - explicit if fixed.dependence == "hsic" else -explicit
    return (inputs.is_aux[: len(missing)] * missing).sum()


def intra(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Dependence of each auxiliary latent on the factors of the other auxiliary latents."""
    matrix = _dependence(inputs, inputs.posterior.sample, fixed.settings.aux_degree, fixed).clamp(min=0)
    others = inputs.is_aux[:, None] * inputs.is_aux * (1 - torch.eye(len(inputs.is_aux), device=matrix.device))
    return (others[:, : matrix.shape[1]] * matrix).sum()


def inter(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Dependence of the residual latents on the auxiliary variables, per residual latent."""
    residual = 1 - inputs.is_aux
    matrix = _dependence(inputs, inputs.posterior.mean, fixed.settings.degree, fixed).clamp(min=0)
    by_latent = matrix @ inputs.is_aux[: matrix.shape[1]]
    if fixed.settings.interactions:
        by_latent = by_latent + _products(inputs)
    return (residual * by_latent).sum() / residual.sum().clamp(min=1)


def _dependence(inputs: TermInputs, z: Float[Tensor, "B d"], degree: int, fixed: TermSettings) -> Float[Tensor, "d F"]:
    """Dependence of every latent on every factor by the method's measure; for MINE, F counts auxiliary variables."""
    if fixed.dependence == "polynomial":
        return r0(z, inputs.aux, degree, fixed.settings.normalise)
    if fixed.dependence == "hsic":
        return hsic(z, inputs.aux)
    network = frozen(inputs.companion_network())
    return mutual_information(network(z, inputs.aux), network(z, inputs.aux[inputs.shuffle[:, 0]]))


def _products(inputs: TermInputs) -> Float[Tensor, " d"]:
    """sum_{k<l aux} |rho(mu_i, u_k u_l)| of every latent i, shape (d_Z,)."""
    first, second = torch.triu_indices(len(inputs.is_aux), len(inputs.is_aux), 1, device=inputs.is_aux.device)
    rho = correlations(inputs.posterior.mean, inputs.aux[:, first] * inputs.aux[:, second])
    return rho.abs() @ (inputs.is_aux[first] * inputs.is_aux[second])


def regression(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """Squared error of the auxiliary latents."""
    return 0.5 * (inputs.is_aux * (inputs.posterior.mean - inputs.aux).square()).sum(1).mean()


def critics(inputs: TermInputs, fixed: TermSettings) -> Nats:
    """What the critics minimise: the negative of their bounds, at codes without gradient."""
    z, network = inputs.posterior.sample.detach(), inputs.companion_network()
    return -mutual_information(network(z, inputs.aux), network(z, inputs.aux[inputs.shuffle[:, 0]])).sum()
