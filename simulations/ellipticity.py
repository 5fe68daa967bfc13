"""Ellipticities by the names of their conventions, as reduced shear (Bernstein and Jarvis 2002, AJ 123, 583, eq. 2.8).

With axis ratio q, and the angle that all conventions share:

    distortion       |e| = (1 - q^2) / (1 + q^2)      g = e / (1 + sqrt(1 - |e|^2))
    reduced_shear    |g| = (1 - q) / (1 + q)
    moments          e1 = (Mxx - Myy) / (Mxx + Myy), e2 = 2 Mxy / (Mxx + Myy), a distortion; other units cancel

The columns that are named are replaced by the factors g1 and g2; the axes of the sky are not turned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.faults import Fault, Refused, Words, listed, suggest
from simulations.sources.column import Column, in_memory
from simulations.sources.options import names_in
from simulations.sources.shards import gathered

Pair = tuple[NDArray[np.float64], NDArray[np.float64]]
COLUMNS = {"distortion": 2, "reduced_shear": 2, "moments": 3}


def reduced_shear(convention: str, *values: NDArray[np.float64]) -> Pair:
    """g1 and g2, (N,) each, of ellipticities or moments, (N,) each; NaN where they are those of no ellipse."""
    if convention == "reduced_shear":
        return _within(values[0], values[1])
    e1, e2 = _of_moments(*values) if convention == "moments" else _within(values[0], values[1])
    factor = 1 / (1 + np.sqrt(1 - e1**2 - e2**2))
    return factor * e1, factor * e2


def _within(e1: NDArray[np.float64], e2: NDArray[np.float64]) -> Pair:
    outside = ~(e1**2 + e2**2 < 1)
    return np.where(outside, np.nan, e1), np.where(outside, np.nan, e2)


def _of_moments(mxx: NDArray[np.float64], myy: NDArray[np.float64], mxy: NDArray[np.float64]) -> Pair:
    size = np.where(mxx + myy > 0, mxx + myy, np.nan)
    return _within((mxx - myy) / size, 2 * mxy / size)


def with_shear(columns: Mapping[str, Column], option: str) -> dict[str, Column]:
    """The columns with g1 and g2 in place of those of an option NAMES=CONVENTION; as they are where it is empty."""
    if not option:
        return dict(columns)
    text, _, convention = option.partition("=")
    names = names_in(text)
    _refuse_option(columns, option, names, convention)
    needed = gathered(dict(columns), names)
    values = [np.asarray(needed[name][:], dtype=np.float64) for name in names]
    g1, g2 = reduced_shear(convention, *values)
    if bad := int(np.isnan(g1).sum()):
        row = int(np.flatnonzero(np.isnan(g1))[0])
        value = Words(f"{bad} rows that are no ellipses, such as row {row}: {', '.join(f'{v[row]:g}' for v in values)}")
        remedy = f"drop those rows, or correct the convention, which is one of {', '.join(COLUMNS)}"
        raise Refused(Fault(f"--ellipticity {option}", value, "an ellipticity is below 1", remedy))
    others = {name: column for name, column in columns.items() if name not in names}
    shears = {name: _shear(columns[names[0]], name, values) for name, values in (("g1", g1), ("g2", g2))}
    return others | shears


def _shear(origin: Column, name: str, values: NDArray[Any]) -> Column:
    return in_memory(f"{origin.where.rpartition(': ')[0]}: {name}", values)


def _refuse_option(columns: Mapping[str, Column], option: str, names: tuple[str, ...], convention: str) -> None:
    if convention not in COLUMNS:
        remedy = suggest(convention, COLUMNS, "write e1,e2=distortion")
        raise Refused(Fault("--ellipticity", option, f"the conventions are {', '.join(COLUMNS)}", remedy))
    if len(names) != COLUMNS[convention]:
        text = f"{convention} has {COLUMNS[convention]} columns"
        raise Refused(Fault("--ellipticity", option, text, "write e1,e2=distortion or Mxx,Myy,Mxy=moments"))
    for name in names:
        if name not in columns:
            remedy = suggest(name, columns, "name some of them")
            raise Refused(Fault("--ellipticity", name, f"the columns are {listed(columns)}", remedy))
        column = columns[name]
        if len(column.shape) != 1 or column.is_text or column.shape != columns[names[0]].shape:
            value = Words(f"{column.shape} of {column.dtype}")
            text = f"an ellipticity is one number for each image, and {names[0]} is {columns[names[0]].shape}"
            raise Refused(Fault(column.where, value, text, "correct the column"))
    if taken := {"g1", "g2"} & (columns.keys() - {*names}):
        text = "g1 and g2 are the names of the result"
        raise Refused(Fault("--ellipticity", Words(f"a column {min(taken)}"), text, "rename that column in the file"))
