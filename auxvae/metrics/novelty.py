r"""Does a candidate c say anything new? What latents and auxiliary variables tell of it, and a verdict in words.

    R2(c | x) = 1 - sum_n (c_n - g_(-n)(x_n))^2 / sum_n (c_n - mean c)^2

over test rows, none of which g has seen: five folds, g fitted to the other four. Rows that the model was trained on are
no use here, since an auxiliary latent of pure noise is fitted to them. g is a polynomial with a ridge penalty, of the
highest degree up to 3 that has ROWS_EACH rows for each term, plus gradient boosted trees on what it leaves over: trees
alone fit a smooth function of others imperfectly, and would call it new. Of a model that was given a base of auxiliary
variables, and of one that was given c too, x is

    own     samples of the auxiliary latent of c            others      of the other auxiliary latents beside it
    image   of all latents of the model that was given c    base_recon  of the residual latents of the base's model
    values  the auxiliary variables of the base             base_aux    of the auxiliary latents of the base's model

c is taken by its ranks, so that no unit and no monotonic function of it changes the answer, and no few large values
decide it: a surface brightness flux / radius^2 over a decade of radii was fitted from 512 rows with R2 = 0.90 of its
values, which left it undecided whether it was new.

    told = max(R2(c | values), R2(c | base_aux), 0)         gain = R2(c | image) - told

`values` has no error but that of g, and a function of the base never gains; `base_aux` counts the image's own, better
values of a base that is noisy. The rule, of the 95 % intervals of image and gain, with LEAST share of the variance:

    irrelevant   image below LEAST                          the image does not show it
    redundant    image above LEAST, gain below              what the model was given tells it
    new          gain above LEAST
    undecided    an interval that holds LEAST

c whose values have a kind (an angle, classes) has several columns, over which both sums pool; they are taken as they
are. Known failures: c that
only moves the spread of the latents; an image that shows less than LEAST of c.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray
from scipy.stats import binomtest, rankdata
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler

from auxvae.metrics.leakage import explained
from auxvae.metrics.predictability import FOLDS, folds
from auxvae.metrics.score import NORMAL, student

Array = NDArray[np.float64]
LEAST = 0.05  # share of the variance of a candidate that counts; fixed before the controls were scored
FEATURES, ROWS_EACH = 300, 6  # terms of the polynomial at most, and rows for each: more are fitted to noise
FAR = 4.0  # standard deviations beyond which an input is clipped: the powers of one outlier would lead the fit
PENALTIES = tuple(float(each) for each in np.logspace(-4, 4, 9))
NEW, REDUNDANT, IRRELEVANT, UNDECIDED = "new", "redundant", "irrelevant", "undecided"


class Interval(NamedTuple):
    """A value and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def ranked(c: Float[ndarray, " N"]) -> Float[ndarray, " N"]:
    """The ranks of c in (0, 1); equal values share theirs."""
    return np.asarray((rankdata(c) - 0.5) / len(c))


def r2(x: Float[ndarray, "N d"], c: Float[ndarray, "N V"], resamples: int) -> Float[ndarray, " S"]:
    """R2(c | x), (1 + resamples,), the first of all rows; 0 without an input."""
    if not x.shape[1]:
        return np.zeros(1 + resamples)
    return explained(c, np.stack([predicted(x, column) for column in c.T], 1), resamples)


def predicted(x: Float[ndarray, "N d"], c: Float[ndarray, " N"]) -> Float[ndarray, " N"]:
    """C of every row, by a fit to the rows of other folds."""
    fold, values = folds(len(x)), np.empty(len(x))
    for k in range(FOLDS):
        values[fold == k] = _fitted(x[fold != k], c[fold != k], x[fold == k])
    return values


def _fitted(x: Array, c: Array, x_test: Array) -> Array:
    clip = FunctionTransformer(np.clip, kw_args={"a_min": -FAR, "a_max": FAR})
    powers = PolynomialFeatures(degree(*x.shape[::-1]), include_bias=False)
    smooth = make_pipeline(StandardScaler(), clip, powers, StandardScaler(), RidgeCV(PENALTIES))
    rest = c - smooth.fit(x, c).predict(x)
    trees = HistGradientBoostingRegressor(
        max_iter=100, max_leaf_nodes=15, early_stopping=True, validation_fraction=0.15, n_iter_no_change=5,
        random_state=0,
    )  # fmt: skip
    return np.asarray(smooth.predict(x_test) + trees.fit(x, rest).predict(x_test))


def degree(inputs: int, rows: int) -> int:
    """The highest degree up to 3 of a polynomial of so many inputs that so many rows can fit."""
    most = min(FEATURES, rows // ROWS_EACH)
    return max(k for k in (1, 2, 3) if k == 1 or math.comb(inputs + k, k) <= most)


def gain_of(r2_of: Mapping[str, Array]) -> Array:
    """R2 of the image less what was told, (1 + resamples,), with the same rows in each resample."""
    return np.asarray(r2_of["image"] - np.maximum(r2_of["values"], r2_of["base_aux"]).clip(0))


def pooled(seeds: Sequence[Array]) -> Interval:
    """Mean over the seeds of (1 + resamples,) values each.

    The seeds share their test rows, so that their scatter does not hold that of the rows: to it, Student's half width
    over the seeds, the half width over resampled rows is added in quadrature. One seed has the latter alone.
    """
    samples = np.asarray(seeds)
    value, n = float(samples[:, 0].mean()), len(samples)
    rows = NORMAL * float(np.std(samples[:, 1:].mean(0), ddof=1))
    between = student(n - 1) * float(np.std(samples[:, 0], ddof=1)) / math.sqrt(n) if n > 1 else 0.0
    half = math.hypot(rows, between)
    return Interval(value, value - half, value + half)


def verdict(image: Interval, gain: Interval) -> str:
    """The rule above."""
    if image.high < LEAST:
        return IRRELEVANT
    if gain.low > LEAST:
        return NEW
    return REDUNDANT if image.low > LEAST and gain.high < LEAST else UNDECIDED


def share(count: int, of: int) -> Interval:
    """A share with its exact binomial interval (Clopper and Pearson 1934)."""
    ends = binomtest(count, of).proportion_ci(0.95, "exact")
    return Interval(count / of, float(ends.low), float(ends.high))
