r"""The density of all latents of a run where no factor is known: what an image is inverted under.

    p(z) = p(z_recon) prod_j p_j(z_j)                          j: the auxiliary latents
    p_j(z) = 1/K sum_k N(z; c_jk, v + g_jk^2)                  c_jk: K equally likely quantiles of u_j

p_j is the marginal of p(z_j|u) = N(u_j, v) (arXiv 2507.00298, eq. 3) over the training rows, with K of their quantiles
in place of the rows, and g_jk half the distance between the neighbours of a quantile, so that it has no gaps where rows
are few. It says in which range a factor was trained, and how often each value occurred. z_recon has the run's prior.

The range of a factor ends in steep walls, of width sqrt v, at which a sampler stumbles. So chains move in w, with

    z_j = F_j^-1(Phi(w_j)),   w_j ~ N(0, 1)                    F_j: distribution function of p_j;  Phi: of N(0, 1)

read off KNOTS values of w between -REACH and REACH, by straight lines between and beyond them.

Deviation from the marginal of the whole vector: auxiliary latents are independent here. With v = 1/n for n training
rows the mixture in all dimensions at once is a spike at every training galaxy, and would pull images onto those.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from auxvae.models.priors import Prior

QUANTILES = 64  # by which the ripple of a flat density is below 1e-4
KNOTS, REACH = 4096, 6.0


class Marginals(Prior):
    """The densities p_j side by side, one for each column of auxiliary variables."""

    def __init__(self, aux: Float[Tensor, "N a"], variance: float) -> None:
        """Of the training rows' auxiliary variables in [0, 1], NaN where unknown; variance: v of the run."""
        super().__init__(aux.shape[1])
        self.std = math.sqrt(variance)
        shares = (torch.arange(QUANTILES, dtype=torch.float64) + 0.5) / QUANTILES
        self.centres = torch.nanquantile(aux.double(), shares, 0).T.float().contiguous()
        gaps = torch.nn.functional.pad(self.centres.diff(dim=1), (1, 1), mode="replicate")
        self.widths = (variance + ((gaps[:, 1:] + gaps[:, :-1]) / 4).square()).sqrt()
        self.knots = torch.stack([self._knots(j) for j in range(self.dimensions)]).float()

    def sample(self, u: Tensor, source: torch.Generator) -> Tensor:
        """Draws of p(z|u) at auxiliary variables u of training rows drawn at random."""
        return u + self.std * torch.randn(len(u), self.dimensions, generator=source)

    def log_prob(self, z: Tensor) -> Tensor:
        away = (z[..., None] - self.centres.to(z.dtype)) / self.widths.to(z.dtype)
        each = -0.5 * away.square() - (self.widths.to(z.dtype) * (math.sqrt(2 * math.pi) * QUANTILES)).log()
        return each.logsumexp(-1).sum(1)

    def of_normal(self, w: Float[Tensor, "B a"]) -> Float[Tensor, "B a"]:
        """Z of w."""
        place = (w + REACH) * ((KNOTS - 1) / (2 * REACH))
        left = place.detach().long().clamp(0, KNOTS - 2)
        column = torch.arange(self.dimensions)
        low, high = self.knots[column, left], self.knots[column, left + 1]
        return low + (place - left) * (high - low)

    def to_normal(self, z: Float[Tensor, "B a"]) -> Float[Tensor, "B a"]:
        """W of z, between -REACH and REACH."""
        return torch.stack([self._normal(z[:, j], j) for j in range(self.dimensions)], 1).to(z.dtype)

    def _normal(self, z: Float[Tensor, " n"], j: int) -> Float[Tensor, " n"]:
        """Phi^-1(F_j(z)) in double; of the nearer tail, so that no digits are lost."""
        away = (z.double()[:, None] - self.centres[j].double()) / self.widths[j].double()
        below, above = (torch.special.ndtr(each).mean(1) for each in (away, -away))
        w = torch.where(below < above, torch.special.ndtri(below), -torch.special.ndtri(above))
        return w.clamp(-REACH, REACH)

    def _knots(self, j: int) -> Float[Tensor, " k"]:
        """Z at KNOTS equal steps of w, by halving intervals."""
        w = torch.linspace(-REACH, REACH, KNOTS, dtype=torch.float64)
        margin = (REACH + 2) * float(self.widths[j].max())
        low = torch.full_like(w, float(self.centres[j].min()) - margin)
        high = torch.full_like(w, float(self.centres[j].max()) + margin)
        for _ in range(40):
            middle = (low + high) / 2
            less = self._normal(middle, j) < w
            low, high = torch.where(less, middle, low), torch.where(less, high, middle)
        return (low + high) / 2


class LatentPrior(Prior):
    """p(z) of all latents of a source, and the same in w; residual latents are as they are in both."""

    def __init__(self, marginals: Marginals, residual: Prior | None) -> None:
        """The auxiliary latents come first; residual is None where there are no others."""
        super().__init__(marginals.dimensions + (residual.dimensions if residual else 0))
        self.marginals, self.residual = marginals, residual

    def sample(self, u: Tensor, source: torch.Generator) -> Tensor:
        """Draws at auxiliary variables u (B, a) of training rows."""
        several = (self.marginals, self.residual) if self.residual else (self.marginals,)
        return torch.cat([each.sample(u, source) for each in several], 1)

    def log_prob(self, z: Tensor) -> Tensor:
        aux, others = self._cut(z)
        return self.marginals.log_prob(aux) + self._of_residual(others)

    def log_prob_normal(self, w: Float[Tensor, "B d"]) -> Float[Tensor, " B"]:
        """The log density of w."""
        aux, others = self._cut(w)
        return -0.5 * (aux.square() + math.log(2 * math.pi)).sum(1) + self._of_residual(others)

    def of_normal(self, w: Float[Tensor, "B d"]) -> Float[Tensor, "B d"]:
        """Z of w."""
        aux, others = self._cut(w)
        return torch.cat([self.marginals.of_normal(aux), others], 1)

    def to_normal(self, z: Float[Tensor, "B d"]) -> Float[Tensor, "B d"]:
        """W of z."""
        aux, others = self._cut(z)
        return torch.cat([self.marginals.to_normal(aux), others], 1)

    def _cut(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return z[:, : self.marginals.dimensions], z[:, self.marginals.dimensions :]

    def _of_residual(self, others: Tensor) -> Tensor:
        return self.residual.log_prob(others) if self.residual else others.new_zeros(len(others))
