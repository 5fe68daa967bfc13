"""The study as two files: every score of every run in one tidy table, every matrix and curve in one labelled data set.

    scores.parquet  run, dataset, method, coverage, seed, metric, value, low, high, n         one row per run x metric
    analysis.nc     rho (run, latent, factor), drop (run, block, scale, measure, bound), contrast (pair, metric, bound)

Nothing is computed here: scores over several runs and controls come from analysis.agreement, controls and contrasts.
Controls stand among the scores as runs of the method `control`. A run that does not decode has no rows of `drop`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from auxvae.config.run import Run
from auxvae.metrics.score import Score
from foundation.files import atomic_write, read_json

Row = dict[str, Any]
VALUES = Score._fields[:4]


def score_table(
    runs: tuple[Run, ...],
    results: Path,
    across: Iterable[tuple[Run, str, Score]] = (),
    controls: Iterable[tuple[str, str, str, Score]] = (),
) -> pd.DataFrame:
    """One row per run and metric: the scores in the runs' folders, those over several runs, those of controls."""
    rows = [row for run in runs for row in _scores(run, results / "runs" / run.id)]
    rows += [_row(_head(run), metric, score.to_json()) for run, metric, score in across]
    for dataset, control, metric, score in controls:
        head = {"run": f"control-{control}", "dataset": dataset, "method": "control", "coverage": control, "seed": 0}
        rows.append(_row(head, metric, score.to_json()))
    return pd.DataFrame(rows)


def collect(runs: tuple[Run, ...], results: Path, scores: pd.DataFrame, contrasts: xr.Dataset) -> None:
    """Write scores.parquet and analysis.nc."""
    with atomic_write(results / "scores.parquet") as part:
        scores.to_parquet(part, index=False)
    drops = _read(runs, results, "sensitivity.nc")
    matrices = [each[["rho"]] for each in _read(runs, results, "codes.nc")]
    analysis = xr.merge(
        [_stacked(matrices), _stacked([each for each in drops if "drop" in each]), contrasts], join="outer"
    )
    with atomic_write(results / "analysis.nc") as part:
        analysis.to_netcdf(part)


def _scores(run: Run, folder: Path) -> Iterator[Row]:
    for metric, score in read_json(folder / "scores.json", "the scores of a run").items():
        yield _row(_head(run), metric, score)


def _head(run: Run) -> Row:
    head = {"run": run.id, "dataset": run.dataset.name, "method": run.method, "coverage": run.coverage}
    return {**head, "seed": run.seed}


def _row(head: Row, metric: str, score: dict[str, Any]) -> Row:
    return {**head, "metric": metric, **{name: score[name] for name in VALUES}}


def _read(runs: tuple[Run, ...], results: Path, name: str) -> Iterator[xr.Dataset]:
    """The data set of that name of every run; latents by position, since their names differ from run to run."""
    for run in runs:
        with xr.open_dataset(results / "runs" / run.id / name) as file:
            dataset = file.load().drop_attrs().assign_coords(run=run.id)
        yield dataset.assign_coords(latent=np.arange(1, dataset.sizes.get("latent", 0) + 1))


def _stacked(datasets: list[xr.Dataset]) -> xr.Dataset:
    return xr.concat(datasets, "run", join="outer") if datasets else xr.Dataset()
