"""Noise-free stamps of any galaxies of a data set: rows of factor values in, images out.

    python -m simulations render STORE ROWS.npz STAMPS.npz

ROWS.npz has one array (rows,) for each factor of the store, in its unit; STAMPS.npz gets `image` (rows, y, x) float32
in photons per pixel, or (rows, channel, y, x) from 0 to 1 of quads. The answer names the factors in which an image is
linear, image(k v) = k image(v), so that whoever asks need not ask for several values of them: the flux, wherever it is
a factor. A store of fits of a catalogue (`galaxy: cosmos`) needs one more array, `row` (rows,): the rows of the store
whose source and rotation are shown with these factors. Images of a catalogue (`galaxy: real`) have none without noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from foundation.faults import Fault, Refused, Words, listed
from foundation.files import atomic_write, read_json
from simulations.facts import read_dataset
from simulations.galaxy import parameters
from simulations.parameters import SHOWN
from simulations.population import draw_shown
from simulations.scenes import draw
from simulations.spec import Dataset

LINEAR = ("flux",)
ROW = "row"
Columns = Mapping[str, NDArray[np.float64]]


def render(store: Path, rows: Path, stamps: Path) -> dict[str, Any]:
    """Draw the galaxies of a file of factor values in the scene of a simulated store; what is linear in the image."""
    dataset = dataset_of(store)
    refuse_real(dataset, str(store))
    columns = _columns(dataset, rows)
    with atomic_write(stamps) as part, open(part, "wb") as stream:
        np.savez(stream, image=stamps_of(dataset, columns))
    return {"linear": [name for name in LINEAR if name in dataset.factors]}


def dataset_of(store: Path) -> Dataset:
    """The data set that a sealed store was simulated from; a store of converted images has none, and is refused."""
    read_json(store / "seal.json", "the seal of a finished store")
    spec = zarr.open_group(store, mode="r").attrs.get("spec")
    if spec is None:
        value, allowed = Words("images that were not simulated"), "only the galaxies of a simulated store can be drawn"
        raise Refused(Fault(str(store), value, allowed, "name a store that 'simulations draw' made"))
    faults: list[Fault] = []
    dataset = read_dataset(spec, f"{store}: spec", faults)
    if dataset is None:
        raise Refused(faults)
    return dataset


def stamps_of(dataset: Dataset, columns: Columns) -> NDArray[np.float32]:
    """Noise-free stamps (rows, *image), as the store has them, of factors (rows,) in their declared units.

    Of a catalogue's galaxies the columns `source` and `rotation` say which one is shown, and how.
    """
    rows = (dict(zip(columns, map(float, values), strict=True)) for values in zip(*columns.values(), strict=True))
    drawn = [draw(dataset.scene, parameters(dataset, row)) for row in rows]
    return np.stack(drawn) if drawn else np.zeros((0, *dataset.scene.image_shape), np.float32)


def _columns(dataset: Dataset, rows: Path) -> Columns:
    """The factors of the file, (rows,) each; another set of factors, or other shapes, are refused."""
    with np.load(rows, allow_pickle=False) as file:
        columns = {name: np.asarray(file[name], dtype=np.float64) for name in file.files}
    shown = [ROW] if dataset.scene.is_catalogued else []
    if {*columns} != {*dataset.factors, *shown}:
        allowed = f"the factors of the store are {listed(dataset.factors)}"
        allowed += ", and 'row' says which of its galaxies is shown" if shown else ""
        raise Refused(Fault(str(rows), Words(f"the columns {listed(columns)}"), allowed, "give a column for each"))
    shapes = {values.shape for values in columns.values()}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        raise Refused(Fault(str(rows), Words("columns of several shapes"), "each is (rows,)", "make them equally long"))
    if not all(np.isfinite(values).all() for values in columns.values()):
        raise Refused(
            Fault(str(rows), Words("values that are not finite"), "a galaxy has finite factors", "correct them")
        )
    factors = {name: columns[name] for name in dataset.factors}
    return {**factors, **(_shown(dataset, rows, columns[ROW]) if shown else {})}


def refuse_real(dataset: Dataset, where: str) -> None:
    """Refuse a data set whose galaxies are images, which have noise."""
    if dataset.scene.is_real:
        text = "images of a catalogue have noise of their own, and no drawing is free of it"
        raise Refused(Fault(where, Words("a store of real galaxies"), text, "take a store of other galaxies"))


def _shown(dataset: Dataset, where: Path, row: NDArray[np.float64]) -> Columns:
    """The sources and rotations of rows of the store, (rows,) each."""
    if not ((row >= 0) & (row < dataset.galaxies) & (row == np.floor(row))).all():
        text = f"rows of the store are whole numbers from 0 to {dataset.galaxies - 1}"
        raise Refused(Fault(f"{where}: {ROW}", Words("other numbers"), text, "correct them"))
    every = draw_shown(dataset, 0, dataset.galaxies)
    return {name: np.asarray(every[name], dtype=np.float64)[row.astype(np.int64)] for name in SHOWN}
