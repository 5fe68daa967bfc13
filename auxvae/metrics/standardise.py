"""Columns of mean 0 and variance 1, so that latents and factors of any unit can be compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
LEAST = 1e-100  # a column of less spread is constant: its squares are beyond a double


def standard_by_first(columns: Array, others: Array) -> tuple[Array, Array]:
    """Both tables by the mean and the spread of the first; what is constant there is 0 in both."""
    spread = np.where(np.ptp(columns, axis=0) > 0, columns.std(0), 0)
    spread[spread < LEAST] = np.inf
    first, second = ((each - columns.mean(0)) / spread for each in (columns, others))
    return np.asarray(first), np.asarray(second)


def standard(columns: Array) -> Array:
    """Columns of mean 0 and variance 1; constant columns are 0."""
    centred = (columns - columns.mean(0)) * (np.ptp(columns, axis=0) > 0)
    spread = np.sqrt(np.mean(centred**2, 0))
    return np.asarray(np.divide(centred, spread, out=np.zeros_like(centred), where=spread >= LEAST))
