"""The study as two files: every score of every run in one tidy table, every matrix and curve in one labelled data set.

    scores.parquet  run, dataset, method, coverage, seed, split, metric, value, low, high, se, n
                    one row per run x split x metric; `split` is `validation` or `test`
    analysis.nc     rho (run, latent, factor), drop (run, block, scale, measure, bound), contrast (pair, metric, bound),
                    difference (comparison, score, statistic)

Controls are rows of the method `control`, on test rows. Of the candidates of `select` there are only those that were
chosen; selection.json holds the others. What a run lacks is absent: a model that does not decode has no `drop`.
Nothing is computed here: the evaluation, auxvae.analysis.agreement and contrasts and differences do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from auxvae.analysis.agreement import agreement_of_seeds, seeds_of_a_method
from auxvae.analysis.contrasts import contrasts
from auxvae.analysis.differences import differences
from auxvae.analysis.files import CODES, SCORES, SENSITIVITY, VALIDATION, controls_file
from auxvae.analysis.selection import with_first_weights
from auxvae.config.choices import Choice
from auxvae.config.labels import variants
from auxvae.config.run import Run
from auxvae.metrics.score import STORED
from foundation.faults import Fault, Refused, Words
from foundation.files import atomic_write, read_json

Array = NDArray[np.float64]
Row = dict[str, Any]


def collect(
    runs: tuple[Run, ...],
    results: Path,
    choices: tuple[Choice, ...] = (),
    families: Mapping[str, str] | None = None,
) -> None:
    """Write scores.parquet and analysis.nc from the folders of the runs and the controls of their data sets.

    choices: those by which runs among these were chosen. families: one name for all data sets that differ in their seed
    alone.
    """
    folders = {run.id: results / "runs" / run.id for run in runs}
    controls = _controls(runs, results)
    if faults := list(_absent(folders.values(), controls.values(), results)):
        raise Refused(faults)
    rows = [row for run in runs for row in _run_rows(run, folders[run.id])]
    rows += [row for seeds in seeds_of_a_method(runs) for row in _agreement_rows(seeds, folders)]
    rows += [row for item in controls.items() for row in _control_rows(*item)]
    scores = pd.DataFrame(rows)
    with atomic_write(results / "scores.parquet") as part:
        scores.to_parquet(part, index=False)
    matrices, drops = _gathered(folders, CODES, ["rho"]), _gathered(folders, SENSITIVITY, None)
    compared = _compared(scores, runs, choices, folders, families or {})
    with atomic_write(results / "analysis.nc") as part:
        xr.merge([matrices, drops, *compared], join="outer").to_netcdf(part)


def _compared(
    scores: pd.DataFrame,
    runs: tuple[Run, ...],
    choices: tuple[Choice, ...],
    folders: dict[str, Path],
    families: Mapping[str, str],
) -> tuple[xr.Dataset, xr.Dataset]:
    """Contrasts of coverages, and differences of methods and coverages, on test rows, whatever weights were chosen."""
    differing = variants(with_first_weights(runs, choices)).values()
    varied = {run.id: words for run, words in zip(runs, differing, strict=True)}
    tested, sizes = scores[scores["split"] == "test"], {run.coverage: len(run.aux) for run in runs}
    of_coverages = contrasts(tested, varied, sizes, lambda run, metric: _of_images(folders[run], metric))
    return of_coverages, differences(tested, runs, varied, families)


def _of_images(folder: Path, metric: str) -> Array | None:
    """The value of a score for each test image of a run; None where the score is no mean over images."""
    with xr.open_dataset(folder / CODES) as codes:
        return codes[metric].values.astype(np.float64) if metric in codes else None


def _controls(runs: tuple[Run, ...], results: Path) -> dict[tuple[str, str], Path]:
    """The file of the controls of each data set and number of latents, by the data set and what tells it apart."""
    files = {(run.dataset.name, run.network.latents): controls_file(results, run) for run in runs}
    datasets, sizes = ({key[i] for key in files} for i in (0, 1))
    return {
        (name, (f"-{name}" if len(datasets) > 1 else "") + (f"-{size}-latents" if len(sizes) > 1 else "")): file
        for (name, size), file in files.items()
    }


def _absent(folders: Iterable[Path], controls: Iterable[Path], results: Path) -> Iterator[Fault]:
    """Files that were deleted after the evaluation."""
    of_runs = [folder / name for folder in folders for name in (VALIDATION, SCORES, CODES, SENSITIVITY)]
    for file in (*of_runs, *controls):
        if not file.is_file():
            remedy = f"delete {results}/fleets/*-scores.json and start again: what is missing is computed again"
            yield Fault(str(file), Words("no file"), "every run of the study must be evaluated", remedy)


def _run_rows(run: Run, folder: Path) -> Iterator[Row]:
    validation = read_json(folder / VALIDATION, "the scores of the validation rows")["scores"]
    for split, scores in (("validation", validation), ("test", read_json(folder / SCORES, "the scores of a run"))):
        yield from (_row(_head(run, split), metric, score) for metric, score in scores.items())


def _head(run: Run, split: str = "test") -> Row:
    head = {"run": run.id, "dataset": run.dataset.name, "method": run.method, "coverage": run.coverage}
    return {**head, "seed": run.seed, "split": split}


def _row(head: Row, metric: str, score: dict[str, Any]) -> Row:
    return {**head, "metric": metric, **{name: score[name] for name in STORED}}


def _agreement_rows(seeds: list[Run], folders: dict[str, Path]) -> Iterator[Row]:
    scores = agreement_of_seeds([_posterior(folders[run.id]) for run in seeds])
    yield from (_row(_head(run), "udr", score.to_json()) for run, score in zip(seeds, scores, strict=True))


def _posterior(folder: Path) -> tuple[Array, Array]:
    """Posterior means and log variances of the test rows, (N, D) each."""
    with xr.open_dataset(folder / CODES) as codes:
        mean, log_variance = (codes[name].values.astype(np.float64) for name in ("mean", "log_variance"))
    return mean, log_variance


def _control_rows(place: tuple[str, str], file: Path) -> Iterator[Row]:
    """The controls of a data set, on its test rows and with so many latents."""
    dataset, apart = place
    for control, scores in read_json(file, "the scores of controls")["scores"].items():
        head = {
            "run": f"control-{control}{apart}",
            "dataset": dataset,
            "method": "control",
            "coverage": control,
            "seed": 0,
            "split": "test",
        }
        yield from (_row(head, metric, score) for metric, score in scores.items())


def _gathered(folders: dict[str, Path], file: str, variables: list[str] | None) -> xr.Dataset:
    """Variables of a file (all if None) of every run that has any; latents by position, as their names differ."""
    parts = {}
    for run, folder in folders.items():
        with xr.open_dataset(folder / file) as dataset:
            chosen = dataset if variables is None else dataset[[name for name in variables if name in dataset]]
            if chosen.data_vars:
                parts[run] = _by_position(chosen).load().drop_attrs()
    index = pd.Index(list(parts), name="run", dtype=object)  # strings of pandas do not join in xarray
    return xr.concat(list(parts.values()), index, join="outer") if parts else xr.Dataset()


def _by_position(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign_coords(
        {dim: np.arange(1, size + 1) for dim, size in dataset.sizes.items() if dim == "latent"}
    )
