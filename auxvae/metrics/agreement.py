r"""UDR, unsupervised disentanglement ranking: how well a model's latents match those of others.

Duan et al., ICLR 2020. For two models of the same images, with R_ij >= 0 the similarity of latent i of the one and
latent j of the other, over active latents,

    UDR_ab  = 1/2 [ mean_j max_i R_ij^2 / sum_i R_ij + mean_i max_j R_ij^2 / sum_j R_ij ]
    UDR_a   = median over b of UDR_ab                                               range [0, 1], 1 is good

R is the absolute coefficient of a Lasso (alpha 0.1) that predicts the latents of the other model from all of the first,
or Spearman's |rho|; latents are standardised. A latent is active if its mean KL is above 0.01 nat, the threshold of the
paper: below it the posterior is practically the prior. Models are usually seeds of one method. No factor is needed.
Known failure: it rewards agreement on axes that are not factors, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.linear_model import Lasso

from auxvae.metrics.score import Score
from auxvae.metrics.standardise import standard

Array = NDArray[np.float64]
ALPHA = 0.1
INACTIVE = 0.01  # nats


def udr(codes: Sequence[Array], nats: Sequence[Array] | None = None, lasso: bool = True) -> list[Score]:
    """UDR of every model from codes (N, D_a) of the same rows and the mean KL of each latent, (D_a,).

    The interval is the interquartile range over the other models; the matrix holds UDR_ab for each of them.
    """
    active = [z if nats is None else z[:, kl > INACTIVE] for z, kl in zip(codes, nats or codes, strict=True)]
    pairs = np.array([[_pair(a, b, lasso) if a is not b else np.nan for b in active] for a in active])
    scores = []
    for k, row in enumerate(pairs):
        others = np.delete((row + pairs[:, k]) / 2, k)
        low, value, high = np.quantile(others, (0.25, 0.5, 0.75))
        matrix = xr.DataArray(others, {"model": np.delete(np.arange(len(active)), k)}, ["model"])
        scores.append(Score(value, low, high, len(codes[k]), matrix))
    return scores


def _pair(one: Array, two: Array, lasso: bool) -> float:
    if not (one.shape[1] and two.shape[1]):
        return 0.0
    return agreement(_lasso(one, two) if lasso else _spearman(one, two))


def agreement(similarity: Float[ndarray, "D E"]) -> float:
    """UDR_ab from R; a latent that is similar to none counts 0."""
    both = (similarity, similarity.T)
    sides = (np.divide(r.max(0) ** 2, r.sum(0), out=np.zeros(r.shape[1]), where=r.sum(0) > 0) for r in both)
    return float(np.mean([side.mean() for side in sides]))


def _lasso(one: Array, two: Array) -> Array:
    coefficients = Lasso(alpha=ALPHA).fit(standard(one), standard(two)).coef_
    return np.asarray(np.abs(coefficients.reshape(two.shape[1], -1).T))


def _spearman(one: Array, two: Array) -> Array:
    ranks = [standard(rankdata(z, axis=0)) for z in (one, two)]
    return np.asarray(np.abs(ranks[0].T @ ranks[1] / len(one)))
