"""Files with the same columns, one after the other in the order of their names, as one set of columns.

One file is open at a time, and slices of its rows are read. Numbers that are needed in full, factors, are gathered
file by file. What differs between files is refused before anything is written: names, shapes of a row, types, units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.faults import Fault, Refused, Words, listed
from simulations.sources.column import Column, in_memory

Columns = dict[str, Column]
Opener = Callable[[Path, ExitStack], Columns]


class Shards:
    """The files, of which the one that was read last stays open."""

    def __init__(self, files: Sequence[Path], opener: Opener, stack: ExitStack) -> None:
        """No file is open yet; the last one is closed with the stack."""
        self.files, self._opener = tuple(files), opener
        self._current, self._columns = -1, Columns()
        self._stack = stack.enter_context(ExitStack())

    def columns(self, number: int) -> Columns:
        """The columns of one file."""
        if number != self._current:
            self._stack.close()
            self._current, self._columns = -1, Columns()
            self._columns = self._opener(self.files[number], self._stack)
            self._current = number
        return self._columns


@dataclass(frozen=True)
class Joined:
    """Reads a slice of rows of one column across files; starts: (files + 1,), the first row of each."""

    shards: Shards
    name: str
    starts: NDArray[np.int64]

    def __call__(self, rows: slice) -> NDArray[Any]:
        """The values of the rows."""
        start, stop, _ = rows.indices(int(self.starts[-1]))
        parts = [self.shards.columns(i)[self.name][a:b] for i, a, b in self.pieces(start, stop)]
        return np.concatenate(parts) if parts else self.shards.columns(0)[self.name][0:0]

    def pieces(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """File, and the first row and the one after the last in it, of every file with some of the rows."""
        first = int(np.searchsorted(self.starts, start, "right")) - 1
        for i in range(first, len(self.starts) - 1):
            at = int(self.starts[i])
            low, high = max(start - at, 0), min(stop, int(self.starts[i + 1])) - at
            if at >= stop:
                return
            if low < high:
                yield i, low, high


def joined_columns(files: Sequence[Path], base: Path, opener: Opener, stack: ExitStack) -> Columns:
    """The columns of all files; refused where they differ from those of the first. base: of the files' names."""
    shards = Shards(files, opener, stack)
    first = dict(shards.columns(0))
    lengths: dict[str, list[int]] = {name: [] for name in first}
    faults: list[Fault] = []
    absent: dict[str, list[int]] = {name: [0, 0] for name in first}
    for i, file in enumerate(files):
        columns = shards.columns(i)
        faults += _differences(file, first, columns)
        if faults:
            raise Refused(faults[:5])
        for name, column in columns.items():
            lengths[name] += column.shape[:1] or (0,)
            absent[name] = [absent[name][0] + column.absent, absent[name][1] + column.chunks]
    names = [file.relative_to(base).as_posix() for file in files]
    return {name: _joined(shards, first[name], name, lengths[name], absent[name], names) for name in first}


def _joined(
    shards: Shards, first: Column, name: str, lengths: list[int], absent: list[int], names: list[str]
) -> Column:
    joined = Joined(shards, name, np.cumsum([0, *lengths]))
    shape = (sum(lengths), *first.shape[1:]) if first.shape else ()

    def origin(rows: slice) -> tuple[list[str], NDArray[np.int64]]:
        pieces = list(joined.pieces(*rows.indices(sum(lengths))[:2]))
        if first.origin is not None:
            return _origins(shards, name, pieces)
        numbers = [np.arange(a, b, dtype=np.int64) for _, a, b in pieces]
        return [names[i] for i, a, b in pieces for _ in range(a, b)], np.concatenate(numbers)

    where = f"{first.where} and {len(names) - 1:,} other files"
    return replace(first, where=where, shape=shape, read=joined, absent=absent[0], chunks=absent[1], origin=origin)


def _origins(shards: Shards, name: str, pieces: list[tuple[int, int, int]]) -> tuple[list[str], NDArray[np.int64]]:
    """The origin of images of which every file states it."""
    origins = [(shards.columns(i)[name].origin, slice(a, b)) for i, a, b in pieces]
    parts = [origin(part) for origin, part in origins if origin is not None]
    return [each for texts, _ in parts for each in texts], np.concatenate([numbers for _, numbers in parts])


def _differences(file: Path, first: Columns, columns: Columns) -> Iterator[Fault]:
    remedy = "leave that file out, or convert it to a store of its own"
    if columns.keys() != first.keys():
        lacking, further = listed(first.keys() - columns.keys(), 5), listed(columns.keys() - first.keys(), 5)
        value = Words(f"columns that differ from the first file's: without {lacking}; in addition {further}")
        yield Fault(str(file), value, "all files have the same columns", remedy)
        return
    for name, column in columns.items():
        of_first = first[name]
        if column.shape[1:] != of_first.shape[1:] or len(column.shape) != len(of_first.shape):
            text = f"a row of the first file has the shape {of_first.shape[1:]}"
            yield Fault(column.where, column.shape[1:], text, remedy)
        elif column.is_text != of_first.is_text:
            yield Fault(column.where, str(column.dtype), f"the first file has {of_first.dtype}", remedy)
        elif column.unit != of_first.unit:
            yield Fault(column.where, column.unit, f"the first file states the unit '{of_first.unit}'", remedy)


def gathered(columns: Columns, names: Sequence[str]) -> Columns:
    """The columns, those of one number for each row among `names` read into memory, file by file."""
    scattered = {
        name: columns[name].read
        for name in dict.fromkeys(names)
        if name in columns and len(columns[name].shape) == 1 and isinstance(columns[name].read, Joined)
    }
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in scattered}
    shards = next((read.shards for read in scattered.values() if isinstance(read, Joined)), None)
    for i in range(len(shards.files) if shards else 0):
        for name in scattered:
            parts[name].append(shards.columns(i)[name][:])  # type: ignore[union-attr]
    whole = {name: np.concatenate(values) for name, values in parts.items()}
    return columns | {
        name: replace(columns[name], read=in_memory("", values).read, dtype=values.dtype)
        for name, values in whole.items()
    }
