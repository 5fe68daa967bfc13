r"""How well single latents align with factors: correlations and the latent disentanglement score (arXiv:2507.00298).

With c_jk = |rho(z_j, u_k)| over N rows, d_Z latents and d factors:

    LDS       = 1/d sum_k max_j c_jk / sum_j c_jk                        range [1/d_Z, 1], 1 is good
    ceiling   = 1 / (1 + (d_Z - 1) sqrt(2 / (pi N)))                     expected score of a perfect code on N rows: the
                                                                         other d_Z - 1 latents correlate by chance
    corrected = LDS with c_jk = 0 wherever c_jk < x / sqrt(N)            x = Phi^-1(1 - 0.05 / (2 d_Z)), 2.81 for ten
                                                                         latents: the best of d_Z independent latents is
                                                                         beyond for one factor of twenty. A factor with
                                                                         no latent beyond is not found and counts 0
                1 / (1 + 2 (d_Z - 1) phi(x) / sqrt(N))                   expected score of a perfect code: 0.997 of
                                                                         2,048 rows and 10 latents
                1 - (1 - 0.05 / d_Z)^d_Z = 0.05                          expected score of noise for any d_Z (a little
                                                                         less, where two latents are beyond)
    lds_all_live = LDS corrected over all factors, of the informative latents only (auxvae.metrics.posterior): rho does
                   not know the scale, so that an inactive latent would count as much as an informative one.
                   latents_live is their number.
    explicitness = mean_k max_j 1/K sum_p |rho(z_j^p, u_k^p)|, p = 1..K  range [0, 1], 1 is good: 1 - R_1^K of the loss
                                                                         for the best latent of each factor
    dependence   = 1/K^2 sum_pq |rho(z_j^p, u_k^q)|                      a matrix: the heat map of degree K
    SAP          = mean_k (c_(1)k^2 - c_(2)k^2)                          range [0, 1], 1 is good: the lead of the best
                                                                         latent over the second, linearly (Kumar et
                                                                         al., arXiv:1711.00848, continuous factors)

Powers are those of standardised columns. Choices: posterior means are scored (the authors' released code scores samples
of the posterior: `lds_sampled`); SAP takes a latent of variance below 1e-12 as constant; the threshold is that of all
latents of a factor, since with 1.96 / sqrt(N) for each one a factor that nothing says is found in 1 - 0.95^d_Z of all
cases. Intervals cover the expected score on so many rows. Where a correlation is near the threshold the corrected score
is a step and its interval too wide. Known failures: all see linear dependence only, so that z = u^2 scores 0 for a
symmetric u (powers of degree K see it); LDS is blind to how much of u a latent explains.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor

from auxvae.metrics.information import gap
from auxvae.metrics.moments import correlations, covariances
from auxvae.metrics.score import RESAMPLES, Score, Table, exact, interval, labelled
from auxvae.metrics.standardise import standard

Array = NDArray[np.float64]
CONSTANT = 1e-12  # variance below which SAP takes a latent as constant


def rho(codes: Table, factors: Table, resamples: int = 0) -> Float[Tensor, "S D F"]:
    """Pearson's rho of every latent with every factor, (1 + resamples, D, F); 0 for a constant column."""
    z, u = (np.asarray(columns, dtype=np.float64) for columns in (codes, factors))
    return correlations(covariances(torch.from_numpy(np.hstack([z, u])), resamples))[:, : z.shape[1], z.shape[1] :]


def correlation_matrix(codes: Table, factors: Table) -> Float[ndarray, "D F"]:
    """Pearson's rho of all rows, (D, F), from (N, D) and (N, F)."""
    return np.asarray(rho(codes, factors)[0].numpy())


def lds_of(c: Float[Tensor, "*S D F"], threshold: float = 0.0) -> Float[Tensor, "*S"]:
    """LDS of correlation matrices; correlations below the threshold count as 0."""
    significant = torch.where(c.abs() < threshold, 0, c.abs())
    total = significant.sum(-2)
    return torch.where(total > 0, significant.amax(-2) / total, 0).mean(-1)


def lds_ceiling(rows: int, latents: int) -> float:
    """Expected LDS of a perfect code on that number of rows."""
    return 1 / (1 + (latents - 1) * math.sqrt(2 / (math.pi * rows)))


def null_threshold(rows: int, latents: int) -> float:
    """The |rho| that the best of so many latents exceeds by chance with probability 5 %, if all are independent."""
    return float(ndtri(1 - 0.025 / latents)) / math.sqrt(rows)


def lds(codes: Table, factors: Table, corrected: bool = False, resamples: int = RESAMPLES) -> Score:
    """LDS of codes (N, D) for factors (N, F), raw or corrected for chance; the matrix is rho, (D, F)."""
    c, rows = rho(codes, factors, resamples), len(np.asarray(codes))
    value = lds_of(c, null_threshold(rows, c.shape[-2]) if corrected else 0.0)
    return interval(value, rows, labelled(c[0], codes, factors))


def sap(codes: Table, factors: Table, resamples: int = RESAMPLES) -> Score:
    """SAP for continuous factors, of codes (N, D) and factors (N, F); the matrix is rho squared, (D, F)."""
    varies = torch.from_numpy(np.asarray(codes, dtype=np.float64)).var(0, correction=0) > CONSTANT
    c = rho(codes, factors, resamples).square() * varies[:, None]
    value = gap(c)
    return interval(value, len(np.asarray(codes)), labelled(c[0], codes, factors))


def explicitness(codes: Table, factors: Table, degree: int = 3, resamples: int = RESAMPLES) -> Score:
    """Explicitness of degree K of codes (N, D) for factors (N, F); the matrix is the mean over p of |rho|, (D, F)."""
    c = _rho_of_powers(codes, factors, degree, resamples).diagonal(dim1=-4, dim2=-2).mean(-1)
    value = c.amax(-2).mean(-1)
    return interval(value, len(np.asarray(codes)), labelled(c[0], codes, factors))


def dependence(codes: Table, factors: Table, degree: int = 3) -> Float[ndarray, "D F"]:
    """The heat map of degree K, (D, F): mean |rho| over all pairs of powers."""
    return np.asarray(_rho_of_powers(codes, factors, degree, 0).mean((-4, -2))[0].numpy())


def _rho_of_powers(codes: Table, factors: Table, degree: int, resamples: int) -> Float[Tensor, "S K D K F"]:
    z, u = (_powers(np.asarray(columns, dtype=np.float64), degree) for columns in (codes, factors))
    of_powers: Tensor = rho(z, u, resamples).abs().unflatten(1, (degree, -1)).unflatten(3, (degree, -1))
    return of_powers


def _powers(columns: Array, degree: int) -> Array:
    return np.hstack([standard(columns) ** power for power in range(1, degree + 1)])


def alignment_scores(codes: Array, factors: dict[str, Array], aux: tuple[str, ...], resamples: int) -> dict[str, Score]:
    """LDS over the auxiliary variables (all factors, where there are none) and over all; best |rho| of each factor."""
    names, rows = list(factors), len(codes)
    c = rho(codes, np.stack([factors[name] for name in names], 1), resamples)
    auxiliary = c[..., [names.index(name) for name in aux] or list(range(len(names)))]
    null = null_threshold(rows, codes.shape[1])
    measured = {
        "lds": lds_of(auxiliary),
        "lds_corrected": lds_of(auxiliary, null),
        "lds_all": lds_of(c),
        "lds_all_corrected": lds_of(c, null),
        **{f"rho_{name}": c[..., k].abs().amax(-1) for k, name in enumerate(names)},
    }
    scores = {name: interval(samples, rows) for name, samples in measured.items()}
    return scores | {"lds_ceiling": exact(lds_ceiling(rows, codes.shape[1]), rows)}


def informative_scores(
    codes: Array, factors: dict[str, Array], informative: NDArray[np.bool_], resamples: int
) -> dict[str, Score]:
    """Corrected LDS over all factors of the informative latents, and their number."""
    columns = codes[:, informative] if informative.any() else np.zeros((len(codes), 1))
    scores = alignment_scores(columns, factors, (), resamples)
    return {"lds_all_live": scores["lds_all_corrected"], "latents_live": exact(float(informative.sum()), len(codes))}
