r"""Whether the posterior of each auxiliary latent, N(m_j, s_j^2), is as wide as its errors.

    covered_68_FACTOR   share of the rows with |m_j - u_j| < s_j              0.683 for a calibrated Gaussian
    covered_95_FACTOR   share of the rows with |m_j - u_j| < 1.96 s_j         0.95
    error_FACTOR        root of the mean of (m_j - u_j)^2, in shares of the factor's range in the training rows
    width_FACTOR        mean of s_j, in the same unit

At the published prior variance of 1/n the posteriors are 2 to 30 times narrower than their errors: they are no
uncertainties. What is best possible is the Fisher information's (benchmarks/fisher.py). Intervals: over test rows.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from auxvae.metrics.score import Rows, Score, jackknife, mean_score

WITHIN = {"covered_68": 1.0, "covered_95": 1.96}


def calibration_scores(
    mean: Float[ndarray, "N a"], std: Float[ndarray, "N a"], u: Float[ndarray, "N a"], names: tuple[str, ...]
) -> dict[str, Score]:
    """The scores above from posterior means and standard deviations and auxiliary variables in [0, 1]."""
    scores: dict[str, Score] = {}
    for j, name in enumerate(names):
        error, width = np.abs(mean[:, j] - u[:, j]).astype(np.float64), std[:, j].astype(np.float64)
        scores |= {f"{kind}_{name}": mean_score((error < k * width).astype(float)) for kind, k in WITHIN.items()}
        scores[f"error_{name}"] = jackknife(partial(_root_mean_square, error), len(error))
        scores[f"width_{name}"] = mean_score(width)
    return scores


def _root_mean_square(values: Float[ndarray, " N"], rows: Rows) -> float:
    return float(np.sqrt(np.mean(values[rows] ** 2)))
