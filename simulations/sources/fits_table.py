"""The first table of a FITS file, or LDAC_OBJECTS, as columns; scaled and unsigned integers as TSCALn, TZEROn state.

Missing are integers of the value TNULLn, and logical values that are neither T nor F. Where a file has the keywords
DATASUM and CHECKSUM, its bytes are verified by them; bytes that were changed without one cannot be told from written
ones. A file that ends within the table is refused; one that lacks only the padding behind it is whole.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from simulations.sources.column import Column, Masked

LDAC = "LDAC_OBJECTS"  # of FITS_LDAC, whose first table holds the header of an image


def table_columns(path: Path, stack: ExitStack) -> dict[str, Column]:
    """The columns of the table of a file."""
    table = table_of(stack.enter_context(fits.open(path, memmap=True)))
    if table is None:
        raise ValueError("no table in it")
    return columns_of(path, table)


def table_of(file: Any) -> Any:
    """The table of an open file: that of a FITS_LDAC catalogue, else the first; None if there is none."""
    tables = [unit for unit in file if isinstance(unit, fits.BinTableHDU)]
    return next((unit for unit in tables if unit.name == LDAC), tables[0] if tables else None)


def columns_of(path: Path, table: Any) -> dict[str, Column]:
    """The columns of a table, whose bytes must be whole."""
    refuse_damaged(path, table)
    return {column.name: _column(path, table, column) for column in table.columns}


def refuse_damaged(path: Path, unit: Any) -> None:
    """Raise if an HDU is cut, or disagrees with its own checksums."""
    _refuse_cut(path, unit)
    if 0 in (unit.verify_datasum(), unit.verify_checksum()):
        raise ValueError("bytes that disagree with its DATASUM or CHECKSUM")


def _refuse_cut(path: Path, unit: Any) -> None:
    """Raise if the file ends before the HDU does; astropy warns, or fails within numpy."""
    end, size = unit.fileinfo()["datLoc"] + unit.size, path.stat().st_size
    if size < end and not _is_compressed(path):
        raise ValueError(f"{size:,} bytes, where the data end after {end:,}")


def _is_compressed(path: Path) -> bool:
    """Whether it is no plain FITS: gzip and others begin otherwise, and have a length and checksums of their own."""
    with path.open("rb") as stream:
        return stream.read(6) != b"SIMPLE"


def _column(path: Path, table: Any, column: Any) -> Column:
    read = partial(_read, table, column)
    first = np.asarray(read(slice(0, 1)))
    return Column(f"{path}: {column.name}", (len(table.data), *first.shape[1:]), first.dtype, read, column.unit or "")


def _read(table: Any, column: Any, rows: slice) -> NDArray[Any] | Masked:
    part = table.data[rows]
    values, stored = np.asarray(part[column.name]), part.view(np.ndarray)[column.name]
    missing = _missing(stored, values, column)
    return np.ma.MaskedArray(values, missing) if missing is not None and missing.any() else values


def _missing(stored: NDArray[Any], values: NDArray[Any], column: Any) -> NDArray[np.bool_] | None:
    """Which entries are missing, in the shape of the stored ones; None if the column cannot say so.

    TNULLn is a stored integer (FITS 4.0, 7.3.2); astropy writes the value for unsigned ones, so that both are missing.
    """
    if column.null is not None and stored.dtype.kind in "iu":
        null = int(column.null)
        return np.asarray((stored == null) | (values == null) if values.dtype.kind == "u" else stored == null)
    if values.dtype.kind == "b" and stored.dtype.kind == "i":
        return np.asarray((stored != ord("T")) & (stored != ord("F")))
    return None
