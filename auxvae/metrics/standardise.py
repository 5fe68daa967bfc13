"""Columns of mean 0 and variance 1, so that latents and factors of any unit can be compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def standard(columns: Array) -> Array:
    """Columns of mean 0 and variance 1; constant columns are 0."""
    centred = (columns - columns.mean(0)) * (np.ptp(columns, axis=0) > 0)
    spread = np.sqrt(np.mean(centred**2, 0))
    return np.asarray(np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0))
