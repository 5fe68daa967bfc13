"""A collection: existing images with named factors, read in blocks of rows.

    read(rows)     (n, y, x) or (n, channel, y, x) for n row numbers in strictly increasing order
    factors[name]  (N,)  float64, in units[name]
    split          (N,)  int8, 0 train, 1 validation, 2 test, if the source defines a split, else None
    circular[name] the period of a factor that is circular; categorical: the factors whose values are classes
    layers[name]   what the source has of each image beside pixels and factors (simulations.layers)
    measurements   factors with errors or gaps (simulations.measured); NaN where a factor has no value

The images are never in memory all at once: `simulations.intake` reads one shard of the store at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foundation.faults import Fault, Refused, Words
from simulations.factors import split_rows
from simulations.layers import Layer
from simulations.measured import Measurement
from simulations.randomness import permuted
from simulations.spec import Split

Rows = NDArray[np.int64]
SPAN = 256  # rows per slice at most; unwanted rows between wanted ones are read and dropped


@dataclass(frozen=True)
class Collection:
    """Images and factors of one source, which faults name by `where`; `shape` is that of one image."""

    where: str
    rows: int
    shape: tuple[int, ...]
    read: Callable[[Rows], NDArray[Any]]
    factors: Mapping[str, NDArray[np.float64]]
    units: Mapping[str, str]
    split: NDArray[np.int8] | None = None
    circular: Mapping[str, float] = field(default_factory=dict)
    categorical: tuple[str, ...] = ()
    layers: Mapping[str, Layer] = field(default_factory=dict)
    measurements: tuple[Measurement, ...] = ()


def picked(images: Any, rows: Rows) -> NDArray[Any]:
    """Rows, in increasing order, of an array that is read in slices (numpy, h5py, zarr, `Stream`)."""
    parts = np.split(rows, np.flatnonzero(np.diff(rows // SPAN)) + 1)
    return np.concatenate([np.asarray(images[int(p[0]) : int(p[-1]) + 1])[p - p[0]] for p in parts])


def at_most(collection: Collection, most: int | None, seed: int) -> Collection:
    """A random subset of `most` rows, drawn by the seed and in their original order; all rows if there are no more."""
    if most is None or most >= collection.rows:
        return collection
    chosen = permuted(np.arange(most, dtype=np.uint64), collection.rows, seed, "subset")
    kept = np.sort(chosen).astype(np.int64)
    return replace(
        collection,
        rows=most,
        read=lambda rows: collection.read(kept[rows]),
        factors={name: values[kept] for name, values in collection.factors.items()},
        split=None if collection.split is None else collection.split[kept],
        layers={name: _subset(layer, kept) for name, layer in collection.layers.items()},
    )


def _subset(layer: Layer, kept: Rows) -> Layer:
    return replace(layer, read=lambda rows: layer.read(kept[rows]))


def joined(parts: Sequence[Collection]) -> Collection:
    """Collections with the same factors and image shape, without layers, concatenated; `where` is that of the first."""
    starts = np.cumsum([0, *(part.rows for part in parts)])

    def read(rows: Rows) -> NDArray[Any]:
        cuts = np.split(rows, np.searchsorted(rows, starts[1:-1]))
        rows_by_part = zip(parts, cuts, starts[:-1], strict=True)
        return np.concatenate([part.read(cut - start) for part, cut, start in rows_by_part if cut.size])

    factors = {name: np.concatenate([part.factors[name] for part in parts]) for name in parts[0].factors}
    return replace(parts[0], rows=int(starts[-1]), read=read, factors=factors)


def official_parts(training: Collection | None, test: Collection | None) -> Collection:
    """The training and test images of a source, at least one of the two, joined; with both, the split is official."""
    present = [part for part in (training, test) if part is not None]
    whole = joined(present)
    if len(present) < 2:
        return whole
    return replace(whole, split=np.repeat(np.array([0, 2], np.int8), [part.rows for part in present]))


def _lacking(collection: Collection) -> NDArray[np.bool_]:
    """Which rows have no value of a factor, (N,)."""
    with_gaps = [collection.factors[each.name] for each in collection.measurements if each.gaps]
    return np.asarray(np.any([np.isnan(values) for values in with_gaps] or [np.zeros(collection.rows, bool)], axis=0))


def parts_of(collection: Collection, seed: int) -> NDArray[np.int8]:
    """The part of every row, (N,): from the collection's split if it has one, else random by seed.

    If a split has only training and test rows, its training rows are divided 6 : 1 at random by seed into training
    and validation rows, the ratio 75 : 12.5 of the random split. Rows without a value of a factor are training rows:
    scores need all.
    """
    lacking = _lacking(collection)
    if collection.split is None:
        return np.where(lacking, np.int8(0), split_rows(Split(), collection.rows, seed, 0, collection.rows))
    if wrong := int((lacking & (collection.split != 0)).sum()):
        value, text = Words(f"{wrong:,} validation or test rows without a value"), "scores need every factor"
        raise Refused(Fault(f"{collection.where}: split", value, text, "make them training rows, 0"))
    if (collection.split == 1).any():
        return collection.split
    split = collection.split.copy()
    training = np.flatnonzero(split == 0)
    split[training] = split_rows(Split(6 / 7, 1 / 7, 0.0), training.size, seed, 0, training.size)
    return split
