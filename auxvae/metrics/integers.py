"""Integers of 64 bits as doubles, which keep those up to 2^53: larger ones are counted from the least of their column.

No metric of factors depends on where a factor is counted from, and identifiers are often large and close together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from foundation.faults import Fault, Refused, Words

EXACT = 2**53


def beyond_double(values: NDArray[Any]) -> bool:
    """Whether these are integers that a double may not hold, any shape."""
    return values.dtype.kind in "iu" and bool(((values > EXACT) | (values < -EXACT)).any())


def from_least(name: str, tables: list[Any]) -> list[Any]:
    """Tables of the same columns, (N, F) or (N,) each, their columns from the least value on where they are large.

    Refused are columns that a double cannot hold then either.
    """
    arrays = [np.asarray(table) for table in tables]
    if not any(beyond_double(each) for each in arrays):
        return tables
    objects = [each.astype(object) for each in arrays]
    least = np.min([each.min(0) for each in objects], 0)
    counted = [each - least for each in objects]
    if (widest := max(each.max() for each in counted)) > EXACT:
        text = "a double holds integers up to 2^53 exactly, counted from the least"
        value = Words(f"integers {widest} apart")
        raise Refused(Fault(name, value, text, "number the classes from 0, in every array alike"))
    return [_like(table, each.astype(np.float64)) for table, each in zip(tables, counted, strict=True)]


def _like(table: Any, values: NDArray[np.float64]) -> Any:
    return table.copy(data=values) if isinstance(table, xr.DataArray) else values
