"""How well the codes of a run align with the factors: LDS of posterior means and samples, of given and of all factors.

lds, lds_corrected, rho_...      of means, over the factors of the coverage, or all where there is none
lds_sampled...                   of samples: the mean of an inactive latent correlates with everything and says nothing
lds_all...                       over every factor
own_latent_...                   of means, where the prior of a latent is the distribution of a factor
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auxvae.config.run import Run
from auxvae.data.randomness import normal
from auxvae.metrics.alignment import alignment_scores, informative_scores, own_latent_scores
from auxvae.metrics.posterior import informative_latents
from auxvae.metrics.score import Score
from auxvae.models.model import POINT

Array = NDArray[np.float64]
Codes = NDArray[np.float32]


def posterior_samples(run: Run, mean: Codes, log_variance: Codes) -> Array:
    """One sample of the posterior of each row, (N, D); of a latent without a width its mean."""
    noise = normal(run.seed, "scores", 0, mean.shape).numpy()
    width = np.where((log_variance > POINT).any(0), np.exp(0.5 * log_variance), 0)
    return np.asarray(mean + noise * width, dtype=np.float64)


def aligned_scores(
    run: Run, factors: dict[str, Array], mean: Codes, log_variance: Codes, resamples: int
) -> dict[str, Score]:
    """LDS of means and samples (N, D) for the factors of the coverage (all factors without one) and for all factors."""
    codes, kinds = mean.astype(np.float64), run.dataset.kinds
    sampled = posterior_samples(run, mean, log_variance)
    of_samples = alignment_scores(sampled, factors, run.aux, resamples, kinds)
    scores = {f"lds_sampled{rest}": of_samples[f"lds{rest}"] for rest in ("", "_corrected")}
    scores |= alignment_scores(codes, factors, run.aux, resamples, kinds)
    scores |= own_latent_scores(codes, factors, run.prior_factors, resamples, kinds)
    if run.encoder == "deterministic":  # without a width, no latent can be called informative
        return scores
    return scores | informative_scores(codes, factors, informative_latents(mean, log_variance), resamples, kinds)
