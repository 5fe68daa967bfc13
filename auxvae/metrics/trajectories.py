r"""Straightness of latent trajectories: whether the codes of successive images of a film lie on a straight line.

With z_t the code of image t of a film and v_t = z_{t+1} - z_t (Henaff, Goris & Simoncelli, Nature Neuroscience 2019):

    straightness = mean cos(v_t, v_{t+1})        [-1, 1], 1 is straight, noise scores -1/2
    curvature    = mean angle of v_t, v_{t+1}    degrees, 0 is straight

Latents are standardised over all films. The baseline is the straightness of the pixels. Steps of length 0 are left out,
and films without any other.
The interval is that of the mean over films.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from auxvae.metrics.score import Score, mean_score
from auxvae.metrics.standardise import standard
from foundation.faults import Fault, Refused, Words


def straightness(films: Float[ndarray, "B T D"]) -> Score:
    """Mean cosine of successive steps of films (B, T, D), T at least 3."""
    return mean_score(_means(_cosines(films)))


def curvature(films: Float[ndarray, "B T D"]) -> Score:
    """Mean angle of successive steps of films (B, T, D), degrees."""
    return mean_score(_means(np.degrees(np.arccos(_cosines(films).clip(-1, 1)))))


def turns(films: Float[ndarray, "B T D"]) -> bool:
    """Whether any film has two successive steps of some length."""
    return bool(films.size) and not np.isnan(_cosines(films)).all()


def _means(cosines: Float[ndarray, "B S"]) -> Float[ndarray, " K"]:
    """Mean over the turns of each film that has any; refused if none has."""
    moving = cosines[~np.isnan(cosines).all(1)]
    if not len(moving):
        text = "a turn is made of two steps of some length"
        raise Refused(Fault("films", Words("films that never turn"), text, "leave films out, or give others"))
    return np.asarray(np.nanmean(moving, 1))


def _cosines(films: Float[ndarray, "B T D"]) -> Float[ndarray, "B S"]:
    """Cosines of the S = T - 2 turns of every film."""
    flat = standard(films.reshape(-1, films.shape[-1]).astype(np.float64)).reshape(films.shape)
    steps = np.diff(flat, axis=1)
    length = np.linalg.norm(steps, axis=-1)
    product = (steps[:, 1:] * steps[:, :-1]).sum(-1)
    scale = length[:, 1:] * length[:, :-1]
    return np.asarray(np.divide(product, scale, out=np.full_like(product, np.nan), where=scale > 0))
