"""A file of images opened as named columns, whatever its format; units are those that the file states.

Units are those of the FITS keyword TUNITn or of the attribute `units` of HDF5 and Zarr arrays; npz files have none. A
column (N, 1) is one number for each row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from foundation.faults import Fault, Refused, Words, listed
from simulations.sources.column import Column, readable
from simulations.sources.fits_table import fits_columns
from simulations.sources.hdf5 import hdf5_columns
from simulations.sources.npz import npz_columns
from simulations.sources.zarr_group import zarr_columns

Columns = dict[str, Column]
READERS: dict[str, Callable[[Path, ExitStack], Columns]] = {
    ".npz": npz_columns,
    ".h5": hdf5_columns,
    ".hdf5": hdf5_columns,
    ".nc": hdf5_columns,
    ".fits": fits_columns,
    ".fit": fits_columns,
    ".zarr": zarr_columns,
}


@contextmanager
def opened(path: Path) -> Iterator[Columns]:
    """The columns of the file at `path`, which is closed after the block; unreadable files are refused."""
    kind = path.suffix.lower()
    if kind not in READERS:
        raise Refused(Fault(str(path), path.suffix, f"the formats are {listed(READERS)}", "convert it to one of them"))
    if not path.exists():
        raise Refused(Fault(str(path), Words("no file"), "the images are read from it", "check the path"))
    with ExitStack() as stack:
        with readable(str(path)):
            columns = READERS[kind](path, stack)
        yield {name: column.flat() for name, column in columns.items()}
