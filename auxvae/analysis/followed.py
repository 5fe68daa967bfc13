"""Whether auxiliary latents follow the measurements of the data set or the true factors (auxvae.metrics.followed).

For every factor of the coverage that the data set measures, whether the run was given the measurement or the truth;
in shares of the factor's range, as the latents are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auxvae.analysis.model import TrainedModel
from auxvae.data.measured import in_shares
from auxvae.metrics.followed import followed_scores
from auxvae.metrics.score import Score


def followed(model: TrainedModel, mean: NDArray[np.float32], resamples: int) -> dict[str, Score]:
    """Scores followed_FACTOR and measured_FACTOR of posterior means (N, D); none without auxiliary latents."""
    run, scores = model.run, dict[str, Score]()
    latents = run.variables[: run.aux_latents]
    for each in run.dataset.measurements:
        if each.of == each.name or each.of not in latents:
            continue
        true = model.rows.aux((each.of,), model.scaling)[:, 0].double().numpy()
        measured, _ = in_shares(each, model.rows.measured, model.scaling)
        latent = mean[:, latents.index(each.of)].astype(np.float64)
        of_factor = followed_scores(latent, true, measured, resamples)
        scores |= {f"{name}_{each.of}": score for name, score in of_factor.items()}
    return scores
