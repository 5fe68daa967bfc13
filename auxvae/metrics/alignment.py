r"""Which latent says which factor: correlations and the latent disentanglement score (arXiv 2507.00298, released code).

With c_jk = |rho(z_j, u_k)| over N rows, d_Z latents and d factors:

    LDS       = 1/d sum_k max_j c_jk / sum_j c_jk                        range [1/d_Z, 1], 1 is good
    ceiling   = 1 / (1 + (d_Z - 1) sqrt(2 / (pi N)))                     what a perfect code scores on N rows: the other
                                                                         d_Z - 1 latents correlate by chance
    corrected = LDS with c_jk = 0 wherever c_jk < 1.96 / sqrt(N)         chance taken away at the 95 % level

    live      LDS corrected over all factors, of the latents that hold more than 0.3 nat,
              1/2 log(1 + var(mu_j) / E sigma_j^2): rho does not know the scale, and gives a latent at rest the same
              say as one at work. latents_live is their number.

    explicitness = mean_k max_j 1/K sum_p |rho(z_j^p, u_k^p)|, p = 1..K  range [0, 1], 1 is good: 1 - R_1^K of the loss
                                                                         for the latent that says the factor best
    dependence   = 1/K^2 sum_pq |rho(z_j^p, u_k^q)|                      a matrix: the heat map of degree K
    SAP          = mean_k (c_(1)k^2 - c_(2)k^2)                          range [0, 1], 1 is good: the two latents that
                                                                         say most, linearly (Kumar et al.,
                                                                         arXiv:1711.00848, continuous factors)

Powers are those of standardised columns. Choices: posterior means are scored (the release scores samples of the
posterior: `lds_sampled`); a factor that no latent says significantly counts 0 in the corrected score; SAP takes a
latent of variance below 1e-12 for one that says nothing. Known failures: all see the line alone, so that z = u^2
scores nothing for a symmetric u (powers of degree K see it); LDS and SAP do not ask how much of u is said.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray
from torch import Tensor

from auxvae.metrics.information import gap
from auxvae.metrics.moments import correlations, covariances
from auxvae.metrics.score import RESAMPLES, Score, Table, exact, interval, labelled

Array = NDArray[np.float64]
LIVE = 0.3  # nats
CONSTANT = 1e-12  # variance below which SAP takes a latent for constant


def rho(codes: Table, factors: Table, resamples: int = 0) -> Float[Tensor, "S D F"]:
    """Pearson's rho of every latent with every factor, (1 + resamples, D, F); 0 for a constant column."""
    z, u = (np.asarray(columns, dtype=np.float64) for columns in (codes, factors))
    return correlations(covariances(torch.from_numpy(np.hstack([z, u])), resamples))[:, : z.shape[1], z.shape[1] :]


def correlation_matrix(codes: Table, factors: Table) -> Float[ndarray, "D F"]:
    """Pearson's rho of all rows, (D, F), from (N, D) and (N, F)."""
    return np.asarray(rho(codes, factors)[0].numpy())


def lds_of(c: Float[Tensor, "*S D F"], threshold: float = 0.0) -> Float[Tensor, "*S"]:
    """LDS of correlation matrices; correlations below the threshold count as 0."""
    known = torch.where(c.abs() < threshold, 0, c.abs())
    total = known.sum(-2)
    return torch.where(total > 0, known.amax(-2) / total, 0).mean(-1)


def lds_ceiling(rows: int, latents: int) -> float:
    """LDS that a perfect code reaches on so many rows."""
    return 1 / (1 + (latents - 1) * math.sqrt(2 / (math.pi * rows)))


def null_threshold(rows: int) -> float:
    """|rho| that independent columns exceed in 5 % of cases."""
    return 1.96 / math.sqrt(rows)


def lds(codes: Table, factors: Table, corrected: bool = False, resamples: int = RESAMPLES) -> Score:
    """LDS of codes (N, D) for factors (N, F), raw or corrected for chance; the matrix is rho, (D, F)."""
    c, rows = rho(codes, factors, resamples), len(np.asarray(codes))
    value = lds_of(c, null_threshold(rows) if corrected else 0.0)
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


def standard(columns: Array) -> Array:
    """Columns of mean 0 and variance 1; 0 where they do not vary."""
    centred = (columns - columns.mean(0)) * (np.ptp(columns, axis=0) > 0)
    spread = np.sqrt(np.mean(centred**2, 0))
    return np.asarray(np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0))


def alignment_scores(
    codes: Array, factors: dict[str, Array], told: tuple[str, ...], resamples: int
) -> dict[str, Score]:
    """LDS over the told factors (all, where none is told) and over all, and the best |rho| of each factor."""
    names, rows = list(factors), len(codes)
    c = rho(codes, np.stack([factors[name] for name in names], 1), resamples)
    given = c[..., [names.index(name) for name in told] or list(range(len(names)))]
    null = null_threshold(rows)
    measured = {
        "lds": lds_of(given),
        "lds_corrected": lds_of(given, null),
        "lds_all": lds_of(c),
        "lds_all_corrected": lds_of(c, null),
        **{f"rho_{name}": c[..., k].abs().amax(-1) for k, name in enumerate(names)},
    }
    scores = {name: interval(drawn, rows) for name, drawn in measured.items()}
    return scores | {"lds_ceiling": exact(lds_ceiling(rows, codes.shape[1]), rows)}


def active_latents(mean: Float[ndarray, "N D"], log_variance: Float[ndarray, "N D"]) -> NDArray[np.bool_]:
    """Which latents hold more than LIVE nats, (D,), from posterior means and log variances (N, D)."""
    held = 0.5 * np.log1p(mean.var(0) / np.exp(log_variance).mean(0))
    return np.asarray(held > LIVE)


def active_scores(codes: Array, factors: dict[str, Array], live: NDArray[np.bool_], resamples: int) -> dict[str, Score]:
    """Corrected LDS over all factors with the latents at rest taken out, and the number of the others."""
    working = codes[:, live] if live.any() else np.zeros((len(codes), 1))
    scores = alignment_scores(working, factors, (), resamples)
    return {"lds_all_live": scores["lds_all_corrected"], "latents_live": exact(float(live.sum()), len(codes))}


def control_codes(factors: Array, latents: int) -> dict[str, Array]:
    """Codes whose score is known beforehand, (N, latents): what a metric should say of them.

    identity: the factors, then noise. noise: noise alone. duplicated: every factor twice. rotated: the standardised
    factors under a random rotation, which keeps all information and no axis.
    """
    source = np.random.Generator(np.random.Philox(key=1))
    known = standard(factors)
    noise = source.standard_normal((len(factors), latents))
    rotation, _ = np.linalg.qr(source.standard_normal((factors.shape[1],) * 2))
    bare = {"identity": known, "duplicated": np.hstack([known, known]), "rotated": known @ rotation}
    filled = {name: np.hstack([codes, noise])[:, : max(latents, codes.shape[1])] for name, codes in bare.items()}
    return {**filled, "noise": noise}
