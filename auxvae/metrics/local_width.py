r"""How large the error of an estimate usually is at an image, from rows where it is known.

    ln sigma(x) = ln s(x) + c . phi(x)              phi = 1, ln s, and t_k, t_k t_l of the standardised estimates t

with c by least squares of ln |u - y| - ln s on phi (Papadopoulos, Gammerman & Vovk 2008, "Normalized nonconformity
measures", eq. 7, where a second regression predicts ln |error|). Estimates beyond those of the fitted rows count as the
outermost of them. With fewer rows than PER_TERM for each term, sigma = s.

It need not be right: an interval of split conformal prediction (auxvae.metrics.conformal) holds as often as it says
with any sigma, and with a good one does so among faint and bright images alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

PER_TERM = 20
SMALLEST = 1e-3  # of the median error: an estimate that happens to be exact has no logarithm
Array = NDArray[np.float64]


@dataclass(frozen=True)
class LocalWidth:
    """Coefficients c (terms,), and mean, standard deviation and limits of the estimates (factors,) of its rows."""

    coefficients: Array
    middle: Array
    spread: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, estimates: Float[ndarray, "N F"], std: Float[ndarray, " N"], error: Float[ndarray, " N"]) -> LocalWidth:
        """From estimates of all factors, the posterior's standard deviation and the error of one of them."""
        spread = estimates.std(0)
        ends = (estimates.mean(0), np.where(spread > 0, spread, 1.0), estimates.min(0), estimates.max(0))
        terms = cls(np.zeros(0), *ends)._terms(estimates, std)
        if len(terms) < PER_TERM * terms.shape[1]:
            return cls(np.zeros(terms.shape[1]), *ends)
        size = np.abs(error)
        logs = np.log(np.maximum(size, SMALLEST * np.median(size) or 1.0)) - np.log(std)
        return cls(np.linalg.lstsq(terms, logs, rcond=None)[0], *ends)

    def __call__(self, estimates: Float[ndarray, "N F"], std: Float[ndarray, " N"]) -> Float[ndarray, " N"]:
        """Sigma of images (N,), in the unit of std."""
        return np.asarray(std * np.exp(self._terms(estimates, std) @ self.coefficients))

    def _terms(self, estimates: Float[ndarray, "N F"], std: Float[ndarray, " N"]) -> Float[ndarray, "N P"]:
        t = (estimates.clip(self.low, self.high) - self.middle) / self.spread
        first, second = np.triu_indices(t.shape[1])
        return np.column_stack([np.ones(len(t)), np.log(std), t, t[:, first] * t[:, second]])
