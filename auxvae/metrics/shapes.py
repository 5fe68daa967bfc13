r"""Flux, size and ellipticity of galaxies by adaptive moments, for reconstructions against the truth.

The elliptical Gaussian weight is matched to the moments of the weighted image (Bernstein & Jarvis 2002; Hirata & Seljak
2003, whose code HSM is part of GalSim): with weight w(x) = exp(-1/2 (x - c)' M^-1 (x - c)),

    c <- sum w I x / sum w I,   M <- 2 sum w I (x - c)(x - c)' / sum w I       until convergence

    flux = 2 sum w I,   size = |M|^1/4 in pixels,   e1 = (M_xx - M_yy) / tr M,   e2 = 2 M_xy / tr M

which are those of the image itself if the galaxy is a Gaussian. Equal to GalSim's on noise-free galaxies (a test says
how closely). A weight wider than half the image (size above a quarter) counts as not converged, so that empty or flat
images do not converge. For images against their truth, over those where both converge:

    flux_bias, size_bias           mean of log(image / truth); 0 is good, 0.01 is one per cent
    flux_scatter, size_scatter     standard deviation of the same; 0 is good
    ellipticity_scatter            root of the mean of |e - e_true|^2; 0 is good
    moments_converged              share of the images where both converge; 1 is good
"""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from auxvae.metrics.score import Rows, Score, jackknife, mean_score

Array = NDArray[np.float64]
STEPS, TOLERANCE = 200, 1e-6
AT_A_TIME = 1000  # images, since each needs ten times its size in memory
START = 3.0  # pixels, standard deviation of the first weight


class Shapes(NamedTuple):
    """Moments of images, (N,) each, NaN where they did not converge."""

    flux: Array
    size: Array
    e1: Array
    e2: Array


def shapes(images: Float[ndarray, "N H W"]) -> Shapes:
    """Adaptive moments of images (N, H, W), sizes in pixels, AT_A_TIME images at once."""
    parts = [_shapes(images[start : start + AT_A_TIME]) for start in range(0, len(images), AT_A_TIME)]
    return Shapes(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _shapes(images: Float[ndarray, "N H W"]) -> Shapes:
    counts = images.astype(np.float64)
    state = np.tile([(counts.shape[2] - 1) / 2, (counts.shape[1] - 1) / 2, START**2, 0.0, START**2], (len(counts), 1))
    flux, unconverged, waiting = np.full(len(counts), np.nan), np.arange(len(counts)), counts
    with np.errstate(all="ignore"):
        for _ in range(STEPS):
            before = state[unconverged]
            after, flux[unconverged] = _weighted(waiting, before)
            state[unconverged] = after
            step = np.abs(after - before) / np.sqrt(np.abs(before[:, 2:3] + before[:, 4:5]))
            again = ~(step.max(1) < TOLERANCE) & _valid(after, counts.shape[1:])
            unconverged = unconverged[again]
            if not len(unconverged):
                break
            if not again.all():  # a copy of all images costs a third of a step
                waiting = waiting[again]
        state[unconverged] = np.nan
        state[~_valid(state, counts.shape[1:]) | ~(flux > 0)] = np.nan
    _, _, xx, xy, yy = state.T
    sizes, trace = (xx * yy - xy**2) ** 0.25, xx + yy
    return Shapes(np.where(np.isnan(xx), np.nan, flux), sizes, (xx - yy) / trace, 2 * xy / trace)


def _valid(state: Float[ndarray, "N 5"], sides: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether the centre lies inside the image and the moments are those of a Gaussian no wider than half of it."""
    x, y, xx, xy, yy = state.T
    inside = (x > 0) & (y > 0) & (x < sides[1] - 1) & (y < sides[0] - 1)
    return np.asarray(inside & (xx > 0) & (xx * yy > xy**2) & (xx + yy < max(sides) ** 2 / 8))


def _weighted(images: Float[ndarray, "N H W"], state: Float[ndarray, "N 5"]) -> tuple[Array, Array]:
    """Centre and twice the moments under the weight of a state, (N, 5), and the flux, (N,)."""
    x0, y0, xx, xy, yy = state.T
    powers = _powers(*images.shape[1:])
    a, b, c = (each / (xx * yy - xy * xy) for each in (yy, xy, xx))  # of the inverse matrix (a, -b; -b, c)
    constant = a * x0 * x0 - 2 * b * x0 * y0 + c * y0 * y0
    form = np.stack([constant, 2 * (b * y0 - a * x0), 2 * (b * x0 - c * y0), a, -2 * b, c], 1)
    weighted = (-0.5 * form) @ powers
    np.exp(weighted, out=weighted)  # in place: new arrays of this size cost as much as the arithmetic
    weighted *= images.reshape(len(images), -1)
    total, x, y, *moments = (weighted @ powers.T).T
    x, y = x / total, y / total
    second = [2 * (raw / total - shift) for raw, shift in zip(moments, (x * x, x * y, y * y), strict=True)]
    return np.stack([2 * x - x0, 2 * y - y0, *second], 1), 2 * total


@lru_cache(4)
def _powers(height: int, width: int) -> Float[ndarray, "6 P"]:
    """1, x, y, x^2, x y and y^2 of every pixel."""
    y, x = (each.ravel().astype(np.float64) for each in np.indices((height, width)))
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y])


def shape_scores(measured: Shapes, true: Shapes) -> dict[str, Score]:
    """Biases and scatters of the moments of images against those of their truth, and the share that converges."""
    both = np.isfinite(measured.size) & np.isfinite(true.size)
    scores = {"moments_converged": mean_score(both.astype(np.float64))}
    if both.sum() < 2:
        return scores
    for name, a, b in (("flux", measured.flux, true.flux), ("size", measured.size, true.size)):
        ratio = np.log(a[both] / b[both])
        scores[f"{name}_bias"] = mean_score(ratio)
        scores[f"{name}_scatter"] = jackknife(partial(_scatter, ratio), len(ratio))
    squared = ((measured.e1 - true.e1) ** 2 + (measured.e2 - true.e2) ** 2)[both]
    scores["ellipticity_scatter"] = jackknife(lambda rows: math.sqrt(squared[rows].mean()), len(squared))
    return scores


def _scatter(values: Array, rows: Rows) -> float:
    return float(values[rows].std(ddof=1))
