"""The swap test of a trained run: one block of the code taken from another test galaxy, decoded, and measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auxvae.analysis.model import TrainedModel
from auxvae.data.randomness import normal
from auxvae.metrics.score import Score
from auxvae.metrics.shapes import Shapes, shapes
from auxvae.metrics.swap import swap_scores

Codes = NDArray[np.float32]
GALAXIES = 1024  # at most: moments take a third of a millisecond each


def swap(model: TrainedModel, is_galaxy: bool) -> dict[str, Score]:
    """The scores of auxvae.metrics.swap; none where there are no two blocks, no decoder, or no galaxies to measure."""
    count, latents = model.run.aux_latents, model.run.network.latents
    if not (is_galaxy and model.can_decode and 0 < count < latents):
        return {}
    codes, others = _pairs(model)
    is_aux = np.arange(latents) < count
    whole = _measured(model, codes)
    with_recon, with_aux = (_measured(model, np.where(swapped, others, codes)) for swapped in (~is_aux, is_aux))
    return swap_scores("swap_recon", whole, with_recon) | swap_scores("swap_aux", whole, with_aux)


def _pairs(model: TrainedModel) -> tuple[Codes, Codes]:
    """Samples of the posterior of test galaxies, (N, D), and those of another galaxy for each."""
    mean, log_variance = (each[:GALAXIES] for each in model.encode())
    source = normal(model.run.seed, "swap", 0, mean.shape).numpy()
    codes = np.asarray(mean + source * np.exp(0.5 * log_variance), dtype=np.float32)
    order = np.random.Generator(np.random.Philox(key=(model.run.seed, len(codes)))).permutation(len(codes))
    others = np.empty_like(codes)
    others[order] = codes[np.roll(order, 1)]  # a cycle: nobody gets the same one again
    return codes, others


def _measured(model: TrainedModel, codes: Codes) -> Shapes:
    """Moments of the images decoded from codes, in photons."""
    return shapes(model.decode_counts(codes)[:, 0].astype(np.float64))
