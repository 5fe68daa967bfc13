r"""Estimates of a quantity from a posterior, with intervals that hold it as often as they say: split conformal ones.

From the posterior mean m and standard deviation s of an image x, with a, b and sigma from some rows of known factors
and q from n others,

    estimate   y = a + b m                       least squares of the true values u on m
    score      R = |u - y| / sigma(x)            sigma: the error to be expected at x (auxvae.metrics.local_width)
    interval   y -+ q_p sigma(x)                 q_p the ceil((n + 1) p)-th smallest of the n scores

so that P(u in the interval) is p to p + 1 / (n + 1) for a new image of the same distribution, whatever that is and
however wrong sigma is (Papadopoulos 2008, "Inductive conformal prediction", section 4; Lei et al., JASA 113, 1094,
2018, theorem 2.2, and section 5.2 for scores with a local width). It is a promise on the average over calibrations: of
n rows, the coverage varies by sqrt(p (1 - p) / n).

The same within bins, each with a q of its own ("Mondrian", Vovk et al. 2005, section 4.5), so that intervals of faint
galaxies are as honest as those of bright ones. Bins are of estimates, which a new image has, not of true values, and
hold equal numbers of the rows that a and b are from: quantiles of the first variable, and within each of the second.
There are as many bins as PER_BIN calibration rows each allow, MOST for a variable at most.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import NDArray

LEVELS = (0.68, 0.95)
FEWEST = 100  # calibration rows: with so many the coverage of a 68 % interval varies by 5 %
PER_BIN, MOST = 150, 4
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """u = a + b m, by least squares; b is 0 where m does not vary."""

    a: float
    b: float

    @classmethod
    def of(cls, mean: Float[ndarray, " N"], true: Float[ndarray, " N"]) -> Line:
        """The line through rows of known factors."""
        variance = float(np.var(mean))
        slope = float(np.mean((mean - mean.mean()) * (true - true.mean()))) / variance if variance > 0 else 0.0
        return cls(float(true.mean() - slope * mean.mean()), slope)

    def __call__(self, mean: Float[ndarray, " N"]) -> Float[ndarray, " N"]:
        """Estimates (N,) from posterior means."""
        return self.a + self.b * mean

    def width(self, std: Float[ndarray, " N"]) -> Float[ndarray, " N"]:
        """Standard deviations (N,) of the estimates; of a level line, those that came in."""
        return np.asarray((abs(self.b) or 1.0) * std)


@dataclass(frozen=True)
class Bins:
    """Bins of no variable, of one, or of two: edges of the first (K - 1,), and of the second in each (K, L - 1)."""

    outer: tuple[float, ...] = ()
    inner: tuple[tuple[float, ...], ...] = ((),)

    @classmethod
    def of(cls, variables: list[Array], calibrating: int) -> Bins:
        """Equal numbers of these rows (N,) of up to two variables in each bin."""
        if not variables:
            return cls()
        each = min(MOST, math.floor((calibrating / PER_BIN) ** (1 / len(variables)) + 1e-9))
        if each < 2:
            return cls()
        shares = np.arange(1, each) / each
        outer = np.quantile(variables[0], shares)
        place = np.searchsorted(outer, variables[0])
        inner = [np.quantile(variables[1][place == k], shares) if variables[1:] else () for k in range(each)]
        return cls(tuple(map(float, outer)), tuple(tuple(map(float, edges)) for edges in inner))

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.inner) * (len(self.inner[0]) + 1)

    def place(self, variables: list[Array], rows: int) -> Int[ndarray, " N"]:
        """The bin of each of so many rows, by the same variables (N,)."""
        if self.count == 1:
            return np.zeros(rows, dtype=np.intp)
        first = np.searchsorted(self.outer, variables[0])
        if not self.inner[0]:
            return np.asarray(first)
        second = np.array([np.searchsorted(self.inner[k], value) for k, value in zip(first, variables[1], strict=True)])
        return np.asarray(first * (len(self.inner[0]) + 1) + second, dtype=np.intp)


def quantiles(scores: Float[ndarray, " n"]) -> tuple[float, ...]:
    """q_p of calibration scores for each of LEVELS; infinite where there are too few for the level."""
    ordered, n = np.sort(scores), len(scores)
    ranks = [math.ceil((n + 1) * level - 1e-9) for level in LEVELS]
    return tuple(float(ordered[rank - 1]) if rank <= n else math.inf for rank in ranks)


def quantiles_by_bin(scores: Float[ndarray, " n"], bins: Int[ndarray, " n"], count: int) -> Float[ndarray, "bins 2"]:
    """q_p of each bin; a bin of fewer than FEWEST rows, which correlated variables may leave, has that of all rows."""
    everywhere = quantiles(scores)
    several = (scores[bins == k] for k in range(count))
    return np.array([quantiles(each) if len(each) >= FEWEST else everywhere for each in several])
