"""Catalogues beside images: a CSV or FITS table with a row for each image, as columns; names of files in them.

A name of a file is relative to the folder of the images and never leads out of it: a catalogue that came from elsewhere
must not make a program read other files.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foundation.faults import Fault, Refused, Words, listed, suggest
from simulations.sources.column import Column, as_texts, in_memory, readable
from simulations.sources.fits_table import table_columns
from simulations.sources.options import Options

FILE_COLUMNS = ("file_name", "filename", "file", "path", "image")  # that name files without --file-column


def catalogue_columns(path: Path, stack: ExitStack) -> dict[str, Column]:
    """The columns of a CSV or FITS catalogue."""
    if not path.is_file():
        raise Refused(Fault(str(path), Words("no file"), "the catalogue is read from it", "check the path"))
    if path.suffix.lower() not in (".csv", ".fits", ".fit", ".gz"):
        raise Refused(Fault(str(path), path.suffix, "a catalogue is a CSV or FITS file", "convert it to one of them"))
    with readable(str(path)):
        is_csv = path.name.lower().endswith((".csv", ".csv.gz"))
        return _csv_columns(path) if is_csv else table_columns(path, stack)


def _csv_columns(path: Path) -> dict[str, Column]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # lines longer than the header
        table = pd.read_csv(path, skipinitialspace=True, index_col=False)
    return {str(name): _column(f"{path}: {name}", table[name]) for name in table}


def _column(where: str, values: "pd.Series[Any]") -> Column:
    if pd.api.types.is_numeric_dtype(values):
        return in_memory(where, values.to_numpy())
    missing = values.isna().to_numpy()
    texts = np.asarray(values.fillna("").astype(str).to_numpy(), dtype=object)
    return in_memory(where, np.ma.MaskedArray(texts, missing) if missing.any() else texts)


def file_column(where: str, columns: dict[str, Column], options: Options) -> str:
    """The column that names files: the one that is stated, else the first of FILE_COLUMNS that holds texts."""
    name = options.file_column
    if name and name not in columns:
        remedy = suggest(name, columns, "name one of them")
        raise Refused(Fault("--file-column", name, f"the columns of {where} are {listed(columns)}", remedy))
    name = name or next((each for each in FILE_COLUMNS if each in columns and columns[each].is_text), "")
    if not name or not columns[name].is_text:
        value = Words("no column of file names" if not name else f"numbers in the column {name}")
        remedy = "state it with --file-column NAME"
        raise Refused(Fault(where, value, f"one names the file of each image; there are {listed(columns)}", remedy))
    return name


def files_named(where: str, folder: Path, names: Sequence[str]) -> list[Path]:
    """The files of these names in the folder; refused if one lies outside of it or is not there."""
    top = folder.resolve()
    unique = {name: folder / name for name in dict.fromkeys(names)}
    for name, path in unique.items():
        if not name or Path(name).is_absolute() or not path.resolve().is_relative_to(top):
            text = f"names lie in the folder {folder} and never lead out of it"
            raise Refused(Fault(where, name, text, "correct the name, or move the file there"))
    absent = [name for name, path in unique.items() if not path.is_file()]
    if absent:
        value = Words(f"{len(absent):,} of {len(unique):,} files that are not there, such as {absent[0]!r}")
        text = f"the images lie in {folder}"
        raise Refused(Fault(where, value, text, "put them there, or take those rows out of the catalogue"))
    return [unique[name] for name in names]


def texts_of(column: Column) -> list[str]:
    """All texts of a column."""
    return as_texts(np.asarray(column[:]))
