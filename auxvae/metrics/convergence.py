r"""Whether Markov chains have reached one distribution, and how much their draws say: split R-hat and ESS.

Of M chains of N draws, each split in two halves (m = 2M halves of n = N/2):

    B = n var_j(mean_j),  W = mean_j var_j,  V = (n - 1)/n W + B/n,       R-hat = sqrt(V / W)
    rho_t = 1 - (W - mean_j s_j,t) / V                                    s_j,t: autocovariance of half j at lag t
    P_k = rho_2k + rho_2k+1, up to the first that is not positive, and none larger than the one before
    ESS = m n / (2 sum_k P_k - 1)

(Gelman et al., Bayesian Data Analysis, 3rd ed., section 11.4-5; Geyer, Statistical Science 7, 473, 1992; Vehtari et
al., Bayesian Analysis 16, 667, 2021, eq. 1-13). Deviation: draws are not ranked before; tails that are too heavy for a
variance would need that. Draws that alternate have more weight than independent ones; ESS is at most m n log10(m n).
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

RHAT, ESS = 1.01, 400.0  # the most and the least of chains that are used (Vehtari et al. 2021, section 4)
Array = NDArray[np.float64]


def halves(draws: Float[ndarray, "*s M N"]) -> Float[ndarray, "*s m n"]:
    """Each chain as two; of an odd number of draws the middle one is left out."""
    n = draws.shape[-1] // 2
    return np.concatenate([draws[..., :n], draws[..., -n:]], axis=-2)


def split_rhat(draws: Float[ndarray, "*s M N"]) -> Float[ndarray, "*s"]:
    """R-hat of chains of four draws or more; 1 where nothing varies, infinite where only the chains differ."""
    within, total = _variances(halves(draws))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt(total / within)
    return np.where(total == 0, 1.0, ratio)


def effective_draws(draws: Float[ndarray, "*s M N"]) -> Float[ndarray, "*s"]:
    """The number of independent draws whose mean is as precise; that of one chain's half where nothing moves."""
    split = halves(draws)
    m, n = split.shape[-2:]
    within, total = _variances(split)
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = 1 - (within[..., None] - _autocovariance(split).mean(-2)) / total[..., None]
    rho[..., 0] = 1.0
    pairs = rho[..., : n // 2 * 2].reshape(*rho.shape[:-1], n // 2, 2).sum(-1)
    positive = np.cumprod(np.nan_to_num(pairs) > 0, axis=-1)
    time = 2 * (positive * np.minimum.accumulate(np.nan_to_num(pairs), axis=-1)).sum(-1) - 1
    return np.asarray(m * n / np.maximum(time, 1 / math.log10(m * n)))


def _variances(split: Array) -> tuple[Array, Array]:
    """W and V of halves (..., m, n)."""
    n = split.shape[-1]
    within = split.var(axis=-1, ddof=1).mean(-1)
    return within, (n - 1) / n * within + split.mean(-1).var(axis=-1, ddof=1)


def _autocovariance(split: Array) -> Array:
    """s_j,t of halves (..., m, n) at all lags, (..., m, n), by the fast Fourier transform; divided by n - 1."""
    n = split.shape[-1]
    spectrum = np.fft.rfft(split - split.mean(-1, keepdims=True), 2 * n, axis=-1)
    return np.asarray(np.fft.irfft(np.abs(spectrum) ** 2, axis=-1)[..., :n] / (n - 1))
