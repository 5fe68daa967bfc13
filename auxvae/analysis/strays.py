"""Numbers of codes and factors that may stand for missing ones (-99, 1e30): far from all others of their column.

The least or the greatest value is said if it lies beyond the others by three times their range and occurs twice or
more, or by a thousand times their range. It is scored all the same, since only its owner knows what it means.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from auxvae.metrics.representation import Representation

FAR, FARTHER = 3.0, 1000.0
Array = NDArray[np.float64]


def strays(inputs: Representation) -> list[str]:
    """Sentences on the codes, and on the factors that are numbers, of all rows that are fitted or tested."""
    tables = {"codes": inputs.codes, "codes_test": inputs.codes_test}
    factors = {"factors": inputs.factors, "factors_test": inputs.factors_test}
    numbers = np.flatnonzero(~np.asarray(inputs.discrete, dtype=bool))
    tables |= {name: None if table is None else table[:, numbers] for name, table in factors.items()}
    return [each for name, table in tables.items() if table is not None for each in _sentences(name, table)]


def _sentences(name: str, table: xr.DataArray) -> Iterator[str]:
    for column, values in zip(table[table.dims[1]].values, table.values.T, strict=True):
        for end in (values.min(), values.max()):
            others = values[values != end]
            if others.size and _is_far(float(end), others, len(values) - others.size):
                where = f"{end:g} in {len(values) - others.size} of {len(values)} rows"
                apart = f"far from the others, {others.min():g} to {others.max():g}"
                yield f"{name} {column}: {where}, {apart}; leave those rows out if it marks missing values"


def _is_far(end: float, others: Array, times: int) -> bool:
    gap, spread = float(np.abs(others - end).min()), float(np.ptp(others))
    return gap > (FAR if times > 1 else FARTHER) * spread > 0
