"""The negative evidence lower bound of a run, in nats per image, by which models of different weights are compared.

    bound = E_q(z|x)[-log p(x|z)] + KL(q(z|x) || p(z|u))            Kingma & Welling, arXiv:1312.6114, eq. 2 and 3

    bits_per_pixel = bound / (H W ln 2)        of the Bernoulli likelihood; channels count as one pixel
                                               arXiv:2507.04754, which calls it BPD

The two are the terms `reconstruction` and `kl` of the loss at the end of the training, without their weights: one
sample of the posterior for each image, and the prior that the run is trained with, that of its auxiliary latents too.
Terms are means over a batch, so that the interval is Student's t over parts of the rows, of a batch's size each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from auxvae.analysis.model import TrainedModel
from auxvae.analysis.score_bound import score_bound
from auxvae.metrics.score import Score

PARTS = ("reconstruction", "kl")


def bound_scores(model: TrainedModel) -> dict[str, Score]:
    """The bound over the rows of a model; empty for a method without both terms that is not score-based."""
    if model.run.composition.family == "score":
        score = score_bound(model)
        return {} if score is None else {"bound": score}
    if not {*PARTS} <= {*model.run.terms}:
        return {}
    rows = np.arange(len(model.rows.images))
    parts = np.array_split(rows, max(1, len(rows) // model.run.training.batch))
    values = np.array([sum(terms[name] for name in PARTS) for terms in model.terms(parts)])
    return {"bound": _mean(values, np.array([len(part) for part in parts]))}


def bits_per_pixel(model: TrainedModel, scores: Mapping[str, Score]) -> dict[str, Score]:
    """Bound and floor of a run on images in [0, 1] in bits per pixel; the floor is that of the reconstruction alone.

    The entropy of pixels between 0 and 1 is no fault of a model: read the excess over the floor.
    """
    if model.run.settings.likelihood != "bernoulli":
        return {}
    height, width = model.rows.images.shape[-2:]
    of = {"bits_per_pixel": "bound", "bits_per_pixel_floor": "nats_floor"}
    scale = 1 / (height * width * math.log(2))
    return {bits: _scaled(scores[nats], scale) for bits, nats in of.items() if nats in scores}


def _scaled(score: Score, scale: float) -> Score:
    value, low, high, se = (each * scale for each in (score.value, score.low, score.high, score.se))
    return Score(value, low, high, score.n, se=se)


def _mean(values: NDArray[np.float64], sizes: NDArray[np.intp]) -> Score:
    """Mean over rows of the means (P,) over parts of these sizes; without an interval for one part."""
    mean, count, half = float(np.average(values, weights=sizes)), len(values), math.nan
    if count > 1:
        half = float(stdtrit(count - 1, 0.975) * np.std(values, ddof=1)) / math.sqrt(count)
    return Score(mean, mean - half, mean + half, int(sizes.sum()))
