r"""What a code says of each factor whatever its axes: after a rotation, by nearest neighbours, by a linear map.

    rotated_FACTOR    max_j |rho(s_j, u_k)| (R of a circular or categorical factor), s the independent components of the
                      codes (FastICA: Hyvarinen, IEEE TNN 1999); [0, 1], 1 is good
    nearest_FACTOR    R2 of the factor, or accuracy of its class, on test rows, by the mean of the NEIGHBOURS nearest
                      codes of other rows; (-inf, 1], 1 is good
    linear_FACTOR     the same by a linear map of all latents, least squares on other rows

Where a data set is symmetric, as is a square, nothing but chance tells one pair of axes at right angles from another,
and codes that are right up to a rotation are as good as codes can be. Independent components exist where the factors
are independent and not Gaussian; principal components of less than SMALL of the largest variance are noise, and left
out. Distances are in the latents' own unit, so that inactive latents, whose means hardly vary, count for little. The
first two need latents of one unit, as a prior gives them: of flux beside shear, each in its own, the smaller is lost.
Intervals: bootstrap over rows for a fixed rotation; jackknife over test rows.
"""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

from auxvae.metrics.alignment import rho
from auxvae.metrics.few_labels import explained, targets_of
from auxvae.metrics.representation import Representation
from auxvae.metrics.score import Score, interval, jackknife, names
from auxvae.metrics.targets import targets

Array = NDArray[np.float64]
SMALL = 0.02
STEPS = 500
NEIGHBOURS = 10
ROWS_PER_LATENT = 4  # fewer say what a linear map of so many latents can learn by heart


def rotated(codes: Float[ndarray, "N D"]) -> Float[ndarray, "N K"]:
    """The independent components of codes, each of variance 1; none of codes that do not vary."""
    centred = codes - codes.mean(0)
    variances, axes = np.linalg.eigh(centred.T @ centred / len(codes))
    kept = variances > SMALL * variances.max()
    if not variances.max() > 0:
        return np.zeros((len(codes), 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of Gaussian codes any rotation is as good
        ica = FastICA(whiten="unit-variance", random_state=0, max_iter=STEPS)
        return np.asarray(ica.fit_transform(centred @ axes[:, kept]))


def rotated_scores(inputs: Representation, resamples: int) -> dict[str, Score]:
    """The best |rho| of each factor with an independent component."""
    components = rotated(np.asarray(inputs.codes, dtype=np.float64))
    labels = names(inputs.factor_table, inputs.factor_table.shape[1], "u")
    if not components.shape[1]:
        return {}
    c = rho(components, targets(inputs.factor_table, inputs.kinds), resamples).abs().amax(-2)
    return {f"rotated_{name}": interval(c[:, k], len(components)) for k, name in enumerate(labels)}


def nearest_scores(inputs: Representation, resamples: int) -> dict[str, Score]:
    """R2 or accuracy of each factor by nearest neighbours; none of fewer rows to learn from than these."""
    if len(inputs.parts[0]) < NEIGHBOURS:
        return {}
    return _explained("nearest", inputs, KNeighborsRegressor(NEIGHBOURS))


def linear_scores(inputs: Representation, resamples: int) -> dict[str, Score]:
    """R2 or accuracy of each factor by a linear map of all latents; none of less than ROWS_PER_LATENT rows each."""
    if len(inputs.parts[0]) < ROWS_PER_LATENT * inputs.codes.shape[1]:
        return {}
    return _explained("linear", inputs, LinearRegression())


def _explained(prefix: str, inputs: Representation, reader: KNeighborsRegressor | LinearRegression) -> dict[str, Score]:
    """The scores of a regression that learns from some rows and is asked of the others."""
    fit, u, test, u_test = (np.asarray(each, dtype=np.float64) for each in inputs.parts)
    labels = names(inputs.factor_table, u.shape[1], "u")
    learned, asked = (targets_of(dict(zip(labels, each.T, strict=True)), inputs.kinds) for each in (u, u_test))
    predicted = reader.fit(fit, learned.values).predict(test)

    def score(place: int, rows: NDArray[np.intp]) -> float:
        return float(explained(asked._replace(values=asked.values[rows]), predicted[rows])[place])

    return {
        f"{prefix}_{name}": jackknife(lambda rows, k=k: score(k, rows), len(test))  # type: ignore[misc]
        for k, name in enumerate(labels)
    }
