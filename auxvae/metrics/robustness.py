r"""IRS, interventional robustness score: how little a latent varies while other factors do (Suter et al., ICML 2019).

    e_jk = mean over values v of factor k of the 99th percentile over rows with u_k = v of |z_j - E(z_j | u_k = v)|
    IRS  = sum_j w_j max_k (1 - e_jk / w_j) / sum_j w_j,   w_j = max |z_j - E z_j|          range [0, 1], 1 is good

as in disentanglement_lib, which takes observed rows in place of interventions: right where the factors are independent.
Constant latents are left out. Continuous factors are cut into quantiles. The interval is a jackknife over ten blocks
of rows, since the bootstrap fails for extremes. Known failure: the percentile of few rows is their maximum, so that
noise scores higher with fewer rows per value.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import NDArray

from auxvae.metrics.score import Score, Table, jackknife, labelled

QUANTILE = 99


def irs(codes: Table, classes: Table) -> Score:
    """IRS of codes (N, D) for classes of factors (N, F); the matrix is 1 - e / w, (D, F), 0 for constant latents."""
    z, u = np.asarray(codes, dtype=np.float64), np.asarray(classes)
    score = jackknife(lambda rows: irs_of(robustness(z[rows], u[rows]), deviation(z[rows])), len(z))
    return score._replace(matrix=labelled(robustness(z, u), codes, classes))


def irs_of(robust: Float[ndarray, "D F"], weight: Float[ndarray, " D"]) -> float:
    """The weighted mean over latents of the best entry of each row; 0 where every latent is constant."""
    return float((weight * robust.max(1)).sum() / weight.sum()) if weight.any() else 0.0


def deviation(z: Float[ndarray, "N D"]) -> Float[ndarray, " D"]:
    """Largest distance from the mean, exactly 0 for a constant latent."""
    return np.asarray(np.abs(z - z.mean(0)).max(0) * (np.ptp(z, axis=0) > 0))


def robustness(z: Float[ndarray, "N D"], classes: Int[ndarray, "N F"]) -> Float[ndarray, "D F"]:
    """1 - e / w, (D, F)."""
    weight = deviation(z)
    spread = np.stack([_within(z, column) for column in classes.T], 1)
    share = np.divide(spread, weight[:, None], out=np.ones_like(spread), where=weight[:, None] > 0)
    return np.asarray(1 - share)


def _within(z: Float[ndarray, "N D"], column: NDArray[np.intp]) -> Float[ndarray, " D"]:
    """Mean over the values of a factor of the 99th percentile of the distance from that value's mean."""
    parts = [z[column == value] for value in np.unique(column)]
    return np.asarray(np.mean([np.percentile(np.abs(part - part.mean(0)), QUANTILE, axis=0) for part in parts], 0))
