r"""Similarity of pairs of images, many at once: structural similarity (Wang et al. 2004), MSE and PSNR.

    SSIM = mean over windows of (2 m_x m_y + C1)(2 s_xy + C2) / ((m_x^2 + m_y^2 + C1)(s_x^2 + s_y^2 + C2))

over 7 x 7 uniform windows inside the image, C1 = (0.01 L)^2, C2 = (0.03 L)^2, L the data range, sample (co)variances:
those of scikit-image's `structural_similarity` by default, which the released code of arXiv:2507.00298 uses. Equal to
it to 1e-7 (tested). Images in float32 are compared in float32, to 1e-6.

On a global scale it hardly discriminates galaxy images: almost every pixel is near 0, and an all-zero image scores
0.85. Reports therefore show its value for the mean image as well, and SSIM on asinh(c / 10), c in photons. Two sets of
images are compared as sets by the sliced Wasserstein distance of auxvae.metrics.prior_match, pixels as coordinates.

Where pixels are masked, `good` (N, C, H, W) is true of the others: MSE is the mean over these, SSIM that over the
windows that hold no masked pixel, NaN of an image without one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Good = NDArray[np.bool_]
WINDOW = 7
AT_A_TIME = 64  # images, whose windows stay in a core's cache
SOFTENING = 10.0  # photons


def asinh_scale(counts: Array) -> Array:
    """asinh(c / 10): linear below 10 photons per pixel, logarithmic above."""
    return np.asarray(np.arcsinh(counts / SOFTENING))


def ssim_to(x: Array, data_range: float, good: Good | None = None) -> Callable[[Array], Array]:
    """A function from images y to the SSIM of each with its image of x, (N,), all (N, H, W) or (N, C, H, W)."""
    parts = [slice(start, start + AT_A_TIME) for start in range(0, len(x), AT_A_TIME)]
    functions = [_ssim_to(x[part], data_range, None if good is None else good[part]) for part in parts]
    return lambda y: np.concatenate([function(y[part]) for function, part in zip(functions, parts, strict=True)])


def _ssim_to(x: Array, data_range: float, good: Good | None) -> Callable[[Array], Array]:
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    unbias = WINDOW**2 / (WINDOW**2 - 1)
    m_x = _windows(x)
    m_xx = m_x * m_x
    s_xx = unbias * (_windows(x * x) - m_xx) + c2
    whole = None if good is None else _windows(good.astype(np.float64)) > 1 - 0.5 / WINDOW**2

    def similarity(y: Array) -> Array:
        m_y = _windows(y)
        m_xy, m_yy = m_x * m_y, m_y * m_y
        s_yy, s_xy = unbias * (_windows(y * y) - m_yy), unbias * (_windows(x * y) - m_xy)
        index = (2 * m_xy + c1) * (2 * s_xy + c2) / ((m_xx + m_yy + c1) * (s_xx + s_yy))
        return _mean(index, whole)

    return similarity


def _windows(images: Array) -> Array:
    """Means over every window that lies inside the image, as two products with banded matrices."""
    down, across = (_band(side, images.dtype) for side in images.shape[-2:])
    return np.asarray(down.T @ (images @ across))


@lru_cache(8)
def _band(side: int, kind: np.dtype[Any]) -> Array:
    """1 / 7 where a pixel (row) lies in a window (column), (side, side - 6)."""
    offset = np.arange(side)[:, None] - np.arange(side - WINDOW + 1)
    return np.asarray(((offset >= 0) & (offset < WINDOW)) / WINDOW, dtype=kind)


def mse(x: Array, y: Array, good: Good | None = None) -> Array:
    """Mean squared difference per pixel, (N,), of images (N, ...)."""
    return _mean((x - y) ** 2, good)


def psnr(x: Array, y: Array, data_range: float, good: Good | None = None) -> Array:
    """Peak signal-to-noise ratio 10 log10(L^2 / MSE) in decibel, (N,); infinite for equal images."""
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(data_range**2 / mse(x, y, good)))


def _mean(values: Array, counted: Good | None) -> Array:
    """Mean of the values of each image, (N,), or of those that are counted; NaN where none is."""
    flat = values.reshape(len(values), -1)
    if counted is None:
        return np.asarray(flat.mean(1, dtype=np.float64))
    weights = counted.reshape(len(values), -1)
    with np.errstate(invalid="ignore"):
        return np.asarray((flat * weights).sum(1, dtype=np.float64) / weights.sum(1))
