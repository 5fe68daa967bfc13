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
    own_latent   = c_jk of the latent j whose prior is the distribution of factor k; chance is sqrt(2 / (pi N))
    explicitness = mean_k max_j 1/K sum_p |rho(z_j^p, u_k^p)|, p = 1..K  range [0, 1], 1 is good: 1 - R_1^K of the loss
                                                                         for the best latent of each factor
    dependence   = 1/K^2 sum_pq |rho(z_j^p, u_k^q)|                      a matrix: the heat map of degree K
    SAP          = mean_k (c_(1)k^2 - c_(2)k^2)                          range [0, 1], 1 is good: the lead of the best
                                                                         latent over the second, linearly (Kumar et
                                                                         al., arXiv:1711.00848, continuous factors)

For a factor that is declared circular or categorical c_jk is the multiple correlation R_jk with its columns (auxvae.
metrics.targets), so that an angle scores alike wherever it is counted from. It has m_k auxiliary variables, and as many
latents may stand for it: LDS takes the sum of the m_k largest c_jk in place of the largest, SAP the largest lead
c_(q)k^2 - c_(q+1)k^2 for q up to m_k, the threshold is that of chi with as many degrees of freedom as columns, and
the ceiling has m_k in place of 1 and the mean of chi. A factor with m_k >= d_Z says nothing of axes: LDS leaves it out,
and is NaN where no other is left.

Powers are those of standardised columns. Choices: posterior means are scored (the authors' released code scores samples
of the posterior: `lds_sampled`); SAP takes a latent of variance below 1e-12 as constant; the threshold is that of all
latents of a factor, since with 1.96 / sqrt(N) for each one a factor that nothing says is found in 1 - 0.95^d_Z of all
cases. Intervals cover the expected score on so many rows. Where a correlation is near the threshold the corrected score
is a step and its interval too wide. Known failures: all see linear dependence only, so that z = u^2 scores 0 for a
symmetric u (powers of degree K see it); LDS is blind to how much of u a latent explains.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray
from scipy.special import chdtri
from torch import Tensor
from torch.nn.functional import pad

from auxvae.config.kinds import Kind
from auxvae.metrics.score import RESAMPLES, Score, Table, exact, interval, labelled
from auxvae.metrics.standardise import standard
from auxvae.metrics.targets import Targets, correlations_with, named_targets, targets

Array = NDArray[np.float64]
CONSTANT = 1e-12  # variance below which SAP takes a latent as constant


def rho(codes: Table, wanted: Targets, resamples: int = 0) -> Float[Tensor, "S D F"]:
    """rho, or R without a sign, of every latent with every factor, (1 + resamples, D, F); 0 for a constant column."""
    return correlations_with(torch.from_numpy(np.asarray(codes, dtype=np.float64)), wanted, resamples)


def correlation_matrix(codes: Table, factors: Table, kinds: Sequence[Kind] = ()) -> Float[ndarray, "D F"]:
    """rho, or R, of all rows, (D, F), from (N, D) and (N, F)."""
    return np.asarray(rho(codes, targets(factors, kinds))[0].numpy())


def lds_of(
    c: Float[Tensor, "*S D F"], threshold: float | Float[Tensor, " F"] = 0.0, size: Sequence[int] = ()
) -> Float[Tensor, "*S"]:
    """LDS of correlation matrices; correlations below the threshold count as 0.

    size: how many latents may stand for each factor, (F,), 1 for each if it is empty.
    """
    significant = torch.where(c.abs() < threshold, 0, c.abs())
    total = significant.sum(-2)
    ordered = significant.sort(-2, descending=True).values
    sizes = size or (1,) * c.shape[-1]
    best = [ordered[..., :m, k].sum(-1) for k, m in enumerate(sizes)]
    scored = [k for k, m in enumerate(sizes) if m < c.shape[-2] or m == 1]
    return torch.where(total > 0, torch.stack(best, -1) / total, 0)[..., scored].mean(-1)


def lds_ceiling(rows: int, latents: int, wanted: Targets | None = None) -> float:
    """Expected LDS of a perfect code on that number of rows, of numbers if no factors are named."""
    factors = ((1, 1),) if wanted is None else tuple(zip(wanted.size, wanted.columns_of, strict=True))
    scored = [(m, (latents - m) * _mean_chi(c) / math.sqrt(rows)) for m, c in factors if m < latents or m == 1]
    ceilings = [m / (m + others) for m, others in scored]
    return sum(ceilings) / len(ceilings) if ceilings else math.nan


def _mean_chi(freedom: int) -> float:
    """Mean of chi with so many degrees of freedom: sqrt(N) R of an independent latent."""
    return math.sqrt(2) * math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2))


def null_threshold(rows: int, latents: int, freedom: int = 1) -> float:
    """The |rho| that the best of so many latents exceeds by chance with probability 5 %, if all are independent.

    freedom: columns of the factor. By chance N R^2 is chi squared with as many degrees of freedom.
    """
    return math.sqrt(chdtri(freedom, 0.05 / latents) / rows)


def thresholds(rows: int, latents: int, wanted: Targets) -> Float[Tensor, " F"]:
    """The threshold of each factor."""
    return torch.tensor([null_threshold(rows, latents, c) for c in wanted.columns_of], dtype=torch.float64)


def lds(
    codes: Table, factors: Table, corrected: bool = False, resamples: int = RESAMPLES, kinds: Sequence[Kind] = ()
) -> Score:
    """LDS of codes (N, D) for factors (N, F), raw or corrected for chance; the matrix is rho, (D, F)."""
    wanted = targets(factors, kinds)
    c, (rows, latents) = rho(codes, wanted, resamples), np.asarray(codes).shape
    value = lds_of(c, thresholds(rows, latents, wanted) if corrected else 0.0, wanted.size)
    return interval(value, rows, labelled(c[0], codes, factors))


def sap(codes: Table, factors: Table, resamples: int = RESAMPLES, kinds: Sequence[Kind] = ()) -> Score:
    """SAP for continuous factors, of codes (N, D) and factors (N, F); the matrix is rho squared, (D, F)."""
    varies = torch.from_numpy(np.asarray(codes, dtype=np.float64)).var(0, correction=0) > CONSTANT
    wanted = targets(factors, kinds)
    c = rho(codes, wanted, resamples).square() * varies[:, None]
    return interval(_lead(c, wanted.size), len(np.asarray(codes)), labelled(c[0], codes, factors))


def _lead(squares: Float[Tensor, "S D F"], size: Sequence[int]) -> Float[Tensor, " S"]:
    """Mean over the factors of the largest lead of the q-th latent over the next, q up to the size of the factor."""
    ordered = pad(squares.sort(-2, descending=True).values, (0, 0, 0, 1))
    leads = ordered[:, :-1] - ordered[:, 1:]
    return torch.stack([leads[:, :m, k].amax(-1) for k, m in enumerate(size)], -1).mean(-1)


def explicitness(
    codes: Table, factors: Table, degree: int = 3, resamples: int = RESAMPLES, kinds: Sequence[Kind] = ()
) -> Score:
    """Explicitness of degree K of codes (N, D) for factors (N, F); the matrix is the mean over p of |rho|, (D, F).

    A factor with a kind has no powers: its entries are R.
    """
    z, wanted = standard(np.asarray(codes, dtype=np.float64)), targets(factors, kinds)
    by_power = [rho(z**p, _power(wanted, p), resamples).abs() for p in range(1, degree + 1)]
    c = torch.where(torch.tensor([m == 1 for m in wanted.size]), torch.stack(by_power).mean(0), by_power[0])
    return interval(c.amax(-2).mean(-1), len(z), labelled(c[0], codes, factors))


def _power(wanted: Targets, p: int) -> Targets:
    """The p-th power of the standardised columns."""
    return wanted._replace(columns=torch.from_numpy(standard(wanted.columns.numpy()) ** p))


def dependence(codes: Table, factors: Table, degree: int = 3) -> Float[ndarray, "D F"]:
    """The heat map of degree K, (D, F): mean |rho| over all pairs of powers."""
    z, u = (_powers(np.asarray(columns, dtype=np.float64), degree) for columns in (codes, factors))
    of_powers = rho(z, targets(u))[0].abs().unflatten(0, (degree, -1)).unflatten(2, (degree, -1))
    return np.asarray(of_powers.mean((0, 2)).numpy())


def _powers(columns: Array, degree: int) -> Array:
    return np.hstack([standard(columns) ** power for power in range(1, degree + 1)])


def alignment_scores(
    codes: Array, factors: dict[str, Array], aux: tuple[str, ...], resamples: int, kinds: Sequence[Kind] = ()
) -> dict[str, Score]:
    """LDS over the given factors (all factors, where none is given) and over all; best |rho| of each factor."""
    wanted, (rows, latents) = named_targets(factors, kinds), codes.shape
    c, null = rho(codes, wanted, resamples), thresholds(rows, latents, wanted)
    scored = [k for k, name in enumerate(factors) if name in aux] or list(range(len(factors)))
    size = [wanted.size[k] for k in scored]
    measured = {
        "lds": lds_of(c[..., scored], size=size),
        "lds_corrected": lds_of(c[..., scored], null[scored], size),
        "lds_all": lds_of(c, size=wanted.size),
        "lds_all_corrected": lds_of(c, null, wanted.size),
        **{f"rho_{name}": c[..., k].abs().amax(-1) for k, name in enumerate(factors)},
    }
    scores = {name: interval(samples, rows) for name, samples in measured.items()}
    return scores | {"lds_ceiling": exact(lds_ceiling(rows, latents, wanted), rows)}


def own_latent_scores(
    codes: Array, factors: dict[str, Array], made_of: Sequence[str], resamples: int, kinds: Sequence[Kind] = ()
) -> dict[str, Score]:
    """|rho| of each factor with the latent whose prior was made of it; made_of: per latent its factor, or ''."""
    pairs = [(j, name) for j, name in enumerate(made_of) if name in factors]
    if not pairs:
        return {}
    c, order = rho(codes, named_targets(factors, kinds), resamples).abs(), list(factors)
    chance = exact(math.sqrt(2 / (math.pi * len(codes))), len(codes))
    scores = {f"own_latent_{name}": interval(c[:, j, order.index(name)], len(codes)) for j, name in pairs}
    return {**scores, "own_latent_chance": chance}


def informative_scores(
    codes: Array,
    factors: dict[str, Array],
    informative: NDArray[np.bool_],
    resamples: int,
    kinds: Sequence[Kind] = (),
) -> dict[str, Score]:
    """Corrected LDS over all factors of the informative latents, and their number."""
    columns = codes[:, informative] if informative.any() else np.zeros((len(codes), 1))
    scores = alignment_scores(columns, factors, (), resamples, kinds)
    return {"lds_all_live": scores["lds_all_corrected"], "latents_live": exact(float(informative.sum()), len(codes))}
