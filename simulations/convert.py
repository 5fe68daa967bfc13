"""User images into a store: npz, HDF5, FITS table or Zarr with images and named columns of factors.

Images are (N, y, x) or (N, channel, y, x); a factor is one number per image. Units are those in the file
(`simulations.columns`) unless `--unit NAME=UNIT` replaces them; astropy must understand them. The rows are split at
random by seed, 75 / 12.5 / 12.5 %, unless the file has a column `split` of 0, 1 and 2. A factor is a number on a line
unless it is declared circular, with its period, or categorical (simulations.kinds).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy.units import Unit

from foundation.faults import Fault, Refused, Words, listed, suggest
from foundation.fields import NAME
from simulations.collection import Collection, picked
from simulations.columns import Columns, opened
from simulations.declaration import with_kinds
from simulations.intake import Intake, refuse_existing, write

RESERVED = ("image", "image_true", "split", "noise_std")


def convert(
    source: Path,
    path: Path,
    images: str,
    factors: str,
    units: list[str],
    noise: str,
    seed: int,
    circular: Sequence[str] = (),
    categorical: Sequence[str] = (),
) -> None:
    """Check the whole file `source` and write it as a sealed store at `path`, which must be new.

    `images` is the name of the image column and `factors` the names of factors separated by commas (all other columns
    if empty); `units` are NAME=UNIT, `noise` is none, poisson, poisson:SKY or gaussian:SIGMA; `circular` are
    NAME=PERIOD, in the factor's unit, `categorical` names.
    """
    refuse_existing(path)
    with opened(source) as file:
        names = _factor_names(file.columns, images, factors)
        unit_of = {name: file.units.get(name, "") for name in names} | _unit_options(units, names)
        intake = Intake(_noise(noise), seed, "simulations.convert")
        _refuse([*_column_faults(source, file.columns, images, names), *_unit_faults(unit_of)])
        _refuse(list(_split_faults(source, file.columns, file.columns[images].shape[0])))
        collection = _collection(source, file.columns, images, unit_of)
        write(with_kinds(collection, circular, categorical, seed), path, intake)


def _collection(source: Path, columns: Columns, images: str, unit_of: dict[str, str]) -> Collection:
    """The collection whose factors are the columns named in unit_of."""
    rows, *shape = columns[images].shape
    factors = {name: np.asarray(columns[name][:], dtype=np.float64) for name in unit_of}
    split = np.asarray(columns["split"][:]).astype(np.int8) if "split" in columns else None
    return Collection(str(source), rows, tuple(shape), partial(picked, columns[images]), factors, unit_of, split)


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise Refused(faults)


def _factor_names(columns: Columns, images: str, factors: str) -> list[str]:
    """The names in `factors`, each once; if it is empty, all columns of one number per image."""
    if factors:
        return list(dict.fromkeys(name.strip() for name in factors.split(",") if name.strip()))
    return [name for name, column in columns.items() if name not in (images, *RESERVED) and len(column.shape) == 1]


def _unit_options(options: list[str], names: list[str]) -> dict[str, str]:
    """Units by name, from the options NAME=UNIT of the command line."""
    pairs = [option.partition("=") for option in options]
    for name, equals, _ in pairs:
        if not equals:
            raise Refused(Fault("--unit", name, "a unit is written as NAME=UNIT", f"write {name}=..."))
        if name not in names:
            raise Refused(Fault("--unit", name, f"the factors are {listed(names)}", suggest(name, names, "name one")))
    return {name: unit for name, _, unit in pairs}


def _unit_faults(unit_of: dict[str, str]) -> Iterator[Fault]:
    """Units that astropy does not understand."""
    for name, unit in unit_of.items():
        try:
            Unit(unit)
        except ValueError:
            yield Fault(f"unit of {name}", unit, "astropy must know it", f"set another with --unit {name}=UNIT")


def _column_faults(source: Path, columns: Columns, images: str, names: list[str]) -> Iterator[Fault]:
    """Columns that are missing, and images and factors of the wrong shape or type."""
    for name in (images, *names):
        if name not in columns:
            remedy = suggest(name, columns, "name one of them")
            yield Fault(f"{source}: {name}", Words("nothing"), f"the columns are {listed(columns)}", remedy)
    if images not in columns:
        return
    shape, kind = columns[images].shape, columns[images].dtype.kind
    if len(shape) not in (3, 4) or shape[-1] != shape[-2] or not shape[0]:
        text = "images are (N, y, x) or (N, channel, y, x), square, at least one"
        yield Fault(f"{source}: {images}", shape, text, "reshape or crop them")
        return
    if kind not in "iufb":
        yield Fault(f"{source}: {images}", str(columns[images].dtype), "images are real numbers", "convert them")
    if not names:
        yield Fault(str(source), Words("no factors"), "at least one column of factors is needed", "add or name one")
    for name in names:
        if name in RESERVED or not NAME.fullmatch(name):
            yield Fault(f"{source}: {name}", name, "a factor cannot have this name", "rename the column")
        elif name in columns:
            yield from _value_faults(f"{source}: {name}", columns[name], shape[0])


def _value_faults(where: str, column: Any, rows: int) -> Iterator[Fault]:
    """A column of factors that is not one finite number per image."""
    if column.shape != (rows,):
        yield Fault(where, column.shape, f"one number per image is ({rows},)", "make it as long as the images")
        return
    values = np.asarray(column[:])
    if values.dtype.kind not in "iufb" or not np.isfinite(values.astype(np.float64)).all():
        remedy = "clean the column, and number classes that are words"
        yield Fault(where, Words("values that are not finite numbers"), "all must be finite", remedy)
    elif rows > 1 and np.ptp(values.astype(np.float64)) == 0:
        remedy = "leave it out: name the others with --factors"
        yield Fault(where, Words(f"{values[0]} in every row"), "a factor takes two values at least", remedy)


def _split_faults(source: Path, columns: Columns, rows: int) -> Iterator[Fault]:
    """A column `split` that is not 0, 1 or 2 for every image, each of them at least once."""
    if "split" not in columns:
        return
    where, values = f"{source}: split", np.asarray(columns["split"][:])
    complete = values.shape == (rows,) and values.dtype.kind in "iufb"
    if not complete or set(np.unique(values).tolist()) != {0, 1, 2}:
        text = "it is 0 (train), 1 (validation) or 2 (test) for every image, each at least once"
        yield Fault(where, Words(f"{values.shape} of {values.dtype}"), text, "correct or remove the column")


def _noise(text: str) -> dict[str, Any]:
    """Kind and parameter of the noise, from none, poisson, poisson:SKY or gaussian:SIGMA."""
    kind, _, parameter = text.partition(":")
    try:
        kinds: dict[str, dict[str, Any]] = {
            "none": {"kind": "none"},
            "poisson": {"kind": "poisson", "sky": float(parameter or 0)},
            "gaussian": {"kind": "gaussian", "sigma": float(parameter or "nan")},
        }
        noise = kinds[kind]
    except (KeyError, ValueError):
        noise = {}
    if not noise or not 0 <= noise.get("sky", 0) < np.inf or not 0 < noise.get("sigma", 1) < np.inf:
        allowed = "it is none, poisson, poisson:SKY or gaussian:SIGMA"
        raise Refused(Fault("--noise", text, allowed, "write one of them, in the unit of the images"))
    return noise
