"""An npz file as columns: every array is read in whole, and its bytes must agree with the CRC-32 that zip keeps."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from simulations.sources.column import Column, readable
from simulations.sources.options import Options


def npz_columns(path: Path, stack: ExitStack, options: Options) -> dict[str, Column]:
    """The arrays of the file; pickles are not read."""
    archive = stack.enter_context(zipfile.ZipFile(path))
    names = [name for name in archive.namelist() if name.endswith(".npy")]
    return {name.removesuffix(".npy"): _column(path, archive, name) for name in names}


def _column(path: Path, archive: zipfile.ZipFile, name: str) -> Column:
    where = f"{path}: {name.removesuffix('.npy')}"
    with readable(where), archive.open(name) as stream:
        values = whole_array(stream)
    return Column(where, values.shape, values.dtype, _slices(values))


def _slices(values: NDArray[Any]) -> Callable[[slice], NDArray[Any]]:
    return lambda rows: values[rows]


def whole_array(stream: IO[bytes]) -> NDArray[Any]:
    """The array of one entry; a header that speaks of fewer bytes than there are is refused, as it must be damaged.

    zip checks the CRC-32 only when the last byte is read.
    """
    values = np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
    if stream.read(1):
        raise ValueError(f"more bytes than an array of {values.dtype} and shape {values.shape} has")
    return values
