r"""Flux, size and ellipticity of galaxies by adaptive moments: what an astronomer asks of a reconstruction.

The elliptical Gaussian weight that has the moments of the image which it weighs (Bernstein & Jarvis 2002; Hirata &
Seljak 2003, whose program HSM is in GalSim): with weight w(x) = exp(-1/2 (x - c)' M^-1 (x - c)),

    c <- sum w I x / sum w I,   M <- 2 sum w I (x - c)(x - c)' / sum w I       until nothing moves

    flux = 2 sum w I,   size = |M|^1/4 in pixels,   e1 = (M_xx - M_yy) / tr M,   e2 = 2 M_xy / tr M

that of the image where the galaxy is a Gaussian. Equal to GalSim's on noise-free galaxies (a test says how closely).
A weight wider than half the image (its size a quarter) is none: an empty or even image does not converge. Of images
against their truth, over those where both converge:

    flux_bias, size_bias           mean of log(made / true); 0 is good, 0.01 is a per cent
    flux_scatter, size_scatter     standard deviation of the same; 0 is good
    ellipticity_scatter            root of the mean of |e - e_true|^2; 0 is good
    moments_converged              share of the images where both converge; 1 is good
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from auxvae.metrics.score import Rows, Score, jackknife, mean_score

Array = NDArray[np.float64]
STEPS, STILL = 200, 1e-6
AT_A_TIME = 1000  # images
START = 3.0  # pixels, standard deviation of the first weight


class Shapes(NamedTuple):
    """Moments of images, (N,) each, NaN where they did not converge."""

    flux: Array
    size: Array
    e1: Array
    e2: Array


def shapes(images: Float[ndarray, "N H W"]) -> Shapes:
    """Adaptive moments of images (N, H, W), sizes in pixels; so many at a time, since each takes ten times its room."""
    parts = [_shapes(images[start : start + AT_A_TIME]) for start in range(0, len(images), AT_A_TIME)]
    return Shapes(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _shapes(images: Float[ndarray, "N H W"]) -> Shapes:
    counts = images.astype(np.float64)
    state = np.tile([(counts.shape[2] - 1) / 2, (counts.shape[1] - 1) / 2, START**2, 0.0, START**2], (len(counts), 1))
    flux, moving = np.full(len(counts), np.nan), np.arange(len(counts))
    with np.errstate(all="ignore"):
        for _ in range(STEPS):
            told, seen = _weighed(counts[moving], state[moving])
            step = np.abs(told - state[moving]) / np.sqrt(np.abs(state[moving, 2:3] + state[moving, 4:5]))
            state[moving], flux[moving] = told, seen
            moving = moving[~(step.max(1) < STILL) & _sound(told, counts.shape[1:])]
            if not len(moving):
                break
        state[moving] = np.nan
        state[~_sound(state, counts.shape[1:]) | ~(flux > 0)] = np.nan
    _, _, xx, xy, yy = state.T
    sizes, trace = (xx * yy - xy**2) ** 0.25, xx + yy
    return Shapes(np.where(np.isnan(xx), np.nan, flux), sizes, (xx - yy) / trace, 2 * xy / trace)


def _sound(state: Float[ndarray, "N 5"], sides: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether centre and moments are those of something inside the image, no wider than half of it."""
    x, y, xx, xy, yy = state.T
    inside = (x > 0) & (y > 0) & (x < sides[1] - 1) & (y < sides[0] - 1)
    return np.asarray(inside & (xx > 0) & (xx * yy > xy**2) & (xx + yy < max(sides) ** 2 / 8))


def _weighed(images: Float[ndarray, "N H W"], state: Float[ndarray, "N 5"]) -> tuple[Array, Array]:
    """Centre and twice the moments under the weight of a state, (N, 5), and the flux, (N,)."""
    x0, y0, xx, xy, yy = (column[:, None, None] for column in state.T)
    x, y = np.arange(images.shape[2])[None, None] - x0, np.arange(images.shape[1])[None, :, None] - y0
    weighed = images * np.exp(-0.5 * (yy * x * x - 2 * xy * x * y + xx * y * y) / (xx * yy - xy * xy))
    total = weighed.sum((1, 2))
    dx, dy, *moments = ((weighed * of).sum((1, 2)) / total for of in (x, y, x * x, x * y, y * y))
    second = [2 * (both - apart) for both, apart in zip(moments, (dx * dx, dx * dy, dy * dy), strict=True)]
    return np.stack([state[:, 0] + 2 * dx, state[:, 1] + 2 * dy, *second], 1), 2 * total


def shape_scores(made: Float[ndarray, "N H W"], true: Float[ndarray, "N H W"]) -> dict[str, Score]:
    """Biases and scatters of images (N, H, W) against their truth, and how many could be measured."""
    one, two = shapes(made), shapes(true)
    both = np.isfinite(one.size) & np.isfinite(two.size)
    scores = {"moments_converged": mean_score(both.astype(np.float64))}
    if both.sum() < 2:
        return scores
    for name, a, b in (("flux", one.flux, two.flux), ("size", one.size, two.size)):
        ratio = np.log(a[both] / b[both])
        scores[f"{name}_bias"] = mean_score(ratio)
        scores[f"{name}_scatter"] = jackknife(partial(_scatter, ratio), len(ratio))
    apart = ((one.e1 - two.e1) ** 2 + (one.e2 - two.e2) ** 2)[both]
    scores["ellipticity_scatter"] = jackknife(lambda rows: math.sqrt(apart[rows].mean()), len(apart))
    return scores


def _scatter(values: Array, rows: Rows) -> float:
    return float(values[rows].std(ddof=1))
