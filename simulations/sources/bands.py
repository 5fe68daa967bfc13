"""The bands of channels: their names, which must be the same in every row, and those that are chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foundation.faults import Fault, Refused, Words, listed, suggest
from simulations.collection import SPAN
from simulations.sources.column import Column, as_texts


def names_of(column: Column) -> tuple[str, ...]:
    """The names of the bands from a column (N, bands) of texts; refused where rows differ."""
    if len(column.shape) != 2 or not column.is_text:
        value = Words(f"{column.shape} of {column.dtype}")
        raise Refused(Fault(column.where, value, "a row names the bands of its image", "correct or drop the column"))
    first = column[0:1]
    for start in range(0, column.shape[0], SPAN):
        values = column[slice(start, start + SPAN)]
        other = np.flatnonzero((values != first).any(axis=1))
        if other.size:
            row = int(other[0])
            text = f"row 0 has {listed(as_texts(first[0]))}, and all have the same in this order"
            value = Words(f"{listed(as_texts(values[row]))} in row {start + row}")
            raise Refused(Fault(column.where, value, text, "convert rows of other bands to a store of their own"))
    return tuple(as_texts(first[0]))


def chosen(wanted: Sequence[str], names: Sequence[str], channels: int, where: str) -> tuple[int, ...] | None:
    """The numbers of the channels that are kept, in the order that is wanted; None for all as they are."""
    if wanted and not channels:
        text = "there is one band where images are (N, y, x)"
        raise Refused(Fault(where, Words("images without channels"), text, "leave --bands out"))
    if names and len(names) != channels:
        text = f"the images have {channels} channels"
        raise Refused(Fault(where, Words(f"the names of {len(names)} bands"), text, "correct the names of the bands"))
    if not wanted:
        return None
    numbers = {name: k for k, name in enumerate(names)} or {str(k): k for k in range(channels)}
    short = {name.rpartition("-")[2]: k for name, k in numbers.items()}
    for name in wanted:
        if name not in numbers and name not in short:
            text = f"the bands are {listed(numbers)}"
            raise Refused(Fault("--bands", name, text, suggest(name, numbers, "name some of them")))
    return tuple(numbers.get(name, short.get(name, -1)) for name in wanted)
