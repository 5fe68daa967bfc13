"""How well the seeds of one method agree: the UDR of each run among those that differ from it in their seed alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from auxvae.config.labels import labels
from auxvae.config.run import Run
from auxvae.metrics.agreement import udr
from auxvae.metrics.posterior import divergence
from auxvae.metrics.score import Score

Array = NDArray[np.float64]


def agreement(runs: tuple[Run, ...], results: Path) -> Iterator[tuple[Run, str, Score]]:
    """The score `udr` of every run that has others of its kind, from the posterior means of the test rows."""
    for seeds in seeds_of_one_kind(runs):
        posteriors = [_posterior(run, results) for run in seeds]
        means, nats = [mean for mean, _ in posteriors], [divergence(*each).mean(0) for each in posteriors]
        for run, score in zip(seeds, udr(means, nats), strict=True):
            yield run, "udr", score


def seeds_of_one_kind(runs: tuple[Run, ...]) -> list[list[Run]]:
    """Runs that differ in their seed alone, where there are two or more."""
    by_label: dict[str, list[Run]] = {}
    for run, label in zip(runs, labels(runs).values(), strict=True):
        by_label.setdefault(label, []).append(run)
    return [seeds for seeds in by_label.values() if len(seeds) > 1]


def _posterior(run: Run, results: Path) -> tuple[Array, Array]:
    """Posterior means and log variances of the test rows, each (N, d_Z)."""
    with xr.open_dataset(results / "runs" / run.id / "codes.nc") as file:
        mean, log_variance = (file[name].values.astype(np.float64) for name in ("mean", "log_variance"))
    return mean, log_variance
