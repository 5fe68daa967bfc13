"""A finished run beside the images of any store: what `measure` and `domain` share, from the folder to the file."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from auxvae.analysis.explore import run_of, store_of
from auxvae.analysis.model import TrainedModel
from auxvae.config.run import Run
from auxvae.data.device import choose_device
from auxvae.data.preparation import run_inputs
from auxvae.data.store import SPLITS, Rows, Store
from auxvae.data.survey import likelihood_of, rows_for
from foundation.faults import Fault, Refused, Words
from foundation.files import atomic_write

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Trained:
    """A finished run, its own store, and its model beside no row yet."""

    folder: Path
    run: Run
    store: Store
    model: TrainedModel

    @property
    def digest(self) -> str:
        """Of the data set that it was trained on."""
        return self.run.dataset.digest


def read_trained(folder: Path, data: Path | None) -> Trained:
    """The finished run of a folder with its own store, which may be named."""
    run = run_of(folder)
    store = store_of(folder, run, data, "--data")
    rows = rows_for(run, store, np.zeros(0, dtype=np.intp))
    return Trained(folder, run, store, TrainedModel(folder, run, store, rows, choose_device("auto")))


def beside(trained: Trained, store: Store, rows: Rows) -> TrainedModel:
    """The run's model beside rows of a store, which are refused where its likelihood does not take their pixels."""
    model = copy.copy(trained.model)
    model.rows, model.likelihood = rows, likelihood_of(trained.run, trained.store, store, rows, model.scaling)
    model.inputs = run_inputs(trained.run, store, model.scaling, rows)
    return model


def rows_of(trained: Trained, store: Store) -> Columns:
    """The columns that say which image a row of the file is: row, id where there is one, split of the run's own."""
    columns: dict[str, NDArray[Any]] = {"row": np.arange(len(store.split))}
    if "source_id" in store.dataset.variables:
        columns["id"] = np.asarray(store.dataset["source_id"].values)
    if store.source.digest == trained.digest:
        columns["split"] = np.array([*SPLITS])[store.split]
    return columns


def judged_rows(trained: Trained, store: Store) -> NDArray[np.intp]:
    """The rows whose measurements are judged: all, or the test rows of the run's own data set; with every factor."""
    is_own = store.source.digest == trained.digest
    return store.complete(store.numbers("test") if is_own else np.arange(len(store.split)))


def refuse_unwritable(out: Path) -> None:
    """Refuse a file that could not be written after the work, or that would be called something else."""
    if out.suffix != ".parquet":
        raise Refused(
            Fault(
                f"--out {out}",
                Words(f"a {out.suffix or 'nameless'} file"),
                "a Parquet file is written",
                "name it *.parquet",
            )
        )
    if out.is_dir():
        raise Refused(Fault(f"--out {out}", Words("a folder"), "a file is written", "name a file in it"))
    if not out.absolute().parent.is_dir():
        raise Refused(
            Fault(f"--out {out}", Words(f"no folder {out.parent}"), "the file lies in a folder", "make it first")
        )


def write_table(out: Path, columns: Columns, facts: Mapping[str, object]) -> None:
    """A Parquet file with a row per image, whole or not at all; an older one is replaced. Facts are its metadata."""
    frame = pd.DataFrame(columns)
    frame.attrs.update(facts)
    with atomic_write(out) as part:
        frame.to_parquet(part, index=False)
