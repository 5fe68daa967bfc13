"""The study as two files: every score of every run in one tidy table, every matrix and curve in one labelled data set.

    scores.parquet  run, dataset, method, coverage, seed, split, metric, value, low, high, se, n
                    one row per run x split x metric; `split` is `validation` or `test`
    analysis.nc     rho (run, latent, factor), drop (run, block, scale, measure, bound), latent_nats (run, latent),
                    spread and prior_spread (run, latent, quantile), contrast (pair, metric, bound), difference
                    (comparison, score, statistic), best (dataset, marked), fresh (choice, bound), candidate_...
                    (auxvae.analysis.candidates), downstream (run, labels, factor, bound)

Controls are rows of the method `control`, on test rows. Of the candidates of `select` there are only those that were
chosen; selection.json holds the others. What a run lacks is absent: a model that does not decode has no `drop`.
Nothing is computed here: the evaluation, auxvae.analysis.agreement, best, candidates, contrasts,
differences, fresh and spread do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from auxvae.analysis.agreement import agreement_of_seeds, seeds_of_a_method
from auxvae.analysis.best import best_labels
from auxvae.analysis.candidates import candidates
from auxvae.analysis.contrasts import contrasts
from auxvae.analysis.differences import differences
from auxvae.analysis.files import (
    CODES,
    DOWNSTREAM,
    SCORES,
    SENSITIVITY,
    VALIDATION,
    baselines_file,
    controls_file,
)
from auxvae.analysis.fresh import fresh_values
from auxvae.analysis.selection import with_first_weights
from auxvae.analysis.spread import codes_spread
from auxvae.config.candidates import Pair
from auxvae.config.choices import Choice
from auxvae.config.labels import labels, variants
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
    pairs: Sequence[Pair] = (),
) -> None:
    """Write scores.parquet and analysis.nc from the folders of the runs and the controls of their data sets.

    choices: those by which runs among these were chosen. families: one name for all data sets that differ in their seed
    alone. pairs: runs that say whether a candidate is new.
    """
    folders = {run.id: results / "runs" / run.id for run in runs}
    controls = _controls(runs, results)
    if faults := list(_absent(folders.values(), controls.values(), results)):
        raise Refused(faults)
    rows = [row for run in runs for row in _run_rows(run, folders[run.id])]
    rows += [row for seeds in seeds_of_a_method(runs) for row in _agreement_rows(seeds, folders)]
    rows += [row for item in controls.items() for row in _control_rows(*item)]
    baselines = {place: file for place, file in _controls(runs, results, baselines_file).items() if file.is_file()}
    rows += [row for item in baselines.items() for row in _control_rows(*item)]
    scores = pd.DataFrame(rows)
    with atomic_write(results / "scores.parquet") as part:
        scores.to_parquet(part, index=False)
    matrices, drops = _gathered(folders, CODES, ["rho"]), _gathered(folders, SENSITIVITY, None)
    spreads = _spreads(runs, folders)
    compared = _compared(scores, runs, choices, folders, families or {})
    judged = candidates(pairs, scores[scores["split"] == "test"], results)
    with atomic_write(results / "analysis.nc") as part:
        curves = _curves({run: folder / DOWNSTREAM for run, folder in folders.items()}, baselines)
        parts = [matrices, drops, spreads, *compared, fresh_values(choices, results), judged, curves]
        xr.merge(parts, join="outer").to_netcdf(part)


def _compared(
    scores: pd.DataFrame,
    runs: tuple[Run, ...],
    choices: tuple[Choice, ...],
    folders: dict[str, Path],
    families: Mapping[str, str],
) -> tuple[xr.Dataset, ...]:
    """Contrasts of coverages, differences of methods and coverages, whatever weights were chosen, and what is best."""
    differing = variants(with_first_weights(runs, choices)).values()
    varied = {run.id: words for run, words in zip(runs, differing, strict=True)}
    tested, sizes = scores[scores["split"] == "test"], {run.coverage: len(run.aux) for run in runs}
    of_coverages = contrasts(tested, varied, sizes, lambda run, metric: _of_images(folders[run], metric))
    return of_coverages, differences(tested, runs, varied, families), best_labels(tested, labels(runs))


def _of_images(folder: Path, metric: str) -> Array | None:
    """The value of a score for each test image of a run; None where the score is no mean over images."""
    with xr.open_dataset(folder / CODES) as codes:
        return codes[metric].values.astype(np.float64) if metric in codes else None


def _curves(of_runs: dict[str, Path], baselines: dict[tuple[str, str], Path]) -> xr.Dataset:
    """The curves of the downstream analysis, of runs and of baselines, where there are any."""
    parts = {}
    for run, file in of_runs.items():
        if file.is_file():
            with xr.open_dataset(file) as curves:
                parts[run] = curves.load()
    for (_, apart), file in baselines.items():
        with xr.open_dataset(file.with_suffix(".nc")) as curves:
            parts |= {f"control-{name}{apart}": curves.sel(run=name, drop=True).load() for name in curves["run"].values}
    parts = {run: curves for run, curves in parts.items() if curves.data_vars}
    index = pd.Index(list(parts), name="run", dtype=object)
    return xr.concat(list(parts.values()), index, join="outer") if parts else xr.Dataset()


def _controls(
    runs: tuple[Run, ...], results: Path, file_of: Callable[[Path, Run], Path] = controls_file
) -> dict[tuple[str, str], Path]:
    """The file of the controls of each data set and number of latents, by the data set and what tells it apart."""
    files = {(run.dataset.name, run.network.latents): file_of(results, run) for run in runs}
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
    return _joined(parts)


def _joined(parts: dict[str, xr.Dataset]) -> xr.Dataset:
    index = pd.Index(list(parts), name="run", dtype=object)  # strings of pandas do not join in xarray
    return xr.concat(list(parts.values()), index, join="outer") if parts else xr.Dataset()


def _spreads(runs: tuple[Run, ...], folders: dict[str, Path]) -> xr.Dataset:
    """What each latent of every run holds, and how it is spread beside its prior."""
    parts = {}
    for run in runs:
        with xr.open_dataset(folders[run.id] / CODES) as codes:
            parts[run.id] = _by_position(codes_spread(run, codes)).load()
    return _joined(parts)


def _by_position(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign_coords(
        {dim: np.arange(1, size + 1) for dim, size in dataset.sizes.items() if dim == "latent"}
    )
