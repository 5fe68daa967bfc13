"""Anyone's images into a store: npz, HDF5, FITS table or Zarr with images and named columns of factors.

Images are (N, y, x) or (N, channel, y, x); every factor is one number per image. Units come from the file where it has
them (FITS TUNITn, Zarr and HDF5 attribute `units`), else from `--unit NAME=UNIT`; astropy must know them. The rows are
split at random by seed, 75 / 12.5 / 12.5 %, unless the file has a column `split` of 0, 1 and 2.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import zarr
from astropy import units
from astropy.io import fits

from foundation.faults import Fault, Refused, Words, listed, suggest
from foundation.fields import NAME
from simulations.collection import Collection, picked
from simulations.intake import Intake, refuse_what_is_there, write

Columns = dict[str, Any]  # arrays that are read in slices: numpy, h5py, zarr
RESERVED = ("image", "image_true", "split", "noise_std")


def convert(source: Path, path: Path, images: str, factors: str, given: list[str], noise: str, seed: int) -> None:
    """Read `source`, check all of it, and write a sealed store at `path`, which must be new."""
    refuse_what_is_there(path)
    with opened(source) as (columns, known_units):
        names = _factor_names(source, columns, images, factors)
        found_units = {**{n: known_units.get(n, "") for n in names}, **_given_units(given, names)}
        declared_noise = _noise(noise)
        _refuse([*_column_faults(source, columns, images, names), *_unit_faults(found_units)])
        _refuse(list(_split_faults(source, columns, columns[images].shape[0])))
        found = _collection(source, columns, images, names, found_units)
        write(found, path, Intake(declared_noise, seed, "simulations.convert"))


def _collection(
    source: Path, columns: Columns, images: str, names: list[str], found_units: dict[str, str]
) -> Collection:
    rows, *shape = columns[images].shape
    factors = {n: np.asarray(columns[n][:], dtype=np.float64) for n in names}
    split = np.asarray(columns["split"][:]).astype(np.int8) if "split" in columns else None
    return Collection(str(source), rows, tuple(shape), partial(picked, columns[images]), factors, found_units, split)


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise Refused(faults)


@contextmanager
def opened(source: Path) -> Iterator[tuple[Columns, dict[str, str]]]:
    """The columns of a file by name and the units that it knows."""
    reader = READERS.get(source.suffix.lower())
    if reader is None:
        raise Refused(
            Fault(str(source), source.suffix, f"the kinds are {listed(READERS)}", "convert it to one of them")
        )
    if not source.exists():
        raise Refused(Fault(str(source), Words("no file"), "images are read here", "check the path"))
    try:
        file, columns, known = reader(source)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        value = Words(f"a file that cannot be read ({error})")
        raise Refused(Fault(str(source), value, f"it must be whole {source.suffix}", "write it anew")) from None
    try:
        yield columns, known
    finally:
        if hasattr(file, "close"):
            file.close()


Read = tuple[Any, Columns, dict[str, str]]


def _npz(source: Path) -> Read:
    file = np.load(source, allow_pickle=False)
    return file, {name: file[name] for name in file.files}, {}


def _hdf5(source: Path) -> Read:
    file = h5py.File(source, "r")
    columns = {name: each for name, each in file.items() if isinstance(each, h5py.Dataset)}
    return file, columns, {n: str(c.attrs["units"]) for n, c in columns.items() if "units" in c.attrs}


def _fits(source: Path) -> Read:
    file = fits.open(source, memmap=True)
    table = next((unit for unit in file if isinstance(unit, fits.BinTableHDU)), None)
    if table is None:
        file.close()
        raise ValueError("no table in it")
    known = {c.name: c.unit for c in table.columns if c.unit}
    return file, {c.name: table.data[c.name] for c in table.columns}, known


def _zarr(source: Path) -> Read:
    group = zarr.open_group(source, mode="r")
    columns = dict(group.arrays())
    return group, columns, {n: str(c.attrs["units"]) for n, c in columns.items() if "units" in c.attrs}


READERS: dict[str, Callable[[Path], Read]] = {
    ".npz": _npz,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".fits": _fits,
    ".fit": _fits,
    ".zarr": _zarr,
}


def _factor_names(source: Path, columns: Columns, images: str, factors: str) -> list[str]:
    if factors:
        return list(dict.fromkeys(name.strip() for name in factors.split(",") if name.strip()))
    return [n for n, c in columns.items() if n not in (images, *RESERVED) and len(c.shape) == 1]


def _given_units(given: list[str], names: list[str]) -> dict[str, str]:
    """NAME=UNIT pairs of the command line."""
    pairs = [pair.partition("=") for pair in given]
    for name, equals, _ in pairs:
        if not equals:
            raise Refused(Fault("--unit", name, "a unit is given as NAME=UNIT", f"write {name}=..."))
        if name not in names:
            raise Refused(Fault("--unit", name, f"the factors are {listed(names)}", suggest(name, names, "name one")))
    return {name: unit for name, _, unit in pairs}


def _unit_faults(found: dict[str, str]) -> Iterator[Fault]:
    for name, unit in found.items():
        try:
            units.Unit(unit)
        except ValueError:
            yield Fault(f"unit of {name}", unit, "astropy must know it", f"give another with --unit {name}=UNIT")


def _column_faults(source: Path, columns: Columns, images: str, names: list[str]) -> Iterator[Fault]:
    for name in (images, *names):
        if name not in columns:
            yield Fault(
                f"{source}: {name}",
                Words("nothing"),
                f"it holds {listed(columns)}",
                suggest(name, columns, "name what it holds"),
            )
    if images not in columns:
        return
    shape, kind = columns[images].shape, columns[images].dtype.kind
    if len(shape) not in (3, 4) or shape[-1] != shape[-2] or not shape[0]:
        text = "images are (N, y, x) or (N, channel, y, x), square, one at least"
        yield Fault(f"{source}: {images}", shape, text, "reshape or crop them")
        return
    if kind not in "iufb":
        yield Fault(f"{source}: {images}", str(columns[images].dtype), "images are real numbers", "convert them")
    if not names:
        yield Fault(str(source), Words("no factors"), "one column of factors is needed", "add one or name it")
    for name in names:
        if name in RESERVED or not NAME.fullmatch(name):
            yield Fault(f"{source}: {name}", name, "it is no name for a factor", "rename the column")
        elif name in columns:
            yield from _values(f"{source}: {name}", columns[name], shape[0])


def _values(where: str, column: Any, rows: int) -> Iterator[Fault]:
    if column.shape != (rows,):
        yield Fault(where, column.shape, f"one number per image is ({rows},)", "make it as long as the images")
        return
    values = np.asarray(column[:])
    if values.dtype.kind not in "iufb" or not np.isfinite(values.astype(np.float64)).all():
        yield Fault(where, Words("values that are no finite numbers"), "all must be", "clean the column")


def _split_faults(source: Path, columns: Columns, rows: int) -> Iterator[Fault]:
    """A split of one's own is 0, 1 or 2 for every image, each at least once."""
    if "split" not in columns:
        return
    where, values = f"{source}: split", np.asarray(columns["split"][:])
    whole = values.shape == (rows,) and values.dtype.kind in "iufb"
    if not whole or set(np.unique(values).tolist()) != {0, 1, 2}:
        text = "it is 0 (train), 1 (validation) or 2 (test) for every image, each at least once"
        yield Fault(where, Words(f"{values.shape} of {values.dtype}"), text, "mend it or take it away")


def _noise(text: str) -> dict[str, Any]:
    """The noise of the command line: none, poisson, poisson:SKY, gaussian:SIGMA."""
    kind, _, value = text.partition(":")
    try:
        known: dict[str, dict[str, Any]] = {
            "none": {"kind": "none"},
            "poisson": {"kind": "poisson", "sky": float(value or 0)},
            "gaussian": {"kind": "gaussian", "sigma": float(value or "nan")},
        }
        noise = known[kind]
    except (KeyError, ValueError):
        noise = {}
    if not noise or not 0 <= noise.get("sky", 0) < np.inf or not 0 < noise.get("sigma", 1) < np.inf:
        text_allowed = "it is none, poisson, poisson:SKY or gaussian:SIGMA"
        raise Refused(Fault("--noise", text, text_allowed, "write one of them, in the unit of the images"))
    return noise
