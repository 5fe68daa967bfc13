"""An HDF5 file, or one of netCDF-4, as columns: data sets of its first level, unpacked as its attributes state.

HDF5 keeps no checksum of values unless the file was written with the filter Fletcher-32, which is then verified; bytes
that were changed in values or in headers without one cannot be told from written ones.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from foundation.faults import Fault, Refused, Words
from simulations.sources.column import Column, Masked
from simulations.sources.options import Options
from simulations.sources.packing import decoded, decoded_dtype


def hdf5_columns(path: Path, stack: ExitStack, options: Options) -> dict[str, Column]:
    """The data sets of the file but those that label its dimensions."""
    file = stack.enter_context(h5py.File(path, "r"))
    arrays = {name: each for name, each in file.items() if isinstance(each, h5py.Dataset) and not each.is_scale}
    return {name: _column(path, name, each) for name, each in arrays.items()}


def _column(path: Path, name: str, array: Any) -> Column:
    attributes = dict(array.attrs)
    shape = array.shape or ()  # None: a data set without a data space
    absent, chunks = _chunks(path, array) if math.prod(shape) and shape else (0, 1)
    where = f"{path}: {name}"
    read = partial(_read, where, array, attributes)
    unit = unit_of(attributes)
    dtype = decoded_dtype(array.dtype, attributes)
    return Column(where, shape, dtype, read, unit, absent, chunks, array.fillvalue)


def _read(where: str, array: Any, attributes: dict[str, Any], rows: slice) -> NDArray[Any] | Masked:
    _refuse_absent_filters(where, array)
    return decoded(np.asarray(array[rows]), attributes, array.fillvalue)


def _refuse_absent_filters(where: str, array: Any) -> None:
    """Refuse data that were written with a filter which this HDF5 does not have."""
    properties = array.id.get_create_plist()
    for code, _, _, label in map(properties.get_filter, range(properties.get_nfilters())):
        if not h5py.h5z.filter_avail(code):
            value = Words(f"values packed by the filter {code} ({label.decode(errors='replace') or 'without a name'})")
            remedy = "pack them anew (h5repack -f GZIP=4), or set HDF5_PLUGIN_PATH to where that filter lies"
            raise Refused(Fault(where, value, "HDF5 has no such filter here", remedy))


def unit_of(attributes: Any) -> str:
    """The attribute `units`, as a text: files hold it as bytes, or as an array of one."""
    value = attributes.get("units", "")
    value = np.ravel(value)[0] if np.size(value) == 1 else value
    return value.decode() if isinstance(value, bytes) else str(value)


def _chunks(path: Path, array: Any) -> tuple[int, int]:
    """How many chunks a data set lacks, and has in all; one that is not chunked is one."""
    if array.is_virtual:
        _refuse_absent_sources(path, array)
        return 0, 1
    if array.chunks:
        grid = (-(-size // step) for size, step in zip(array.shape, array.chunks, strict=True))
        chunks = math.prod(grid)
        return chunks - array.id.get_num_chunks(), chunks
    return int(not array.external and array.id.get_storage_size() == 0), 1


def _refuse_absent_sources(path: Path, array: Any) -> None:
    """Raise where HDF5 would read a fill value: for files and data sets of a virtual one that are not there."""
    for source in array.virtual_sources():
        file = path if source.file_name == "." else path.parent / source.file_name
        with h5py.File(file, "r") as opened:
            if source.dset_name.lstrip("/") not in opened:
                raise KeyError(f"no {source.dset_name} in {file.name}")
