r"""Does a code follow the measurement that it was trained on, or the truth behind it?

    z = a t + b (m - t) + c          least squares over images: truth t, measurement m, code z
    followed = b / a                 0 of a code that says the truth, 1 of one that repeats the measurement as it is

Neither is reached where both are read from one image: noise moves the best estimate of t and the measurement m alike,
so that a code which was trained on the truth has some b too. It is the control that stands beside it, of the same
measurement. `measured` is the error of the measurement itself, the root mean square of m - t.

Intervals by bootstrap over groups of rows (auxvae.metrics.score). Rows without a measurement are left out.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from auxvae.metrics.score import Score, group_of_rows, group_weights, interval

FEWEST = 16  # images that a plane is fitted to


def followed_scores(
    z: Float[ndarray, " N"], true: Float[ndarray, " N"], measured: Float[ndarray, " N"], resamples: int
) -> dict[str, Score]:
    """`followed` and `measured`; NaN stands for no measurement. None of few rows, or of exact measurements."""
    present = np.isfinite(measured)
    t, error, code = true[present], (measured - true)[present], z[present]
    if len(t) < FEWEST or not (np.ptp(t) > 0 and np.ptp(error) > 0):
        return {}
    group, weights = group_of_rows(len(t)), group_weights(len(t), resamples)
    x = np.stack([np.ones_like(t), t, error], 1)
    outer = np.stack([np.bincount(group, x[:, i] * x[:, j]) for i in range(3) for j in range(3)], 1)
    onto = np.stack([np.bincount(group, x[:, i] * code) for i in range(3)], 1)
    normal, right = (weights @ outer).reshape(-1, 3, 3), (weights @ onto)[..., None]
    slopes = np.linalg.solve(normal, right)[..., 0]
    squares = weights @ np.stack([np.bincount(group, error**2), np.bincount(group).astype(float)], 1)
    return {
        "followed": interval(slopes[:, 2] / slopes[:, 1], len(t), None, -np.inf, np.inf),
        "measured": interval(np.sqrt(squares[:, 0] / squares[:, 1]), len(t), None, 0, np.inf),
    }
