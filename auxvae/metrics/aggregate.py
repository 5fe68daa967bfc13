r"""The codes of many images taken together: how they lie beside their prior, and how independent they are.

    prior_distance       mean over 200 directions of the 1-Wasserstein distance between codes and prior samples
    prior_marginals      the same over the axes alone, each latent by itself
    ..._floor            the same between two samples of the prior of that size: what a perfect match scores
    total_correlation    1/2 (sum_j log C_jj - log det C), nats: of a Gaussian with the covariance C of the codes
    covariance_ratio     sum_j C_jj^2 / sum_ij C_ij^2                                  (arXiv 2510.11953, Table 5)
    pair_dependence      mean over pairs i < j of the distance correlation of z_i and z_j (Szekely et al. 2007), which
                         sees any dependence; ..._floor where the rows of each latent are shuffled

Samples of the posterior are compared, as the prior asks, and in the prior's unit: nothing is standardised.
Directions and shuffles are fixed by the number of latents and rows. Distance correlation takes 1,000 rows at most.
Intervals are value +- 1.96 standard errors of a jackknife over ten blocks of rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from auxvae.metrics.alignment import Score

Array = NDArray[np.float64]
DIRECTIONS = 200
PAIRED_ROWS = 1000
BLOCKS = 10
SINGULAR = 1e-12  # least eigenvalue of a correlation matrix: copies of a latent count 14 nats each


def aggregate_scores(codes: Float[ndarray, "N D"], prior: Float[ndarray, "M F"] | None, told: int) -> dict[str, Score]:
    """Every measure above, from codes (N, D) and 2 N prior samples (2 N, F) of the latents behind the told ones."""
    source = np.random.Generator(np.random.Philox(key=len(codes)))
    shuffled = np.stack([source.permutation(column) for column in codes.T], 1)
    scores = {name: jackknife(measure, codes) for name, measure in INDEPENDENCE.items()}
    scores["pair_dependence"] = jackknife(pair_dependence, codes[:PAIRED_ROWS])
    scores["pair_dependence_floor"] = _alone(pair_dependence(shuffled[:PAIRED_ROWS]), len(codes[:PAIRED_ROWS]))
    if prior is not None:
        sample, again = np.split(prior, 2)
        for name, measure in MATCH.items():
            scores[name] = jackknife(_near(measure, sample), codes[:, told:])
            scores[f"{name}_floor"] = _alone(measure(again, sample), len(codes))
    return scores


def jackknife(measure: Callable[[Array], float], codes: Float[ndarray, "N D"]) -> Score:
    """A measure of all rows, and its 95 % interval from leaving out one of ten blocks of rows at a time."""
    value, rows = measure(codes), np.arange(len(codes))
    left = [measure(codes[rows % BLOCKS != block]) for block in range(min(BLOCKS, len(codes)))]
    half = 1.96 * float(np.sqrt((len(left) - 1) * np.var(left)))
    return Score(value, value - half, value + half, len(codes))


def _near(measure: Callable[[Array, Array], float], sample: Array) -> Callable[[Array], float]:
    return lambda codes: measure(codes, sample)


def _alone(value: float, rows: int) -> Score:
    return Score(value, value, value, rows)


def sliced_wasserstein(codes: Float[ndarray, "N D"], prior: Float[ndarray, "M D"]) -> float:
    """Mean 1-Wasserstein distance over random directions."""
    directions = np.random.Generator(np.random.Philox(key=0)).standard_normal((DIRECTIONS, codes.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return marginal_wasserstein(codes @ directions.T, prior @ directions.T)


def marginal_wasserstein(codes: Float[ndarray, "N D"], prior: Float[ndarray, "M D"]) -> float:
    """Mean 1-Wasserstein distance of the columns."""
    return float(np.mean([wasserstein_distance(a, b) for a, b in zip(codes.T, prior.T, strict=True)]))


def total_correlation(codes: Float[ndarray, "N D"]) -> float:
    """Total correlation of a Gaussian of the codes' covariance, in nats; latents that do not vary are left out."""
    live = codes[:, codes.std(0) > 1e-8]
    spread = np.linalg.eigvalsh(np.atleast_2d(np.corrcoef(live.T))) if live.shape[1] > 1 else np.ones(1)
    return float(-0.5 * np.log(spread.clip(SINGULAR)).sum())


def covariance_ratio(codes: Float[ndarray, "N D"]) -> float:
    """Share of the diagonal in the squared entries of the covariance; 1 is uncorrelated."""
    squares = np.atleast_2d(np.cov(codes.T)) ** 2
    return float(np.trace(squares) / squares.sum())


def pair_dependence(codes: Float[ndarray, "N D"]) -> float:
    """Mean distance correlation over pairs of latents, in [0, 1]; 0 is independent but for chance."""
    if codes.shape[1] < 2:
        return 0.0
    centred = np.stack([_centred_distances(column).ravel() for column in codes.T])
    products = (centred @ centred.T).astype(np.float64)
    own = np.sqrt(products.diagonal())
    scale = own[:, None] * own
    squared = np.divide(products, scale, out=np.zeros_like(products), where=scale > 0)
    return float(np.sqrt(squared[np.triu_indices(len(own), 1)].clip(0)).mean())


def _centred_distances(column: Float[ndarray, " N"]) -> Float[ndarray, "N N"]:
    distances = np.abs(column[:, None] - column).astype(np.float32)
    return np.asarray(distances - distances.mean(0) - distances.mean(1)[:, None] + distances.mean())


INDEPENDENCE: dict[str, Callable[[Array], float]] = {
    "total_correlation": total_correlation,
    "covariance_ratio": covariance_ratio,
}
MATCH: dict[str, Callable[[Array, Array], float]] = {
    "prior_distance": sliced_wasserstein,
    "prior_marginals": marginal_wasserstein,
}
