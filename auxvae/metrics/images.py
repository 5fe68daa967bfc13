r"""Similarity of pairs of images, many at once: structural similarity (Wang et al. 2004), MSE and PSNR.

    SSIM = mean over windows of (2 m_x m_y + C1)(2 s_xy + C2) / ((m_x^2 + m_y^2 + C1)(s_x^2 + s_y^2 + C2))

over 7 x 7 uniform windows inside the image, C1 = (0.01 L)^2, C2 = (0.03 L)^2, L the data range, sample (co)variances:
those of scikit-image's `structural_similarity` by default, which the released code of arXiv:2507.00298 uses. Equal to
it to 1e-7 (tested).

On a global scale it hardly discriminates galaxy images: almost every pixel is near 0, and an all-zero image scores
0.85. Reports therefore show its value for the mean image as well, and SSIM on asinh(c / 10), c in photons. Two sets of
images are compared as sets by the sliced Wasserstein distance of auxvae.metrics.prior_match, pixels as coordinates.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

Array = NDArray[np.float64]
WINDOW = 7
SOFTENING = 10.0  # photons


def asinh_scale(counts: Array) -> Array:
    """asinh(c / 10): linear below 10 photons per pixel, logarithmic above."""
    return np.asarray(np.arcsinh(counts / SOFTENING))


def ssim_to(x: Array, data_range: float) -> Callable[[Array], Array]:
    """A function from images y to the SSIM of each with its image of x, (N,), all (N, H, W) or (N, C, H, W)."""
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    unbias = WINDOW**2 / (WINDOW**2 - 1)
    m_x = _windows(x)
    s_xx = unbias * (_windows(x * x) - m_x * m_x)

    def similarity(y: Array) -> Array:
        m_y = _windows(y)
        s_yy = unbias * (_windows(y * y) - m_y * m_y)
        s_xy = unbias * (_windows(x * y) - m_x * m_y)
        index = (2 * m_x * m_y + c1) * (2 * s_xy + c2) / ((m_x**2 + m_y**2 + c1) * (s_xx + s_yy + c2))
        return np.asarray(index.reshape(len(x), -1).mean(1))

    return similarity


def _windows(images: Array) -> Array:
    """Means over every window that lies inside the image."""
    edge = (WINDOW - 1) // 2
    size = (1,) * (images.ndim - 2) + (WINDOW, WINDOW)
    return np.asarray(uniform_filter(images.astype(np.float64), size)[..., edge:-edge, edge:-edge])


def mse(x: Array, y: Array) -> Array:
    """Mean squared difference per pixel, (N,), of images (N, ...)."""
    return np.asarray(((x - y) ** 2).reshape(len(x), -1).mean(1))


def psnr(x: Array, y: Array, data_range: float) -> Array:
    """Peak signal-to-noise ratio 10 log10(L^2 / MSE) in decibel, (N,); infinite for equal images."""
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(data_range**2 / mse(x, y)))
