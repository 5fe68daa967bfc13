r"""The paired test of guidance: does what the latents say of an image help a denoiser, at every level of noise?

For N images with K levels each, on the same images, levels and noise (arrays (N, K); auxvae.models.guidance):

    gain_ik     = |eps - eps_theta|^2 - |eps - eps_hat|^2
    gain(l)     = mean over images, a row for each level, in squared units of eps
    gain_nats   = 1/2 int gain dl           nats by which the latents lower the bound of -log p(x); 0 is chance, the
                                            information I(z; x) is the most (auxvae.losses.denoising)
    gain_least  = the least of the lower ends of the 95 % intervals of gain(l): above 0 if guidance helps at every level

Levels of one image share the image: intervals are Student's over images, of which each level has each once. The
integral is by the trapezoid rule over equal steps. The denoiser that judges must not have learned beside the encoder:
one that did is guided by what it taught the encoder.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from auxvae.metrics.score import Score, mean_score, student


class Paired(NamedTuple):
    """gain(l) with its 95 % interval, (K,) each, and the scores over all levels."""

    gain: Float[ndarray, " K"]
    low: Float[ndarray, " K"]
    high: Float[ndarray, " K"]
    nats: Score
    least: Score


def paired(unguided: Float[ndarray, "N K"], guided: Float[ndarray, "N K"], step: float) -> Paired:
    """The test on squared errors of N images at K levels, `step` apart from each other."""
    gains = unguided - guided
    mean, count = gains.mean(0), len(gains)
    half = student(count - 1) * gains.std(0, ddof=1) / math.sqrt(count)
    least = Score(float((mean - half).min()), math.nan, math.nan, count)
    return Paired(mean, mean - half, mean + half, mean_score(0.5 * np.trapezoid(gains, dx=step, axis=1)), least)
