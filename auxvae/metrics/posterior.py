"""How much the posterior q(z|x) = N(m, s^2) of each latent holds of its image, from means and log variances (N, D).

A latent is *informative* if it holds more than 0.3 nat, so that the variance of its means is at least 0.8 times that of
its posterior. This asks more than *active* (a KL above 0.01 nat) does, since correlations do
not know the scale: a latent that is mostly noise would count as much as any other.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

INFORMATIVE, ACTIVE = 0.3, 0.01  # nats


def divergence(mean: Float[ndarray, "N D"], log_variance: Float[ndarray, "N D"]) -> Float[ndarray, "N D"]:
    """KL of each posterior from N(0, 1), nats per row and latent, (N, D): 1/2 (s^2 + m^2 - 1 - log s^2)."""
    return np.asarray(0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance))


def informative_latents(mean: Float[ndarray, "N D"], log_variance: Float[ndarray, "N D"]) -> NDArray[np.bool_]:
    """Which latents hold more than 0.3 nat, (D,)."""
    return np.asarray(held_nats(mean, log_variance) > INFORMATIVE)


def held_nats(mean: Float[ndarray, "N D"], log_variance: Float[ndarray, "N D"]) -> Float[ndarray, " D"]:
    """What each latent holds if all is Gaussian, 1/2 log(1 + var(m_j) / E s_j^2), nats, (D,)."""
    return np.asarray(0.5 * np.log1p(mean.var(0) / np.exp(log_variance).mean(0)), dtype=np.float64)
