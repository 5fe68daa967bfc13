"""Packed numbers and marks of missing values, as the attributes of a variable of netCDF, HDF5 or Zarr state them.

    value = scale_factor * stored + add_offset        missing where stored is _FillValue or missing_value, or the value
                                                      lies outside of valid_min, valid_max or valid_range (CF 1.11, 2.5)

xarray decodes; the array's own fill value is a mark, too, unless it is 0 or that of a type of one byte, where any value
may be meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends.zarr import FillValueCoder
from xarray.conventions import decode_cf_variable

from simulations.sources.column import Masked

PACKING, UNSIGNED = ("scale_factor", "add_offset"), "_Unsigned"
MARKS = ("_FillValue", "missing_value")
BOUNDS = ("valid_min", "valid_max", "valid_range")


def decoded(stored: NDArray[Any], attributes: Mapping[str, Any], fill: object = None) -> NDArray[Any] | Masked:
    """Values of stored numbers, any shape, masked where they are missing; others than numbers as they are."""
    if stored.dtype.kind not in "iuf":
        return stored
    stated = {name: _plain(attributes[name]) for name in (*PACKING, *MARKS, UNSIGNED) if name in attributes}
    stored = stored.view(_stored_type(stored.dtype, stated.pop(UNSIGNED, None)))
    missing = _out_of_bounds(stored, attributes)
    for mark in (*_marks(stated, stored.dtype), *_of_array(fill, stored.dtype)):
        missing |= np.isnan(stored) if np.isnan(mark) else stored == mark
    values = _unpacked(stored, {name: stated[name] for name in PACKING if name in stated})
    return np.ma.MaskedArray(values, missing) if missing.any() else values


def decoded_dtype(dtype: np.dtype[Any], attributes: Mapping[str, Any]) -> np.dtype[Any]:
    """The type of decoded values."""
    return np.asarray(decoded(np.zeros(0, dtype), attributes)).dtype


def _unpacked(stored: NDArray[Any], packing: dict[str, Any]) -> NDArray[Any]:
    """Numbers as xarray unpacks them; what is not packed keeps its type, and 64-bit integers their digits."""
    if not packing:
        return stored
    variable = xr.Variable([f"d{i}" for i in range(stored.ndim)], stored, packing)
    return np.asarray(decode_cf_variable("packed", variable, decode_times=False).values)


def _plain(value: Any) -> Any:
    """An attribute as a number or a text: netCDF keeps numbers as arrays of one."""
    value = value.decode() if isinstance(value, bytes) else value
    return value if isinstance(value, str) or np.size(value) != 1 else np.asarray(value).item()


def _stored_type(dtype: np.dtype[Any], unsigned: object) -> np.dtype[Any]:
    """The type of stored integers: netCDF-3 has no unsigned ones, and an attribute says that they are."""
    kinds = {"true": "u", "false": "i"}
    sign = kinds.get(str(unsigned).lower(), dtype.kind)
    return np.dtype(f"{dtype.byteorder}{sign}{dtype.itemsize}") if dtype.kind in "iu" else dtype


def _marks(stated: dict[str, Any], dtype: np.dtype[Any]) -> list[Any]:
    """The numbers that mark missing values, as they are stored."""
    values: list[Any] = []
    for name in MARKS:
        mark = stated.get(name, ())
        values += np.ravel(np.asarray(_from_text(mark, dtype) if isinstance(mark, str) else mark)).tolist()
    turns = 2 ** (8 * dtype.itemsize)
    return [int(mark) % turns if dtype.kind == "u" and float(mark).is_integer() else mark for mark in values]


def _from_text(mark: str, dtype: np.dtype[Any]) -> Any:
    """A number that Zarr's attributes hold as text: NaN, or in base64."""
    try:
        return float(mark)
    except ValueError:
        return FillValueCoder.decode(mark, dtype.str)


def _of_array(fill: object, dtype: np.dtype[Any]) -> list[Any]:
    """The fill value of the array itself, where it can be told from a value that was written."""
    number = np.asarray(fill).item() if isinstance(fill, (int, float, np.generic)) else 0
    return [number] if number != 0 and dtype.itemsize > 1 else []


def _out_of_bounds(stored: NDArray[Any], attributes: Mapping[str, Any]) -> NDArray[np.bool_]:
    low, high = -np.inf, np.inf
    if "valid_range" in attributes:
        low, high = np.ravel(attributes["valid_range"]).tolist()
    low = _plain(attributes.get("valid_min", low))
    high = _plain(attributes.get("valid_max", high))
    return np.asarray((stored < low) | (stored > high))
