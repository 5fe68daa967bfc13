"""Codes whose scores are known beforehand, measured on the same test rows as the runs of a study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import xarray as xr

from auxvae.config.run import Run
from auxvae.metrics.alignment import alignment_scores, control_codes
from auxvae.metrics.score import Score
from auxvae.metrics.suite import study_scores


def controls(runs: tuple[Run, ...], results: Path, resamples: int) -> Iterator[tuple[str, str, str, Score]]:
    """Data set, name of the control, metric and score, for each data set with as many latents as its last run."""
    for run in {run.dataset.name: run for run in runs}.values():
        with xr.open_dataset(results / "runs" / run.id / "codes.nc") as codes:
            values, names = codes["factors"].values, [str(name) for name in codes["factor"].values]
        factors = dict(zip(names, values.T, strict=True))
        for control, z in control_codes(values, run.network.latents).items():
            scores = alignment_scores(z, factors, (), resamples) | study_scores(z, z, factors, resamples)
            for metric, score in scores.items():
                yield run.dataset.name, control, metric, score
