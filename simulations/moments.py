r"""Shape and size of a noise-free image from adaptive moments with a hollow weight.

With rho^2 = x^T M^-1 x, the matrix M that solves

    M = sum_x w(rho) I(x) x x^T / sum_x w(rho) I(x),        w(rho) = rho^2 exp(-rho^2 / 2)

follows a shear of the image exactly, because the weight is sheared with it; for a Gaussian it is the covariance.
This deviates from the usual adaptive moments (Bernstein & Jarvis 2002, Hirata & Seljak 2003; `galsim.hsm`), whose
weight is exp(-rho^2 / 2): a weight of zero at the centre removes the cusp of a Sérsic profile, which no pixel grid
samples well, and the iteration converges even at |g| = 0.7, where the usual one fails. Measured on Sérsic profiles
with n = 0.5 to 6, |g| up to 0.7 and 8 pixels per half-light radius: g to 1e-3, size to 0.4 % (held by
tests/simulations/test_galaxy.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ITERATIONS = 500


class Moments(NamedTuple):
    """Reduced shear of the isophotes and size det(M)^(1/4), in the unit of `scale`."""

    g1: float
    g2: float
    size: float


def hollow_moments(image: NDArray[np.floating], scale: float, guess: float) -> Moments:
    """Moments about the centre of a square image with pixels of side `scale`; the iteration starts at M = guess^2 I."""
    along = (np.arange(len(image)) - (len(image) - 1) / 2) * scale
    x, y = np.meshgrid(along, along)
    products, light = np.stack([x * x, x * y, y * y]).reshape(3, -1), image.astype(np.float64).ravel()
    matrix = np.eye(2) * guess**2
    for _ in range(ITERATIONS):
        updated = _step(matrix, products, light)
        if np.abs(updated - matrix).max() < 1e-8 * np.trace(updated):
            break
        matrix = updated
    return _shape(matrix)


def _step(
    matrix: NDArray[np.float64], products: NDArray[np.float64], light: NDArray[np.float64]
) -> NDArray[np.float64]:
    """One iteration of M, (2, 2), from the products x x^T (3, pixels) and the flux per pixel (pixels,)."""
    inverse = np.linalg.inv(matrix)
    rho2 = np.array([inverse[0, 0], 2 * inverse[0, 1], inverse[1, 1]]) @ products
    weighted = light * rho2 * np.exp(-rho2 / 2)
    xx, xy, yy = products @ weighted / weighted.sum()
    return np.array([[xx, xy], [xy, yy]])


def _shape(matrix: NDArray[np.float64]) -> Moments:
    """Size, and the reduced shear g that solves e = 2 g / (1 + g^2) for the distortion e of M."""
    e1, e2 = (matrix[0, 0] - matrix[1, 1]) / np.trace(matrix), 2 * matrix[0, 1] / np.trace(matrix)
    to_g = 1 / (1 + np.sqrt(max(0.0, 1 - e1 * e1 - e2 * e2)))
    return Moments(float(e1 * to_g), float(e2 * to_g), float(np.linalg.det(matrix) ** 0.25))
