"""How far the images that a model draws are from those of the data, as two sets.

sample_distance        sliced 2-Wasserstein distance (auxvae.metrics.interventions) of images of the model and of
                       noise-free test images, IMAGES of each at most; of galaxies on asinh(c / 10)
sample_distance_floor  the score of a perfect model with as many images

A model that knows contexts draws as many images of each as the test rows have. Absent where the store has no noise-free
images: a model draws none with noise.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from auxvae.analysis.model import TrainedModel
from auxvae.data.store import Store
from auxvae.metrics.images import asinh_scale
from auxvae.metrics.interventions import distance_score, projected, sliced_floor, unit_directions
from auxvae.metrics.score import Score, evenly

IMAGES = 1024
SEED = 0  # of directions and halves, for all runs


def sample_scores(store: Store, model: TrainedModel) -> dict[str, Score]:
    """Distance and floor of a model that decodes."""
    truth = model.rows.images if store.is_noiseless else model.rows.truth
    if truth is None or not model.can_decode or len(truth) < 2:
        return {}
    rows = evenly(len(truth), IMAGES)
    scale = asinh_scale if store.holds_galaxies else np.asarray
    directions = unit_directions(truth[0].numel(), SEED)
    data, drawn = (
        projected(scale(np.asarray(each, dtype=np.float64)), directions)
        for each in (truth[torch.from_numpy(rows)], _drawn(model, model.rows.context[rows]))
    )
    floor = Score(sliced_floor(data, SEED), np.nan, np.nan, len(data))
    return {"sample_distance": distance_score(drawn, data), "sample_distance_floor": floor}


def _drawn(model: TrainedModel, context: NDArray[np.intp]) -> NDArray[np.float32]:
    """An image of the model for each of these rows, (N, C, H, W)."""
    if not model.run.concepts:
        return model.sample_counts(len(context))
    drawn = model.sample_counts(len(context), int(context[0]))
    for k in np.unique(context):  # each from all, since a model's images have the same latents in every context
        drawn[context == k] = model.sample_counts(len(context), int(k))[context == k]
    return drawn
