"""A collection: images that somebody else made, with named factors, read block by block in rising order of rows.

    read(rows)     (n, y, x) or (n, channel, y, x) for the n row numbers given, rising and without a repeat
    factors[name]  (N,)  float64, in units[name]
    split          (N,)  int8, 0 train, 1 validation, 2 test, where the collection brings its own parts

Nothing here holds all images: a reader is asked for one shard of the store at a time (`simulations.intake`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulations.factors import split_rows
from simulations.randomness import permuted
from simulations.spec import Split

Rows = NDArray[np.int64]
SPAN = 256  # rows between which one slice is read; those not wanted are dropped at once


@dataclass(frozen=True)
class Collection:
    """Images and factors of one source; `where` names it in a sentence."""

    where: str
    rows: int
    shape: tuple[int, ...]
    read: Callable[[Rows], NDArray[Any]]
    factors: Mapping[str, NDArray[np.float64]]
    units: Mapping[str, str]
    split: NDArray[np.int8] | None = None


def picked(images: Any, rows: Rows) -> NDArray[Any]:
    """Rows of an array that is read in slices (numpy, h5py, zarr, a stream), without reading all of it."""
    parts = np.split(rows, np.flatnonzero(np.diff(rows // SPAN)) + 1)
    return np.concatenate([np.asarray(images[int(p[0]) : int(p[-1]) + 1])[p - p[0]] for p in parts])


def at_most(whole: Collection, most: int | None, seed: int) -> Collection:
    """A random subset of `most` rows that belongs to the seed, in their own order; all of them where that is enough."""
    if most is None or most >= whole.rows:
        return whole
    chosen = permuted(np.arange(most, dtype=np.uint64), whole.rows, seed, "subset")
    kept = np.sort(chosen).astype(np.int64)
    return replace(
        whole,
        rows=most,
        read=lambda rows: whole.read(kept[rows]),
        factors={name: values[kept] for name, values in whole.factors.items()},
        split=None if whole.split is None else whole.split[kept],
    )


def joined(parts: Sequence[Collection]) -> Collection:
    """Collections of the same factors and shape, one after the other; `where` is that of the first."""
    starts = np.cumsum([0, *(part.rows for part in parts)])

    def read(rows: Rows) -> NDArray[Any]:
        cuts = np.split(rows, np.searchsorted(rows, starts[1:-1]))
        asked = zip(parts, cuts, starts[:-1], strict=True)
        return np.concatenate([part.read(cut - start) for part, cut, start in asked if cut.size])

    factors = {name: np.concatenate([part.factors[name] for part in parts]) for name in parts[0].factors}
    return replace(parts[0], rows=int(starts[-1]), read=read, factors=factors)


def official_parts(training: Collection | None, test: Collection | None) -> Collection:
    """What an official source has of the two, joined; the split is official where both are there."""
    there = [part for part in (training, test) if part is not None]
    whole = joined(there)
    if len(there) < 2:
        return whole
    return replace(whole, split=np.repeat(np.array([0, 2], np.int8), [part.rows for part in there]))


def parts_of(collection: Collection, seed: int) -> NDArray[np.int8]:
    """The part of every row: the collection's own, or random by seed.

    An official split that knows training and test rows alone has its training rows shared 6 : 1 by seed between
    training and validation, the ratio 75 : 12.5 of the random split.
    """
    if collection.split is None:
        return split_rows(Split(), collection.rows, seed, 0, collection.rows)
    if (collection.split == 1).any():
        return collection.split
    split = collection.split.copy()
    training = np.flatnonzero(split == 0)
    split[training] = split_rows(Split(6 / 7, 1 / 7, 0.0), training.size, seed, 0, training.size)
    return split
