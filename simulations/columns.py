"""The named columns of a file of images (npz, HDF5, FITS table or Zarr), and the units that the file states.

A column is an array with `shape` and `dtype` that is read in slices. Units are those of the FITS keyword TUNITn or of
the attribute `units` of HDF5 and Zarr arrays; npz files have none.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import zarr
from astropy.io import fits

from foundation.faults import Fault, Refused, Words, listed

Columns = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """An open file: the file object, its columns by name, and the units of those columns that state one."""

    file: Any
    columns: Columns
    units: dict[str, str] = field(default_factory=dict)


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """The columns of the file at `path`, which is closed after the block; unreadable files are refused."""
    source = _source(path)
    try:
        yield source
    finally:
        if hasattr(source.file, "close"):
            source.file.close()


def _source(path: Path) -> Source:
    kind = path.suffix.lower()
    if kind not in READERS:
        raise Refused(Fault(str(path), path.suffix, f"the formats are {listed(READERS)}", "convert it to one of them"))
    if not path.exists():
        raise Refused(Fault(str(path), Words("no file"), "the images are read from it", "check the path"))
    try:
        return READERS[kind](path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        value = Words(f"a file that cannot be read ({error})")
        raise Refused(Fault(str(path), value, f"it must be a complete {kind} file", "write it again")) from None


def _npz(path: Path) -> Source:
    file = np.load(path, allow_pickle=False)
    return Source(file, {name: file[name] for name in file.files})


def _hdf5(path: Path) -> Source:
    file = h5py.File(path, "r")
    columns = {name: each for name, each in file.items() if isinstance(each, h5py.Dataset)}
    return Source(file, columns, _units(columns))


def _fits(path: Path) -> Source:
    file = fits.open(path, memmap=True)
    table = next((unit for unit in file if isinstance(unit, fits.BinTableHDU)), None)
    if table is None:
        file.close()
        raise ValueError("no table in it")
    columns = {column.name: table.data[column.name] for column in table.columns}
    return Source(file, columns, {column.name: column.unit for column in table.columns if column.unit})


def _zarr(path: Path) -> Source:
    group = zarr.open_group(path, mode="r")
    columns = dict(group.arrays())
    return Source(group, columns, _units(columns))


def _units(columns: Columns) -> dict[str, str]:
    return {name: str(column.attrs["units"]) for name, column in columns.items() if "units" in column.attrs}


READERS: dict[str, Callable[[Path], Source]] = {
    ".npz": _npz,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".fits": _fits,
    ".fit": _fits,
    ".zarr": _zarr,
}
