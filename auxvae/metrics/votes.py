r"""BetaVAE and FactorVAE scores: which factor was held still, told from codes that move and codes that do not.

    beta_vae    the rows of each of 64 pairs share their value of factor k; from the mean of |z - z'| over the pairs,
                (D,), a logistic regression tells k; the score is its accuracy on unseen batches
                                                                             (Higgins et al., ICLR 2017)
    factor_vae  64 rows share the value of factor k; the latent of the least variance, in units of its variance over
                all rows, votes for k; each latent stands for the factor that it votes for most; the score is the
                accuracy on unseen batches; latents of standard deviation below 0.05 have no vote
                                                                     (Kim & Mnih, arXiv:1802.05983, section 3)

10,000 batches to learn from and 5,000 to be judged by. Range [1/F, 1], 1 is good. Batches are drawn from the rows at
hand: a row names the value of the factor, then rows of that value are drawn with replacement. Continuous factors share
a quantile of twenty, not a value. Known failures: both are 1 for a rotation that leaves some latent stillest for each
factor, and a logistic regression on means is so strong that noisy codes score 1. Intervals: bootstrap over the batches
that judge.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from auxvae.metrics.score import RESAMPLES, Score, Table, group_of_rows, group_weights, interval, labelled

Array = NDArray[np.float64]
Rows = Int[ndarray, "M R"]
BATCH, LEARNED, JUDGED = 64, 10_000, 5_000
PRUNED = 0.05  # standard deviation


def beta_vae(codes: Table, classes: Table, resamples: int = RESAMPLES, seed: int = 0) -> Score:
    """BetaVAE score of codes (N, D) and classes of factors (N, F)."""
    z, known = np.asarray(codes, dtype=np.float64), np.asarray(classes)
    source = np.random.Generator(np.random.Philox(seed))
    factor = held_factors(known.shape[1], source)
    rows = source.integers(len(z), size=(len(factor), BATCH))
    others = alike(known, rows, factor, source)
    parts = zip(np.array_split(rows, 20), np.array_split(others, 20), strict=True)
    apart = np.concatenate([np.abs(z[one] - z[two]).mean(1) for one, two in parts])
    score = beta_vae_of(apart[:LEARNED], factor[:LEARNED], apart[LEARNED:], factor[LEARNED:], resamples)
    return score._replace(n=len(z))


def beta_vae_of(
    points: Float[ndarray, "M D"],
    factor: Int[ndarray, " M"],
    points_judged: Float[ndarray, "J D"],
    factor_judged: Int[ndarray, " J"],
    resamples: int = RESAMPLES,
) -> Score:
    """The same from mean distances (M, D) and the factors held still, (M,)."""
    told = LogisticRegression(max_iter=1000).fit(points, factor).predict(points_judged)
    return _share(told == factor_judged, resamples)


def factor_vae(codes: Table, classes: Table, resamples: int = RESAMPLES, seed: int = 0) -> Score:
    """FactorVAE score of codes (N, D) and classes of factors (N, F); the matrix counts votes, (D, F)."""
    z, known = np.asarray(codes, dtype=np.float64), np.asarray(classes)
    source = np.random.Generator(np.random.Philox(seed))
    factor = held_factors(known.shape[1], source)
    first = source.integers(len(z), size=(len(factor), 1))
    rows = alike(known, np.broadcast_to(first, (len(factor), BATCH)), factor, source)
    latent = votes(z, rows, z.var(0, ddof=1))
    score = factor_vae_of(latent[:LEARNED], factor[:LEARNED], latent[LEARNED:], factor[LEARNED:], resamples)
    counts = _counted(latent[:LEARNED], factor[:LEARNED], z.shape[1], np.asarray(classes).shape[1])
    return score._replace(n=len(z), matrix=labelled(counts, codes, classes))


def votes(
    codes: Float[ndarray, "N D"], rows: Rows, variance: Float[ndarray, " D"], pruned: float = PRUNED
) -> Int[ndarray, " M"]:
    """The latent that varies least in each batch of rows, (M,), in units of its variance over all rows, (D,).

    -1 where no latent varies by more than `pruned`.
    """
    able = np.sqrt(variance) >= pruned
    if not able.any() or not variance[able].all():
        able &= variance > 0
    if not able.any():
        return np.full(len(rows), -1)
    taken = codes[:, able]
    least = [(taken[at].var(1, ddof=1) / variance[able]).argmin(1) for at in np.array_split(rows, 20)]
    return np.asarray(np.flatnonzero(able)[np.concatenate(least)])


def factor_vae_of(
    latent: Int[ndarray, " M"],
    factor: Int[ndarray, " M"],
    latent_judged: Int[ndarray, " J"],
    factor_judged: Int[ndarray, " J"],
    resamples: int = RESAMPLES,
) -> Score:
    """The same from the votes (M,) and the factors held still, (M,)."""
    latents = 1 + max(0, int(latent.max()), int(latent_judged.max()))
    stands_for = _counted(latent, factor, latents, int(factor.max()) + 1).argmax(1)
    return _share(stands_for[latent_judged] == factor_judged, resamples)


def _counted(latent: NDArray[np.intp], factor: NDArray[np.intp], latents: int, factors: int) -> NDArray[np.intp]:
    """How often each latent votes for each factor, (D, F); -1 stands for the first latent."""
    return np.bincount(latent.clip(0) * factors + factor, minlength=latents * factors).reshape(latents, factors)


def _share(right: NDArray[np.bool_], resamples: int) -> Score:
    weights = group_weights(len(right), resamples).numpy()[:, group_of_rows(len(right))]
    value = weights @ right / weights.sum(1)
    return interval(value, len(right))


def alike(classes: Int[ndarray, "N F"], rows: Rows, factor: Int[ndarray, " M"], source: np.random.Generator) -> Rows:
    """For every row (M, R) one drawn from those of the same class of the factor that its batch holds still, (M,)."""
    drawn = np.empty_like(rows)
    for k in range(classes.shape[1]):
        order = np.argsort(classes[:, k], kind="stable")
        start = np.searchsorted(classes[order, k], classes[:, k])
        count = np.searchsorted(classes[order, k], classes[:, k], side="right") - start
        like = rows[factor == k]
        drawn[factor == k] = order[start[like] + (source.random(like.shape) * count[like]).astype(np.intp)]
    return drawn


def held_factors(factors: int, source: np.random.Generator) -> Int[ndarray, " M"]:
    """Which factor each batch holds still, (M,)."""
    return source.integers(factors, size=LEARNED + JUDGED)
