r"""Regression from a few labelled rows, the same for every representation: kernel ridge, chosen by leave-one-out.

    y(x) = ybar + k_c(x, X) (K_c + lambda)^-1 (y - ybar)        K = k(X, X), c: centred on the labelled rows
    e_i  = (y_i - yhat_i) / (1 - h_ii)                          the error of row i where it is left out, exactly

Candidates: k = x.x', (1 + x.x')^2 or exp(-|x - x'|^2 / 2), of inputs that are scaled as a whole (sum of variances 1)
or column by column, at each penalty of PENALTIES in units of the largest eigenvalue of K. For each factor the candidate
of least sum e_i^2 is kept: labelled rows alone choose, no test row does. The candidates are the same for ten latents
and a thousand pixels, and kernels see distances only, so that no number of columns is favoured: a linear code is served
by the first, a curved one by the other two, one with inactive latents by inputs scaled as a whole. Of more than
LANDMARKS labelled rows, kernels are those of the first LANDMARKS (Nystrom: Williams & Seeger, NIPS 2001); the linear
one needs none where columns are fewer than rows. Leave-one-out: Allen, Technometrics 1974 (PRESS).

Predictions are held within the labelled values and half their range beyond, on either side: quadratics run away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from auxvae.metrics.standardise import standard_by_first

Array = NDArray[np.float64]
KERNELS = ("linear", "quadratic", "gaussian")
PENALTIES = np.logspace(-9, 0, 19)
LANDMARKS = 512
SMALL = 1e-10  # eigenvalues of a kernel below this share of the largest are rounding
TIGHT = 1e-7  # a row with 1 - h below this is interpolated, and leaving it out tells nothing


class Prediction(NamedTuple):
    """Predictions of variables: of test rows (M, V), and of each labelled row without itself (n, V)."""

    test: Array
    left_out: Array


def kernel_ridge(
    x: Float[ndarray, "n D"], y: Float[ndarray, "n V"], x_test: Float[ndarray, "M D"], factors: Sequence[slice]
) -> Prediction:
    """Predictions of y for the test rows; `factors` are the columns of each, which share a candidate."""
    centre, spread = y.mean(0), np.where(np.ptp(y, axis=0) > 0, y.std(0), 1.0)
    targets = (y - centre) / spread
    best = Prediction(np.zeros((len(x_test), y.shape[1])), -targets / (len(y) - 1))
    least = [float(np.sum((targets - best.left_out)[:, columns] ** 2)) for columns in factors]
    for features, features_test in _candidates(x, x_test):
        fits = _Fits(features, targets)
        for place, columns in enumerate(factors):
            errors, penalty = fits.best(columns)
            if errors < least[place]:
                least[place] = errors
                best.left_out[:, columns] = targets[:, columns] - fits.left_out[penalty][:, columns]
                best.test[:, columns] = fits.predict(features_test, penalty)[:, columns]
    low, high = y.min(0) - np.ptp(y, axis=0) / 2, y.max(0) + np.ptp(y, axis=0) / 2
    return Prediction(*(np.clip(centre + spread * each, low, high) for each in best))


class _Fits:
    """Ridge regressions of targets (n, V) on centred features (n, r), one for each penalty."""

    def __init__(self, features: Array, targets: Array) -> None:
        """Decompose once; left_out (penalties, n, V): the error of every row where it is left out."""
        values, self.vectors = np.linalg.eigh(features.T @ features)
        rotated = features @ self.vectors
        self.moments = rotated.T @ targets
        penalties = PENALTIES * max(float(values.max()), SMALL)
        self.shrink = 1 / (values.clip(0) + penalties[:, None])
        slack = 1 - 1 / len(targets) - self.shrink @ (rotated**2).T
        fitted = np.stack([rotated @ (shrink[:, None] * self.moments) for shrink in self.shrink])
        wide = np.where(slack > TIGHT, slack, 1.0)
        self.left_out = np.where((slack > TIGHT)[..., None], (targets - fitted) / wide[..., None], np.inf)

    def best(self, columns: slice) -> tuple[float, int]:
        """The least sum of squared errors of some columns, and its penalty's number."""
        errors = np.sum(self.left_out[:, :, columns] ** 2, (1, 2))
        return float(errors.min()), int(errors.argmin())

    def predict(self, features: Array, penalty: int) -> Array:
        """Targets of other rows."""
        return np.asarray(features @ (self.vectors @ (self.shrink[penalty][:, None] * self.moments)))


def _candidates(x: Array, x_test: Array) -> Iterator[tuple[Array, Array]]:
    """Centred features of labelled and test rows, for both scalings and every kernel."""
    whole = np.sqrt(max(float(x.var(0).sum()), SMALL**2))
    by_whole = (x - x.mean(0)) / whole, (x_test - x.mean(0)) / whole
    by_column = [each / np.sqrt(x.shape[1]) for each in standard_by_first(x, x_test)]
    for inputs, inputs_test in (by_whole, by_column):
        for kernel in KERNELS:
            features, features_test = _features(kernel, inputs, inputs_test)
            yield features - features.mean(0), features_test - features.mean(0)


def _features(kernel: str, x: Array, x_test: Array) -> tuple[Array, Array]:
    """Features whose products are the kernel's, of labelled and test rows."""
    if kernel == "linear" and x.shape[1] <= len(x):
        return x, x_test
    landmarks = x[:LANDMARKS]
    values, vectors = np.linalg.eigh(_kernel(kernel, landmarks, landmarks))
    kept = values > SMALL * max(float(values.max()), SMALL)
    basis = vectors[:, kept] / np.sqrt(values[kept])
    return _kernel(kernel, x, landmarks) @ basis, _kernel(kernel, x_test, landmarks) @ basis


def _kernel(kernel: str, x: Array, others: Array) -> Array:
    products = x @ others.T
    if kernel == "linear":
        return np.asarray(products)
    if kernel == "quadratic":
        return np.asarray((1 + products) ** 2)
    distances = (x**2).sum(1)[:, None] + (others**2).sum(1) - 2 * products
    return np.asarray(np.exp(-distances.clip(0) / 2))
