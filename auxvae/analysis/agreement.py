"""How well the seeds of one method agree: the UDR of each run among those that differ from it in their seed alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from auxvae.config.labels import labels
from auxvae.config.run import Run
from auxvae.metrics.aggregate import divergence
from auxvae.metrics.agreement import udr
from auxvae.metrics.score import Score


def agreement(runs: tuple[Run, ...], results: Path) -> Iterator[tuple[Run, str, Score]]:
    """The score `udr` of every run that has others of its kind, from the posterior means of the test rows."""
    for alike in seeds_of_one_kind(runs):
        codes = [_codes(run, results) for run in alike]
        means, nats = [mean for mean, _ in codes], [divergence(*each).mean(0) for each in codes]
        for run, score in zip(alike, udr(means, nats), strict=True):
            yield run, "udr", score


def seeds_of_one_kind(runs: tuple[Run, ...]) -> list[list[Run]]:
    """Runs that differ in their seed alone, where there are two or more."""
    alike: dict[str, list[Run]] = {}
    for run, label in zip(runs, labels(runs).values(), strict=True):
        alike.setdefault(label, []).append(run)
    return [several for several in alike.values() if len(several) > 1]


def _codes(run: Run, results: Path) -> tuple[np.ndarray, np.ndarray]:
    """Posterior means and log variances of the test rows, each (N, d_Z)."""
    with xr.open_dataset(results / "runs" / run.id / "codes.nc") as file:
        mean, log_variance = (file[name].values.astype(np.float64) for name in ("mean", "log_variance"))
    return mean, log_variance
