r"""Which galaxy of a catalogue a row shows, and at which angle; no galaxy stands in two parts of the split.

The N sources of a scene, in a random order of the data set's seed, are cut into training, validation and test sources
by the shares of the split (Split.counts(N)). A row's own part is drawn first, as in any other data set, so that the
numbers of rows are exact and known before anything is drawn; the shares hold for the sources too, to the rounding of
their numbers. The r-th row of a part, in the random order of the rows, shows the (r mod n)-th of its n sources:

    every source of a part is shown equally often, but for one        rotation uniform in [0, 360) degrees

The catalogue's own weights are not used. Neither the source nor the angle is a factor: they are the store's columns
`source`, `source_id` and `rotation`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simulations.factors import draw_split, position_of
from simulations.randomness import permuted, uniforms
from simulations.spec import Dataset

Whole = NDArray[np.int64]
COLUMNS: Mapping[str, dict[str, str]] = {
    "source": {"units": "", "long_name": "index of the galaxy in the catalogue"},
    "source_id": {"units": "", "long_name": "identifier of the galaxy in the catalogue"},
    "rotation": {"units": "deg", "long_name": "rotation of the galaxy, counterclockwise"},
}


def draw_shown(dataset: Dataset, start: int, stop: int) -> dict[str, NDArray[np.generic]]:
    """The columns `source`, `source_id` and `rotation` (deg) of rows start..stop-1, (rows,) each."""
    identifiers = dataset.scene.source_catalogue.identifiers
    source = draw_source(dataset, start, stop)
    return {
        "source": source,
        "source_id": np.array([identifiers[i] for i in source], dtype=np.int64),
        "rotation": 360 * uniforms(dataset.seed, "rotation", start, stop),
    }


def draw_source(dataset: Dataset, start: int, stop: int) -> Whole:
    """The index in the catalogue of the galaxy that each of rows start..stop-1 shows, (rows,)."""
    split, rank = draw_split(dataset, start, stop), _rank(dataset, start, stop)
    shown = np.empty(stop - start, dtype=np.int64)
    for part, sources in enumerate(sources_of_parts(dataset)):
        rows = split == part
        shown[rows] = sources[rank[rows] % len(sources)]
    return shown


def sources_of_parts(dataset: Dataset) -> tuple[Whole, Whole, Whole]:
    """The sources of training, validation and test rows, in the order in which these show them."""
    sources = np.array(dataset.scene.sources, dtype=np.int64)
    order = permuted(np.arange(len(sources), dtype=np.uint64), len(sources), dataset.seed, "sources")
    train, validation, _ = dataset.split.counts(len(sources))
    shuffled = sources[order.astype(np.int64)]
    return shuffled[:train], shuffled[train : train + validation], shuffled[train + validation :]


def _rank(dataset: Dataset, start: int, stop: int) -> Whole:
    """The place of each of rows start..stop-1 among the rows of its part of the split, over all contexts, (rows,)."""
    position = position_of(dataset, start, stop).astype(np.int64)
    rank = np.empty_like(position)
    earlier = np.zeros(3, dtype=np.int64)  # rows of each part in the contexts before
    for each in dataset.parts:
        lengths = np.array([each.train, each.validation, each.test])
        firsts = each.first + np.concatenate([[0], np.cumsum(lengths)[:2]])
        for part, (first, length) in enumerate(zip(firsts, lengths, strict=True)):
            rows = (position >= first) & (position < first + length)
            rank[rows] = position[rows] - first + earlier[part]
        earlier += lengths
    return rank
