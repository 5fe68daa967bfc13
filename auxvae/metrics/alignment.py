r"""Which latent says which factor: correlations and the latent disentanglement score (arXiv 2507.00298, released code).

With c_jk = |rho(z_j, u_k)| over N rows, d_Z latents and d factors:

    LDS       = 1/d sum_k max_j c_jk / sum_j c_jk                        range [1/d_Z, 1], 1 is good
    ceiling   = 1 / (1 + (d_Z - 1) sqrt(2 / (pi N)))                     what a perfect code scores on N rows: the other
                                                                         d_Z - 1 latents correlate by chance
    corrected = LDS with c_jk = 0 wherever c_jk < 1.96 / sqrt(N)         chance taken away at the 95 % level

    live      LDS corrected over all factors, of the latents that hold more than 0.3 nat,
              1/2 log(1 + var(mu_j) / E sigma_j^2): rho does not know the scale, and gives a latent at rest the same
              say as one at work. latents_live is their number.

Choices: posterior means are scored (the release scores samples of the posterior: `lds_sampled`); a factor that no
latent says significantly counts 0 in the corrected score. Intervals are value +- 1.96 standard deviations over
bootstrap rows: resampling inflates every chance correlation, so that percentiles would be biased low.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

Array = NDArray[np.float64]
LIVE = 0.3  # nats


class Score(NamedTuple):
    """A value with its 95 % interval and the number of rows behind it."""

    value: float
    low: float
    high: float
    n: int


def correlation_matrix(codes: Float[ndarray, "N D"], factors: Float[ndarray, "N F"]) -> Float[ndarray, "D F"]:
    """Pearson's rho of every latent with every factor, (D, F), from (N, D) and (N, F); 0 for a constant column."""
    return _standard(codes).T @ _standard(factors) / len(codes)


def _standard(columns: Array) -> Array:
    centred = columns - columns.mean(0)
    spread = np.sqrt(np.mean(centred**2, 0))
    return np.asarray(np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0))


def lds(rho: Float[ndarray, "D F"], threshold: float = 0.0) -> float:
    """LDS of a correlation matrix (D, F); correlations below the threshold count as 0."""
    c = np.abs(rho)
    c = np.where(c < threshold, 0.0, c)
    total = c.sum(0)
    return float(np.mean(np.divide(c.max(0), total, out=np.zeros_like(total), where=total > 0)))


def lds_ceiling(rows: int, latents: int) -> float:
    """LDS that a perfect code reaches on so many rows."""
    return 1 / (1 + (latents - 1) * math.sqrt(2 / (math.pi * rows)))


def null_threshold(rows: int) -> float:
    """|rho| that independent columns exceed in 5 % of cases."""
    return 1.96 / math.sqrt(rows)


def alignment_scores(
    codes: Array, factors: dict[str, Array], told: tuple[str, ...], resamples: int
) -> dict[str, Score]:
    """LDS over the told factors (all, where none is told) and over all, and the best |rho| of each factor."""
    names = list(factors)
    values = np.stack([factors[name] for name in names], 1)
    given = [names.index(name) for name in told] or list(range(len(names)))
    drawn = _bootstrap(codes, values, given, names, resamples)
    point = _measures(correlation_matrix(codes, values), given, names, len(codes))
    scores = {name: interval(value, np.array([d[name] for d in drawn]), len(codes)) for name, value in point.items()}
    ceiling = lds_ceiling(len(codes), codes.shape[1])
    return scores | {"lds_ceiling": Score(ceiling, ceiling, ceiling, len(codes))}


def live_latents(mean: Float[ndarray, "N D"], log_variance: Float[ndarray, "N D"]) -> NDArray[np.bool_]:
    """Which latents hold more than LIVE nats, (D,), from posterior means and log variances (N, D)."""
    held = 0.5 * np.log1p(mean.var(0) / np.exp(log_variance).mean(0))
    return np.asarray(held > LIVE)


def live_scores(codes: Array, factors: dict[str, Array], live: NDArray[np.bool_], resamples: int) -> dict[str, Score]:
    """Corrected LDS over all factors with the latents at rest taken out, and the number of the others."""
    count = float(live.sum())
    working = codes[:, live] if live.any() else np.zeros((len(codes), 1))
    scores = alignment_scores(working, factors, (), resamples)
    return {"lds_all_live": scores["lds_all_corrected"], "latents_live": Score(count, count, count, len(codes))}


def _bootstrap(codes: Array, values: Array, given: list[int], names: list[str], times: int) -> list[dict[str, float]]:
    source = np.random.Generator(np.random.Philox(key=len(codes)))
    drawn = []
    for _ in range(times):
        rows = source.integers(len(codes), size=len(codes))
        drawn.append(_measures(correlation_matrix(codes[rows], values[rows]), given, names, len(codes)))
    return drawn


def _measures(rho: Array, given: list[int], names: list[str], rows: int) -> dict[str, float]:
    null = null_threshold(rows)
    best = {f"rho_{name}": float(np.abs(rho[:, k]).max()) for k, name in enumerate(names)}
    return {
        "lds": lds(rho[:, given]),
        "lds_corrected": lds(rho[:, given], null),
        "lds_all": lds(rho),
        "lds_all_corrected": lds(rho, null),
        **best,
    }


def interval(value: float, drawn: Array, n: int) -> Score:
    """A score in [0, 1] with the normal interval of its bootstrap."""
    half = 1.96 * float(np.std(drawn, ddof=1))
    return Score(value, max(0.0, value - half), min(1.0, value + half), n)


def mean_score(values: Float[ndarray, " N"]) -> Score:
    """Mean of one number per image, with its 95 % interval."""
    mean, half = float(np.mean(values)), 1.96 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Score(mean, mean - half, mean + half, len(values))


def control_codes(factors: Array, latents: int) -> dict[str, Array]:
    """Codes whose score is known beforehand, (N, latents): what a metric should say of them.

    identity: the factors, then noise. noise: noise alone. duplicated: every factor twice. rotated: the standardised
    factors under a random rotation, which keeps all information and no axis.
    """
    source = np.random.Generator(np.random.Philox(key=1))
    standard = _standard(factors)
    noise = source.standard_normal((len(factors), latents))
    rotation, _ = np.linalg.qr(source.standard_normal((factors.shape[1],) * 2))
    bare = {"identity": standard, "duplicated": np.hstack([standard, standard]), "rotated": standard @ rotation}
    filled = {name: np.hstack([codes, noise])[:, : max(latents, codes.shape[1])] for name, codes in bare.items()}
    return {**filled, "noise": noise}
