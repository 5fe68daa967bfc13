"""HATS directories (Hierarchical Adaptive Tiling Scheme, earlier HiPSCat): the Parquet leaves of a partitioned sky.

    NAME/hats.properties or properties, dataset/_metadata, dataset/Norder=K/Dir=D/Npix=P.parquet

Npix=P may also be a folder of Parquet files. The leaves are read in the order of their names as shards with the same
columns. What states the partition, in the path or in a file, is no factor unless it is named.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.faults import Fault, Refused, Words, listed
from simulations.sources.column import Column
from simulations.sources.shards import Joined

COLLECTION = "collection.properties"  # of a folder of catalogues and of margins around their parts
PARTITION = ("Norder", "Dir", "Npix", "_healpix_29", "_hipscat_index")


def is_hats(path: Path) -> bool:
    """Whether a folder is a HATS directory: it has partitions of an order, below it or below `dataset`."""
    return any(any(path.glob(f"{inner}Norder=*")) for inner in ("", "dataset/"))


def refuse_collection(path: Path) -> None:
    """Refuse a folder of several catalogues: the margins of one repeat rows of it."""
    if (path / COLLECTION).is_file():
        inner = sorted(each.name for each in path.iterdir() if each.is_dir() and is_hats(each))
        value, text = Words("a collection of catalogues"), f"one is converted, of {listed(inner)}"
        raise Refused(Fault(str(path), value, text, "name its folder"))


def leaves(path: Path) -> list[Path]:
    """The Parquet files of all partitions, sorted."""
    files = [*path.glob("**/Norder=*/Dir=*/Npix=*.parquet"), *path.glob("**/Norder=*/Dir=*/Npix=*/*.parquet")]
    return sorted(each for each in files if each.is_file())


def with_partitions(columns: dict[str, Column], files: Sequence[Path]) -> dict[str, Column]:
    """The columns, with those of the partition set aside, and those that the paths alone state."""
    from_files = {name: replace(each, aside=each.aside or name in PARTITION) for name, each in columns.items()}
    stated = {
        name: [int(value) for value in re.findall(rf"{name}=(\d+)", "/".join(map(str, files)))]
        for name in PARTITION[:3]
    }
    joined = next((each.read for each in columns.values() if isinstance(each.read, Joined)), None)
    lengths = np.diff(joined.starts) if joined else np.array([next(iter(columns.values())).shape[0]])
    added = {
        name: _repeated(f"{files[0]}: {name}", np.repeat(values, lengths))
        for name, values in stated.items()
        if name not in columns and len(values) == len(files)
    }
    return from_files | added


def _repeated(where: str, values: NDArray[Any]) -> Column:
    return Column(where, values.shape, values.dtype, lambda rows: values[rows], aside=True)
