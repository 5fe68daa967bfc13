r"""The density of all latents of a run where no factor is known: what an image is inverted under.

    p(z) = p(z_recon) prod_j p_j(z_j)                          j: the auxiliary latents
    p_j(z) = 1/K sum_k N(z; c_jk, v + g_jk^2)                  c_jk: K equally likely quantiles of u_j

p_j is the marginal of p(z_j|u) = N(u_j, v) (arXiv 2507.00298, eq. 3) over the training rows, with K of their quantiles
in place of the rows, and g_jk half the distance between the neighbours of a quantile, so that it has no gaps where rows
are few. It says in which range a factor was trained, and how often each value occurred. z_recon has the run's prior.

Deviation from the marginal of the whole vector: auxiliary latents are independent here. With v = 1/n for n training
rows the mixture in all dimensions at once is a spike at every training galaxy, and would pull images onto those.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from auxvae.models.priors import Blocks, Prior

QUANTILES = 64  # by which the ripple of a flat density is below 1e-4


class Marginals(Prior):
    """The densities p_j side by side, one for each column of auxiliary variables."""

    def __init__(self, aux: Float[Tensor, "N a"], variance: float) -> None:
        """Of the training rows' auxiliary variables in [0, 1]; variance: v of the run."""
        super().__init__(aux.shape[1])
        self.std = math.sqrt(variance)
        shares = (torch.arange(QUANTILES, dtype=torch.float64) + 0.5) / QUANTILES
        self.centres = torch.quantile(aux.double(), shares, 0).T.float().contiguous()
        gaps = torch.nn.functional.pad(self.centres.diff(dim=1), (1, 1), mode="replicate")
        self.widths = (variance + ((gaps[:, 1:] + gaps[:, :-1]) / 4).square()).sqrt()

    def sample(self, u: Tensor, source: torch.Generator) -> Tensor:
        """Draws of p(z|u) at auxiliary variables u of training rows drawn at random."""
        return u + self.std * torch.randn(len(u), self.dimensions, generator=source)

    def log_prob(self, z: Tensor) -> Tensor:
        away = (z[..., None] - self.centres.to(z.dtype)) / self.widths.to(z.dtype)
        each = -0.5 * away.square() - (self.widths.to(z.dtype) * (math.sqrt(2 * math.pi) * QUANTILES)).log()
        return each.logsumexp(-1).sum(1)


def latent_prior(aux: Float[Tensor, "N a"], variance: float, residual: Prior | None) -> Prior:
    """p(z) from the training rows' auxiliary variables, v, and the prior of the residual latents if there are any."""
    marginals = Marginals(aux, variance)
    return marginals if residual is None else Blocks([marginals, residual])
