"""The study as two files: every score of every run in one tidy table, every matrix and curve in one labelled data set.

    scores.parquet  run, dataset, method, coverage, seed, metric, value, low, high, n         one row per run x metric
    analysis.nc     rho (run, latent, factor), drop (run, block, scale, measure, bound), contrast (pair, metric, bound)

Controls stand among the scores as runs of the method `control`: codes whose alignment is known beforehand. A contrast
is a metric at one coverage minus the same at the largest, seed by seed: with one seed its interval adds the two
intervals in quadrature, with more it is Student's t over the seeds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from auxvae.config.labels import labels, variants
from auxvae.config.run import Run
from auxvae.metrics.aggregate import divergence
from auxvae.metrics.agreement import udr
from auxvae.metrics.alignment import alignment_scores, control_codes
from auxvae.metrics.score import Score
from auxvae.metrics.suite import study_scores
from foundation.files import atomic_write, read_json

Row = dict[str, Any]
CONTRASTED = ("lds_corrected", "lds_all_corrected", "ssim_asinh", "nats")


def collect(chosen: tuple[Run, ...], results: Path, resamples: int) -> None:
    """Write scores.parquet and analysis.nc from the folders of the runs."""
    rows = [row for run in chosen for row in _scores(run, results / "runs" / run.id)]
    rows += [row for alike in _seeds(chosen) for row in _agreement(alike, results)]
    rows += [row for dataset in _one_per_dataset(chosen) for row in _controls(dataset, results, resamples)]
    scores = pd.DataFrame(rows)
    with atomic_write(results / "scores.parquet") as part:
        scores.to_parquet(part, index=False)
    analysis = xr.merge([_matrices(chosen, results), _drops(chosen, results), contrasts(scores, variants(chosen))])
    with atomic_write(results / "analysis.nc") as part:
        analysis.to_netcdf(part)


def _scores(run: Run, folder: Path) -> Iterator[Row]:
    for metric, score in read_json(folder / "scores.json", "the scores of a run").items():
        yield _row(run, metric, score)


def _row(run: Run, metric: str, score: dict[str, Any]) -> Row:
    head = {"run": run.id, "dataset": run.dataset.name, "method": run.method, "coverage": run.coverage}
    return {**head, "seed": run.seed, "metric": metric, **{name: score[name] for name in Score._fields[:4]}}


def _seeds(chosen: tuple[Run, ...]) -> list[list[Run]]:
    """Runs that differ in their seed alone, where there are two or more."""
    alike: dict[str, list[Run]] = {}
    for run, label in zip(chosen, labels(chosen).values(), strict=True):
        alike.setdefault(label, []).append(run)
    return [runs for runs in alike.values() if len(runs) > 1]


def _agreement(alike: list[Run], results: Path) -> Iterator[Row]:
    """UDR of every seed among the others, of posterior means."""
    codes, nats = [], []
    for run in alike:
        with xr.open_dataset(results / "runs" / run.id / "codes.nc") as file:
            mean, log_variance = (file[name].values.astype(np.float64) for name in ("mean", "log_variance"))
        codes.append(mean)
        nats.append(divergence(mean, log_variance).mean(0))
    for run, score in zip(alike, udr(codes, nats), strict=True):
        yield _row(run, "udr", score.to_json())


def _one_per_dataset(chosen: tuple[Run, ...]) -> list[Run]:
    return list({run.dataset.name: run for run in chosen}.values())


def _controls(run: Run, results: Path, resamples: int) -> Iterator[Row]:
    """The suite of known codes on the same test rows."""
    with xr.open_dataset(results / "runs" / run.id / "codes.nc") as codes:
        values, names = codes["factors"].values, [str(n) for n in codes["factor"].values]
    factors = dict(zip(names, values.T, strict=True))
    for control, known in control_codes(values, run.network.latents).items():
        head = {"run": f"control-{control}", "dataset": run.dataset.name, "method": "control", "coverage": control}
        measured = alignment_scores(known, factors, (), resamples) | study_scores(known, known, factors, resamples)
        for metric, score in measured.items():
            yield {**head, "seed": 0, "metric": metric, **{name: score.to_json()[name] for name in Score._fields[:4]}}


def _matrices(chosen: tuple[Run, ...], results: Path) -> xr.Dataset:
    """Correlation matrices of all runs; latents by position, since their names differ from run to run."""
    found = []
    for run in chosen:
        with xr.open_dataset(results / "runs" / run.id / "codes.nc") as codes:
            found.append(_by_position(codes[["rho"]]).load())
    return xr.concat(found, pd.Index([run.id for run in chosen], name="run"), join="outer")


def _drops(chosen: tuple[Run, ...], results: Path) -> xr.Dataset:
    found = []
    for run in chosen:
        with xr.open_dataset(results / "runs" / run.id / "sensitivity.nc") as drops:
            found.append(_by_position(drops).load().drop_attrs())
    return xr.concat(found, pd.Index([run.id for run in chosen], name="run"), join="outer")


def _by_position(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign_coords(latent=np.arange(1, dataset.sizes["latent"] + 1))


def contrasts(scores: pd.DataFrame, varied: dict[str, str]) -> xr.Dataset:
    """Differences of the main metrics between each coverage and the first, per data set, method and variant of it."""
    scores = scores.assign(variant=scores["run"].map(lambda run: varied.get(run, "")))
    told = scores[(scores["coverage"] != "") & (scores["method"] != "control")]
    rows = []
    for (dataset, method, variant), group in told.groupby(["dataset", "method", "variant"], sort=False):
        base, *others = group["coverage"].unique()
        for other, metric in itertools.product(others, CONTRASTED):
            one = group[(group["coverage"] == other) & (group["metric"] == metric)]
            two = group[(group["coverage"] == base) & (group["metric"] == metric)]
            rows.append((f"{dataset} {method}{variant}: {other} - {base}", metric, *_difference(one, two)))
    table = pd.DataFrame(rows, columns=["pair", "metric", "mean", "low", "high"]).set_index(["pair", "metric"])
    return xr.Dataset({"contrast": table.to_xarray().to_dataarray("bound")}) if rows else xr.Dataset()


def _difference(one: pd.DataFrame, two: pd.DataFrame) -> tuple[float, float, float]:
    paired = one.merge(two, on="seed", suffixes=("_one", "_two"))
    differences = (paired["value_one"] - paired["value_two"]).to_numpy()
    mean, n = float(np.mean(differences)), len(differences)
    if n > 1:
        half = float(stats.t.ppf(0.975, n - 1) * np.std(differences, ddof=1) / np.sqrt(n))
    else:
        spans = [(paired[f"high_{k}"] - paired[f"low_{k}"]).to_numpy() / 2 for k in ("one", "two")]
        half = float(np.hypot(*spans)[0])
    return mean, mean - half, mean + half
