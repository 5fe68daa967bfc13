r"""IRS, interventional robustness score: how still a latent stays while other factors move (Suter et al., ICML 2019).

    e_jk = mean over values v of factor k of the 99th percentile over rows with u_k = v of |z_j - E(z_j | u_k = v)|
    IRS  = sum_j w_j max_k (1 - e_jk / w_j) / sum_j w_j,   w_j = max |z_j - E z_j|          range [0, 1], 1 is good

the form of the field's standard library, which takes what the rows show for interventions: that is right where the
factors are independent. Latents that do not vary are left out. Continuous factors are cut into quantiles. The interval
is a jackknife over ten blocks of rows, since extremes are not resampled well. Known failure: a percentile of few rows
is their maximum, so that noise scores more with fewer rows to a value.
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
    z, known = np.asarray(codes, dtype=np.float64), np.asarray(classes)
    score = jackknife(lambda rows: irs_of(robustness(z[rows], known[rows]), deviation(z[rows])), len(z))
    return score._replace(matrix=labelled(robustness(z, known), codes, classes))


def irs_of(robust: Float[ndarray, "D F"], weight: Float[ndarray, " D"]) -> float:
    """The mean over latents of the best entry of each row, weighed; 0 where no latent varies."""
    return float((weight * robust.max(1)).sum() / weight.sum()) if weight.any() else 0.0


def deviation(z: Float[ndarray, "N D"]) -> Float[ndarray, " D"]:
    """Largest distance from the mean, exactly 0 for a constant latent."""
    return np.asarray(np.abs(z - z.mean(0)).max(0) * (np.ptp(z, axis=0) > 0))


def robustness(z: Float[ndarray, "N D"], classes: Int[ndarray, "N F"]) -> Float[ndarray, "D F"]:
    """1 - e / w, (D, F)."""
    weight = deviation(z)
    moved = np.stack([_within(z, column) for column in classes.T], 1)
    share = np.divide(moved, weight[:, None], out=np.ones_like(moved), where=weight[:, None] > 0)
    return np.asarray(1 - share)


def _within(z: Float[ndarray, "N D"], column: NDArray[np.intp]) -> Float[ndarray, " D"]:
    """Mean over the values of a factor of the 99th percentile of the distance from that value's mean."""
    alike = [z[column == value] for value in np.unique(column)]
    return np.asarray(np.mean([np.percentile(np.abs(a - a.mean(0)), QUANTILE, axis=0) for a in alike], 0))
