r"""How far the codes of many images, taken together, are from samples of their prior.

    prior_distance          mean over 200 directions of the 1-Wasserstein distance between codes and prior samples
                                                                                    (Bonneel et al., JMIV 2015)
    prior_marginals         the same along the axes: mean over latents, each by itself
    prior_mmd               unbiased MMD^2 with the IMQ kernels of auxvae.losses.kernels; at most 1,000 rows
                                                                                    (Gretton et al., JMLR 2012)
    prior_ks                mean over latents of the two-sample Kolmogorov-Smirnov distance; [0, 1]
    ..._floor               the same between two samples of the prior of that size: the score of a perfect match

Samples of the posterior are compared, since the prior is that of samples, and in the unit of the prior: nothing is
standardised. Directions depend on the number of latents alone. Intervals: a jackknife that deletes one of ten blocks of
the codes together with one of ten blocks of the prior's samples, because rows drawn twice look farther from the prior,
and the samples of the prior scatter as the codes do. At a perfect match all distances are degenerate and the intervals
too wide. Known failure: random projections of many latents are all nearly Gaussian, so that prior_distance hardly sees
single latents; prior_marginals does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from auxvae.config.latents import Mmd
from auxvae.losses.kernels import bandwidth, kernel, squared_distances
from auxvae.metrics.score import BLOCKS, Rows, Score, exact, jackknifed

Array = NDArray[np.float64]
Measure = Callable[[Rows, Rows], float]  # of some rows of the codes and some of the prior's samples
Distance = Callable[[Array, Array], Measure]  # made of codes and prior samples
DIRECTIONS = 200
MMD_ROWS = 1000


def match_scores(codes: Float[ndarray, "N D"], prior: Float[ndarray, "M D"]) -> dict[str, Score]:
    """Every distance between codes (N, D) and a prior, from 2 N samples of it (2 N, D), and its floor."""
    sample, second_sample = prior[: len(prior) // 2], prior[len(prior) // 2 :]
    scores = {}
    for name, distance in DISTANCES.items():
        scores[name] = jackknife_of_two(distance(codes, sample), len(codes), len(sample))
        scores[f"{name}_floor"] = exact(_of_all(distance, second_sample, sample), len(codes))
    return scores


def _of_all(distance: Distance, codes: Array, sample: Array) -> float:
    return distance(codes, sample)(np.arange(len(codes)), np.arange(len(sample)))


def jackknife_of_two(measure: Measure, rows: int, samples: int) -> Score:
    """A distance of two sets, with the interval of deleting a block of the one and a block of the other at a time."""
    every, drawn = np.arange(rows), np.arange(samples)
    blocks = range(min(BLOCKS, rows, samples))
    replicates = [measure(every[every % BLOCKS != block], drawn[drawn % BLOCKS != block]) for block in blocks]
    return jackknifed(measure(every, drawn), replicates, rows)


def sliced_wasserstein(codes: Float[ndarray, "N D"], prior: Float[ndarray, "M D"]) -> float:
    """Mean 1-Wasserstein distance over random directions."""
    return _of_all(_sliced, codes, prior)


def _sliced(codes: Array, prior: Array) -> Measure:
    return _marginal(projected(codes), projected(prior))


def projected(rows: Float[ndarray, "N D"]) -> Float[ndarray, "N P"]:
    """Rows projected on the random directions, (N, 200), which depend on the number of columns alone."""
    directions = np.random.Generator(np.random.Philox(key=0)).standard_normal((DIRECTIONS, rows.shape[1]))
    return np.asarray(rows @ (directions / np.linalg.norm(directions, axis=1, keepdims=True)).T)


def marginal_wasserstein(codes: Float[ndarray, "N D"], prior: Float[ndarray, "M D"], power: int = 1) -> float:
    """Mean over columns of W_p^p, p = 1 by default: the integral of |F^-1 - G^-1|^p over the steps of both.

    Exact for sets of any two sizes: in one dimension the optimal coupling is that of the quantiles.
    """
    n, m = len(codes), len(prior)
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)  # of the steps, in units of 1 / (n m)
    a, b = (np.sort(rows.T)[:, -(-ends // other) - 1] for rows, other in ((codes, m), (prior, n)))
    return float((np.abs(a - b) ** power @ np.diff(ends, prepend=0)).mean() / (n * m))


def _marginal(codes: Array, prior: Array) -> Measure:
    return lambda rows, drawn: marginal_wasserstein(codes[rows], prior[drawn])


def prior_mmd(codes: Float[ndarray, "N D"], prior: Float[ndarray, "M D"]) -> float:
    """Unbiased MMD^2 with the mixture of IMQ kernels, of at most 1,000 rows each."""
    return _of_all(_mmd, codes, prior)


def _mmd(codes: Array, prior: Array) -> Measure:
    """MMD^2 of some of the codes and samples, those among the first 1,000, from kernels that are computed once."""
    z, y = (torch.from_numpy(rows[:MMD_ROWS]) for rows in (codes, prior))
    mmd, variance = Mmd(), torch.from_numpy(prior.var(0))
    zz, zy, yy = (
        kernel(squared_distances(a, b), bandwidth(mmd, variance, a), mmd.kernel, mmd.scales).numpy()
        for a, b in ((z, z), (z, y[: len(z)]), (y[: len(z)], y[: len(z)]))
    )

    def measure(rows: Rows, drawn: Rows) -> float:
        rows, drawn = rows[rows < len(zz)], drawn[drawn < len(yy)]
        among = _mean_of_others(zz[np.ix_(rows, rows)]) + _mean_of_others(yy[np.ix_(drawn, drawn)])
        return among - 2 * float(zy[np.ix_(rows, drawn)].mean())

    return measure


def _mean_of_others(gram: Array) -> float:
    """Mean of a Gram matrix (N, N) without its diagonal."""
    return float((gram.sum() - np.trace(gram)) / (len(gram) * (len(gram) - 1)))


def marginal_ks(codes: Float[ndarray, "N D"], prior: Float[ndarray, "M D"]) -> float:
    """Mean Kolmogorov-Smirnov distance of the columns."""
    columns = zip(codes.T, prior.T, strict=True)
    return float(np.mean([ks_2samp(a, b, method="asymp").statistic for a, b in columns]))


def _ks(codes: Array, prior: Array) -> Measure:
    return lambda rows, drawn: marginal_ks(codes[rows], prior[drawn])


DISTANCES: dict[str, Distance] = {
    "prior_distance": _sliced,
    "prior_marginals": _marginal,
    "prior_mmd": _mmd,
    "prior_ks": _ks,
}
