"""How well the seeds of one method agree: UDR of runs that differ in their seed alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auxvae.config.labels import labels
from auxvae.config.run import Run
from auxvae.metrics.agreement import udr
from auxvae.metrics.posterior import divergence
from auxvae.metrics.score import Score

Array = NDArray[np.float64]


def seeds_of_a_method(runs: tuple[Run, ...]) -> list[list[Run]]:
    """Groups of two or more runs that differ in their seed alone."""
    by_label: dict[str, list[Run]] = {}
    for run, label in zip(runs, labels(runs).values(), strict=True):
        by_label.setdefault(label, []).append(run)
    return [seeds for seeds in by_label.values() if len(seeds) > 1]


def agreement_of_seeds(posteriors: list[tuple[Array, Array]]) -> list[Score]:
    """UDR of each seed among the others, from posterior means and log variances (N, D) of the same rows."""
    nats = [divergence(mean, log_variance).mean(0) for mean, log_variance in posteriors]
    return udr([mean for mean, _ in posteriors], nats)
