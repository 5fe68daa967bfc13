"""A Zarr group as columns: arrays of its first level, unpacked as their attributes state.

Zarr keeps no checksum of values unless an array has a codec for it (crc32c, or a compressor with one), which is then
verified. A chunk whose file is absent is read as the fill value without a word, so that absent ones are counted.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from simulations.sources.column import Column, Masked
from simulations.sources.hdf5 import unit_of
from simulations.sources.options import Options
from simulations.sources.packing import decoded, decoded_dtype

XARRAY = "_ARRAY_DIMENSIONS"  # in format 2 xarray keeps the mark of missing values, even 0, as the fill value


def zarr_columns(path: Path, stack: ExitStack, options: Options) -> dict[str, Column]:
    """The arrays of the group."""
    return {name: _column(path, name, array) for name, array in zarr.open_group(path, mode="r").arrays()}


def _column(path: Path, name: str, array: Any) -> Column:
    attributes = dict(array.attrs)
    if array.metadata.zarr_format == 2 and XARRAY in attributes and array.fill_value is not None:
        attributes.setdefault("_FillValue", np.asarray(array.fill_value).item())
    absent, chunks = _chunks(array) if math.prod(array.shape) else (0, 1)
    read = partial(_read, array, attributes)
    dtype = decoded_dtype(array.dtype, attributes)
    return Column(f"{path}: {name}", array.shape, dtype, read, unit_of(attributes), absent, chunks, array.fill_value)


def _read(array: Any, attributes: dict[str, Any], rows: slice) -> NDArray[Any] | Masked:
    return decoded(np.asarray(array[rows]), attributes, array.fill_value)


def _chunks(array: Any) -> tuple[int, int]:
    """How many files of an array are absent, and how many there are of all: shards, where it has them."""
    files = array.shards or array.chunks
    expected = math.prod(-(-size // step) for size, step in zip(array.shape, files, strict=True))
    in_one = math.prod(size // step for size, step in zip(files, array.chunks, strict=True))
    return expected - array.nchunks_initialized // in_one, expected
