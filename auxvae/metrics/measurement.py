r"""How good estimates with intervals are where the truth is known: bias, scatter and coverage, overall or in quarters.

bias      mean of y - u, and its standard error
scatter   1.4826 times the median of |y - u - median(y - u)|: the standard deviation of a Gaussian core, and outliers
          do not count (Hoaglin et al. 1983)
widths    half of the median width of an interval
coverage  share of the rows whose interval holds u, with the binomial error sqrt(p (1 - p) / N)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from numpy.typing import NDArray

Array = NDArray[np.float64]
GAUSSIAN = 1.4826  # standard deviation over median absolute deviation


@dataclass(frozen=True)
class Estimate:
    """Estimates (N,) of one factor, the standard deviations of their posteriors (N,), and half widths (N, 2)."""

    value: Array
    std: Array
    half: Array

    def take(self, rows: NDArray[np.intp]) -> Estimate:
        """Some of the rows."""
        return Estimate(self.value[rows], self.std[rows], self.half[rows])

    def covered(self, true: Float[ndarray, " N"]) -> Bool[ndarray, "N 2"]:
        """Whether each interval holds the true value."""
        return np.asarray(np.abs(self.value - true)[:, None] <= self.half)


@dataclass(frozen=True)
class Quality:
    """The quantities above of some rows; coverage and its errors are (2,)."""

    rows: int
    bias: float
    bias_error: float
    scatter: float
    half: Array
    coverage: Array
    coverage_error: Array


def robust_scatter(values: Float[ndarray, " N"]) -> float:
    """The scatter of values about their median."""
    return GAUSSIAN * float(np.median(np.abs(values - np.median(values))))


def quality(estimate: Estimate, true: Float[ndarray, " N"]) -> Quality:
    """The quality of estimates of known values; of two rows or more."""
    error, n = estimate.value - true, len(true)
    coverage = estimate.covered(true).mean(0)
    return Quality(
        n,
        float(error.mean()),
        float(error.std(ddof=1)) / math.sqrt(n),
        robust_scatter(error),
        np.median(estimate.half, axis=0),
        coverage,
        np.sqrt(coverage * (1 - coverage) / n),
    )


def quartiles(values: Float[ndarray, " N"]) -> list[NDArray[np.intp]]:
    """The rows in each quarter of the values, lowest first."""
    place = np.searchsorted(np.quantile(values, [0.25, 0.5, 0.75]), values)
    return [np.flatnonzero(place == k) for k in range(4)]
