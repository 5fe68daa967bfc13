"""What is wrong with the columns of a file: shapes, types, missing and constant values, integers beyond a double."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.faults import Fault, Refused, Words, listed, suggest
from foundation.fields import NAME
from simulations.sentinels import sentinel
from simulations.sources.column import Column
from simulations.sources.opened import Columns

RESERVED = ("image", "image_true", "split", "noise_std")
EXACT = 2**53  # integers up to it are doubles


def column_faults(
    source: Path,
    columns: Columns,
    images: str,
    names: Sequence[str],
    categorical: Sequence[str] = (),
    gaps: Sequence[str] = (),
) -> Iterator[Fault]:
    """Columns that are missing, and images, factors (of these names) and a split of the wrong shape, type or value."""
    for name in (images, *names):
        if name not in columns:
            remedy = suggest(name, columns, "name one of them")
            yield Fault(f"{source}: {name}", Words("nothing"), f"the columns are {listed(columns)}", remedy)
    if images not in columns:
        return
    shape = columns[images].shape
    if len(shape) not in (3, 4) or shape[-1] != shape[-2] or 0 in shape:
        text = "images are (N, y, x) or (N, channel, y, x), square, at least one"
        remedy = "cut them with --crop, or shape flat lists with --shape"
        yield Fault(f"{source}: {images}", shape, text, remedy)
        return
    if columns[images].dtype.kind not in "iufb":
        yield Fault(f"{source}: {images}", str(columns[images].dtype), "images are real numbers", "convert them")
    if not names:
        yield Fault(str(source), Words("no factors"), "at least one column of factors is needed", "add or name one")
    for name in names:
        if name in RESERVED or not NAME.fullmatch(name):
            yield Fault(f"{source}: {name}", name, "a factor cannot have this name", "rename the column")
        elif name in columns:
            yield from _factor_faults(columns[name], shape[0], name in categorical, name in gaps)
    if "split" in columns:
        yield from _split_faults(columns["split"], shape[0])


def _factor_faults(column: Column, rows: int, is_class: bool, has_gaps: bool) -> Iterator[Fault]:
    """A column of factors that is not one finite number per image, or per image that has a value."""
    if column.shape != (rows,):
        text = f"one number per image is ({rows},)"
        yield Fault(column.where, column.shape, text, "make it as long as the images")
        return
    try:
        values = column[:]
    except Refused as refused:
        yield from refused.faults
        return
    yield from _value_faults(column.where, values[~np.isnan(values)] if has_gaps else values, is_class)


def _value_faults(where: str, values: NDArray[Any], is_class: bool) -> Iterator[Fault]:
    if values.dtype.kind not in "iufb" or not np.isfinite(values.astype(np.float64)).all():
        remedy = "clean the column, declare missing values with --gaps, and number classes that are words"
        yield Fault(where, Words("values that are not finite numbers"), "all must be finite", remedy)
    elif len(values) > 1 and (values == values[0]).all():
        remedy = "leave it out: name the others with --factors"
        yield Fault(where, Words(f"{values[0]} in every row"), "a factor takes two values at least", remedy)
    elif values.dtype.kind in "iu" and (beyond := _beyond_double(values)) is not None:
        remedy = "number classes from 0, or leave the column out: name the others with --factors"
        yield Fault(
            where, beyond, f"integers beyond 2^53 ({EXACT}) are no doubles, as which a store holds them", remedy
        )
    elif not is_class and (mark := sentinel(values)):
        remedy = "drop those rows, leave the column out, or declare it with --gaps, or --categorical if it is a class"
        yield Fault(where, Words(f"{mark}"), "a factor has a value in every row, and no mark of missing ones", remedy)


def _beyond_double(values: NDArray[Any]) -> int | None:
    """The first integer that no double equals."""
    large = values[(values > EXACT) | (values < -EXACT)].tolist()
    return next((each for each in large if int(float(each)) != each), None)


def _split_faults(column: Column, rows: int) -> Iterator[Fault]:
    """A column `split` that is not 0, 1 or 2 for every image, each of them at least once."""
    if column.shape == (rows,) and column.dtype.kind in "iufb":
        try:
            if set(np.unique(column[:]).tolist()) == {0, 1, 2}:
                return
        except Refused as refused:
            yield from refused.faults
            return
    text = "it is 0 (train), 1 (validation) or 2 (test) for every image, each at least once"
    yield Fault(column.where, Words(f"{column.shape} of {column.dtype}"), text, "correct or remove the column")
