"""Controls: codes whose scores are known in advance, scored on the same test rows as the runs of a study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from auxvae.config.run import Run
from auxvae.metrics.alignment import alignment_scores, standard
from auxvae.metrics.score import Score
from auxvae.metrics.suite import study_scores

Array = NDArray[np.float64]


def controls(runs: tuple[Run, ...], results: Path, resamples: int) -> Iterator[tuple[str, str, str, Score]]:
    """Data set, name of the control, metric and score, for each data set with as many latents as its last run."""
    for run in {run.dataset.name: run for run in runs}.values():
        with xr.open_dataset(results / "runs" / run.id / "codes.nc") as codes:
            values, names = codes["factors"].values, [str(name) for name in codes["factor"].values]
            latents = codes.sizes["latent"]
        factors = dict(zip(names, values.T, strict=True))
        for control, z in control_codes(values, latents).items():
            scores = alignment_scores(z, factors, (), resamples) | study_scores(z, z, factors, resamples)
            for metric, score in scores.items():
                yield run.dataset.name, control, metric, score


def control_codes(factors: Array, latents: int) -> dict[str, Array]:
    """Codes (N, latents) of factors (N, F), by name.

    identity: the factors, then noise. noise: noise alone. duplicated: every factor twice. rotated: the standardised
    factors under a random rotation, which keeps all information and no axis.
    """
    source = np.random.Generator(np.random.Philox(key=1))
    columns = standard(factors)
    noise = source.standard_normal((len(factors), latents))
    rotation, _ = np.linalg.qr(source.standard_normal((factors.shape[1],) * 2))
    bare = {"identity": columns, "duplicated": np.hstack([columns, columns]), "rotated": columns @ rotation}
    padded = {name: np.hstack([codes, noise])[:, : max(latents, codes.shape[1])] for name, codes in bare.items()}
    return {**padded, "noise": noise}
