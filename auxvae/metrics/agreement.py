r"""UDR, unsupervised disentanglement ranking: how well a model's latents match those of others.

Duan et al., ICLR 2020. For two models of the same images, with R_ij >= 0 the similarity of latent i of the one and
latent j of the other, over active latents,

    UDR_ab  = 1/2 [ mean_j max_i R_ij^2 / sum_i R_ij + mean_i max_j R_ij^2 / sum_j R_ij ]
    UDR_a   = median over b of UDR_ab                                               range [0, 1], 1 is good

R is the absolute coefficient of a Lasso (alpha 0.1) that predicts the latents of the other model from all of the first,
or Spearman's |rho|; latents are standardised. A latent is active if its mean KL is above 0.01 nat, the threshold of the
paper: below it the posterior is practically the prior. Models are usually seeds of one method. No factor is needed.

Every UDR_ab enters two rows, so that the UDR_a are no independent draws: Student's interval over them covers far
less than 95 % (a test measures both). The interval is that of their mean, by deleting one model with all of its pairs
at a time; three models are needed. Each score carries it, around its own value.

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

from auxvae.metrics.score import Score, jackknifed
from auxvae.metrics.standardise import standard

Array = NDArray[np.float64]
ALPHA = 0.1
INACTIVE = 0.01  # nats


def udr(codes: Sequence[Array], nats: Sequence[Array] | None = None, lasso: bool = True) -> list[Score]:
    """UDR of every model from codes (N, D_a) of the same rows and the mean KL of each latent, (D_a,).

    The interval is as wide as that of the mean over the models; the matrix holds UDR_ab for each of the others.
    """
    active = [z if nats is None else z[:, kl > INACTIVE] for z, kl in zip(codes, nats or codes, strict=True)]
    pairs = np.array([[_pair(a, b, lasso) if a is not b else np.nan for b in active] for a in active])
    pairs = (pairs + pairs.T) / 2
    mean = mean_over_models(pairs, len(codes[0]))
    half, scores = mean.high - mean.value, []
    for k, (value, row) in enumerate(zip(_of_models(pairs), pairs, strict=True)):
        others = xr.DataArray(np.delete(row, k), {"model": np.delete(np.arange(len(pairs)), k)}, ["model"])
        low, high = (float(np.clip(end, 0, 1)) for end in (value - half, value + half))
        scores.append(Score(float(value), low, high, mean.n, others, mean.se))
    return scores


def mean_over_models(pairs: Float[ndarray, "M M"], rows: int) -> Score:
    """Mean UDR of M models from UDR_ab, (M, M), with the interval of deleting one model at a time."""
    others = [np.delete(np.arange(len(pairs)), k) for k in range(len(pairs) if len(pairs) > 2 else 0)]
    replicates = [float(_of_models(pairs[np.ix_(kept, kept)]).mean()) for kept in others]
    return jackknifed(float(_of_models(pairs).mean()), replicates, rows)


def _of_models(pairs: Float[ndarray, "M M"]) -> Float[ndarray, " M"]:
    """UDR_a: the median of each row without its diagonal."""
    return np.array([np.median(np.delete(row, k)) for k, row in enumerate(pairs)])


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
    coefficients = Lasso(alpha=ALPHA, precompute=True).fit(standard(one), standard(two)).coef_
    return np.asarray(np.abs(coefficients.reshape(two.shape[1], -1).T))


def _spearman(one: Array, two: Array) -> Array:
    ranks = [standard(rankdata(z, axis=0)) for z in (one, two)]
    return np.asarray(np.abs(ranks[0].T @ ranks[1] / len(one)))
