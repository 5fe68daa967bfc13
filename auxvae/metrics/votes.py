r"""BetaVAE and FactorVAE scores: which factor is constant in a batch, predicted from how much each latent varies.

    beta_vae    the rows of each of 64 pairs share their value of factor k; from the mean of |z - z'| over the pairs,
                (D,), a logistic regression predicts k; the score is its accuracy on test batches
                                                                             (Higgins et al., ICLR 2017)
    factor_vae  64 rows share the value of factor k; the latent of the least variance, in units of its variance over
                all rows, votes for k; each latent predicts the factor that it votes for most; the score is the
                accuracy on test batches; latents of standard deviation below 0.05 have no vote
                                                                     (Kim & Mnih, arXiv:1802.05983, section 3)

10,000 training and 5,000 test batches. Range [1/F, 1], 1 is good. Batches are drawn from the rows at hand: a random row
sets the value of the factor, then rows of that value are drawn with replacement. Rows share one of twenty quantiles of
a continuous factor, not a value. Known failures: both are 1 for a rotation after which each factor still has a latent
that varies least, and a logistic regression on means is so powerful that noisy codes score 1. Intervals: by the scores
of 2,000 training and 1,000 test batches of random halves of the rows (auxvae.metrics.score), with the binomial scatter
of so few test batches taken off and that of 5,000 put in its place; the batches alone scatter two to three times less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from auxvae.metrics.score import (
    RESAMPLES,
    Score,
    Table,
    group_of_rows,
    group_weights,
    halves_error,
    interval,
    labelled,
    within,
)

Array = NDArray[np.float64]
Rows = Int[ndarray, "M R"]
BATCH = 64


class Batches(NamedTuple):
    """Numbers of training and test batches."""

    train: int
    test: int


ALL, FEW, SPLITS = Batches(10_000, 5_000), Batches(2_000, 1_000), 10
PRUNED = 0.05  # standard deviation
NEWTON = 200  # coefficients, up to which Newton's method, whose cost is their cube, is the faster one


def beta_vae(codes: Table, classes: Table, resamples: int = RESAMPLES, seed: int = 0) -> Score:
    """BetaVAE score of codes (N, D) and classes of factors (N, F)."""
    z, u = np.asarray(codes, dtype=np.float64), np.asarray(classes)
    score = _beta_vae(z, u, ALL, seed)
    return _over_rows(score, lambda rows: _beta_vae(z[rows], u[rows], FEW, seed).value, len(z)) if resamples else score


def _beta_vae(z: Array, u: NDArray[Any], batches: Batches, seed: int) -> Score:
    source = np.random.Generator(np.random.Philox(seed))
    factor = fixed_factors(u.shape[1], batches, source)
    rows = source.integers(len(z), size=(len(factor), BATCH))
    others = same_class(u, rows, factor, source)
    parts = zip(np.array_split(rows, 20), np.array_split(others, 20), strict=True)
    distance = np.concatenate([np.abs(z[one] - z[two]).mean(1) for one, two in parts])
    train = batches.train
    return beta_vae_of(distance[:train], factor[:train], distance[train:], factor[train:], 0)._replace(n=len(z))


def beta_vae_of(
    points: Float[ndarray, "M D"],
    factor: Int[ndarray, " M"],
    points_test: Float[ndarray, "J D"],
    factor_test: Int[ndarray, " J"],
    resamples: int = RESAMPLES,
) -> Score:
    """BetaVAE score from mean distances (M, D) and the constant factors (M,) of training and test batches."""
    coefficients = points.shape[1] * len(np.unique(factor))
    solver = "newton-cholesky" if coefficients <= NEWTON else "lbfgs"
    predicted = LogisticRegression(solver=solver, max_iter=1000).fit(points, factor).predict(points_test)
    return _share(predicted == factor_test, resamples)


def factor_vae(codes: Table, classes: Table, resamples: int = RESAMPLES, seed: int = 0) -> Score:
    """FactorVAE score of codes (N, D) and classes of factors (N, F); the matrix counts votes, (D, F)."""
    z, u = np.asarray(codes, dtype=np.float64), np.asarray(classes)
    score, counts = _factor_vae(z, u, ALL, seed)
    score = score._replace(matrix=labelled(counts, codes, classes))
    return (
        _over_rows(score, lambda rows: _factor_vae(z[rows], u[rows], FEW, seed)[0].value, len(z))
        if resamples
        else score
    )


def _factor_vae(z: Array, u: NDArray[Any], batches: Batches, seed: int) -> tuple[Score, NDArray[np.intp]]:
    """The score, and how often each latent votes for each factor, (D, F)."""
    source = np.random.Generator(np.random.Philox(seed))
    factor = fixed_factors(u.shape[1], batches, source)
    first = source.integers(len(z), size=(len(factor), 1))
    rows = same_class(u, np.broadcast_to(first, (len(factor), BATCH)), factor, source)
    latent, train = votes(z, rows, z.var(0, ddof=1)), batches.train
    score = factor_vae_of(latent[:train], factor[:train], latent[train:], factor[train:], 0)
    return score._replace(n=len(z)), _vote_counts(latent[:train], factor[:train], z.shape[1], u.shape[1])


def _over_rows(score: Score, measure: Callable[[NDArray[np.intp]], float], rows: int) -> Score:
    """A score with the interval of its rows and batches, from the measure of some rows by few batches."""
    halves = float(halves_error(lambda some: np.array([measure(some)]), rows, SPLITS)[0])
    binomial = score.value * (1 - score.value)
    variance = max(0.0, halves**2 - binomial / (2 * FEW.test)) + binomial / ALL.test
    return within(score.value, variance**0.5, rows, score.matrix)


def votes(
    codes: Float[ndarray, "N D"], rows: Rows, variance: Float[ndarray, " D"], pruned: float = PRUNED
) -> Int[ndarray, " M"]:
    """The latent that varies least in each batch of rows, (M,), in units of its variance over all rows, (D,).

    -1 where no latent varies by more than `pruned`.
    """
    voting = np.sqrt(variance) >= pruned
    if not voting.any() or not variance[voting].all():
        voting &= variance > 0
    if not voting.any():
        return np.full(len(rows), -1)
    columns = codes[:, voting]
    least = [(columns[batches].var(1, ddof=1) / variance[voting]).argmin(1) for batches in np.array_split(rows, 20)]
    return np.asarray(np.flatnonzero(voting)[np.concatenate(least)])


def factor_vae_of(
    latent: Int[ndarray, " M"],
    factor: Int[ndarray, " M"],
    latent_test: Int[ndarray, " J"],
    factor_test: Int[ndarray, " J"],
    resamples: int = RESAMPLES,
) -> Score:
    """FactorVAE score from the votes (M,) and the constant factors (M,) of training and test batches."""
    latents = 1 + max(0, int(latent.max()), int(latent_test.max()))
    factor_of_latent = _vote_counts(latent, factor, latents, int(factor.max()) + 1).argmax(1)
    return _share(factor_of_latent[latent_test] == factor_test, resamples)


def _vote_counts(latent: NDArray[np.intp], factor: NDArray[np.intp], latents: int, factors: int) -> NDArray[np.intp]:
    """How often each latent votes for each factor, (D, F); -1 stands for the first latent."""
    return np.bincount(latent.clip(0) * factors + factor, minlength=latents * factors).reshape(latents, factors)


def _share(right: NDArray[np.bool_], resamples: int) -> Score:
    weights = group_weights(len(right), resamples)[:, group_of_rows(len(right))]
    value = weights @ right / weights.sum(1)
    return interval(value, len(right))


def same_class(
    classes: Int[ndarray, "N F"], rows: Rows, factor: Int[ndarray, " M"], source: np.random.Generator
) -> Rows:
    """For every row (M, R) a random row of the same class of the factor that is constant in its batch, (M,)."""
    partners = np.empty_like(rows)
    for k in range(classes.shape[1]):
        order = np.argsort(classes[:, k], kind="stable")
        start = np.searchsorted(classes[order, k], classes[:, k])
        count = np.searchsorted(classes[order, k], classes[:, k], side="right") - start
        batches = rows[factor == k]
        partners[factor == k] = order[start[batches] + (source.random(batches.shape) * count[batches]).astype(np.intp)]
    return partners


def fixed_factors(factors: int, batches: Batches, source: np.random.Generator) -> Int[ndarray, " M"]:
    """The factor that is constant in each batch, (M,)."""
    return source.integers(factors, size=sum(batches))
