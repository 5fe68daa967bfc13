"""Noise-free stamps of any galaxies of a data set: rows of factor values in, images out.

    python -m simulations render STORE ROWS.npz STAMPS.npz

ROWS.npz has one array (rows,) for each factor of the store, in its unit; STAMPS.npz gets `image` (rows, y, x) float32
in photons per pixel, or (rows, channel, y, x) from 0 to 1 of quads. The answer names the factors in which an image is
linear, image(k v) = k image(v), so that whoever asks need not ask for several values of them: the flux, wherever it is
a factor.
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
from simulations.scenes import draw
from simulations.spec import Dataset

LINEAR = ("flux",)
Columns = Mapping[str, NDArray[np.float64]]


def render(store: Path, rows: Path, stamps: Path) -> dict[str, Any]:
    """Draw the galaxies of a file of factor values in the scene of a simulated store; what is linear in the image."""
    dataset = dataset_of(store)
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
    """Noise-free stamps (rows, *image), as the store has them, of factors (rows,) in their declared units."""
    rows = (dict(zip(columns, map(float, values), strict=True)) for values in zip(*columns.values(), strict=True))
    drawn = [draw(dataset.scene, parameters(dataset, row)) for row in rows]
    return np.stack(drawn) if drawn else np.zeros((0, *dataset.scene.image_shape), np.float32)


def _columns(dataset: Dataset, rows: Path) -> Columns:
    """The factors of the file, (rows,) each; another set of factors, or other shapes, are refused."""
    with np.load(rows, allow_pickle=False) as file:
        columns = {name: np.asarray(file[name], dtype=np.float64) for name in file.files}
    if {*columns} != {*dataset.factors}:
        allowed = f"the factors of the store are {listed(dataset.factors)}"
        raise Refused(Fault(str(rows), Words(f"the columns {listed(columns)}"), allowed, "give a column for each"))
    shapes = {values.shape for values in columns.values()}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        raise Refused(Fault(str(rows), Words("columns of several shapes"), "each is (rows,)", "make them equally long"))
    if not all(np.isfinite(values).all() for values in columns.values()):
        raise Refused(
            Fault(str(rows), Words("values that are not finite"), "a galaxy has finite factors", "correct them")
        )
    return {name: columns[name] for name in dataset.factors}
