r"""What a metric returns: a value, its standard error and 95 % interval, the number of rows, and the matrix behind it.

Bootstrap over groups of rows: rows are assigned at random to G = 100 groups, sums over rows are taken once per group,
and a bootstrap sample weights each group by the number of times it is drawn,

    S_b = sum_g w_bg S_g,   w_b ~ Multinomial(G; 1/G, ..., 1/G)          (Efron 1979, with groups in place of rows)

so that a hundred samples cost little more than none. For exchangeable rows, resampling groups estimates the same
variance as resampling rows; with 100 groups the width of an interval is uncertain by 7 %. Intervals are value +- 1.96
standard deviations over the samples, because duplicated rows inflate every chance dependence, so that percentile
intervals would be biased.

Where chance dependence is a good part of a statistic (MIG, distance correlation), duplicated rows add to its spread as
well: the bootstrap counts the quadratic part of the statistic three times and the jackknife twice, so that intervals
of independent columns were 1.4 to 1.7 times too wide. These use mirrored weights instead,

    se^2 = Var_h 1/2 [S(1 + h) - S(1 - h)] / STEP^2,   h_g = +- STEP, a random half of the groups each

half samples and their complements where STEP is 1 (McCarthy 1969): the quadratic part is even in h and cancels. STEP
is 3/4, so that no row is left out; tests hold the coverage of every interval.

Statistics of models that are fitted anew to every set of rows, and so cost much (forests, votes of batches), are
computed on random halves of the rows: se^2 is the mean of 1/4 [S(half) - S(other half)]^2.

Statistics that duplicated rows distort (distances, extremes) use a jackknife that deletes one of ten blocks of rows at
a time. Its variance has nine degrees of freedom, so that the interval is 2.26 standard errors wide to either side.
Everywhere the standard error is kept, since the ends of an interval are clipped to the range of the metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
Flags = Sequence[bool] | NDArray[np.bool_]  # whether each factor is discrete
Table = ArrayLike | xr.DataArray  # rows and columns, with names where it is a DataArray
GROUPS = 100
BLOCKS = 10
RESAMPLES = 100
MOST_LATENTS = 128  # of which pairs and predictabilities are computed
STEP = 0.75  # change of a group's weight, up in one of two mirrored samples and down in the other
IMAGE = "image"  # the dimension of numbers that every image has
NORMAL = 1.96  # standard errors to either side of a 95 % interval of normal quantiles


class Score(NamedTuple):
    """A value, its 95 % interval, the number of rows, the matrix behind it, labelled where labels exist, and its error.

    se is the standard error; the ends of the interval may be clipped to the range of the metric, se never is.
    """

    value: float
    low: float
    high: float
    n: int
    matrix: xr.DataArray | None = None
    se: float = math.nan

    def to_json(self) -> dict[str, Any]:
        """As JSON: value, low, high, se, n, and the matrix: its dimensions in order, their labels, and its values.

        What every image has is left out, as there are thousands.
        """
        plain: dict[str, Any] = {name: _finite(getattr(self, name)) for name in STORED[:-1]}
        if self.matrix is None or IMAGE in self.matrix.dims:
            return {**plain, "n": self.n}
        dims = [str(dim) for dim in self.matrix.dims]
        labels = {dim: [str(name) for name in self.matrix[dim].values] for dim in dims}
        values = np.vectorize(_finite, otypes=[object])(self.matrix.values).tolist()
        return {**plain, "n": self.n, "matrix": {"dims": dims, **labels, "values": values}}


STORED = ("value", "low", "high", "se", "n")  # of a score, in the files of a study


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def exact(value: float, rows: int, matrix: xr.DataArray | None = None) -> Score:
    """A score without sampling error: its interval has no width."""
    return Score(value, value, value, rows, matrix, 0.0)


def interval(
    samples: ArrayLike, rows: int, matrix: xr.DataArray | None = None, least: float = 0, most: float = 1
) -> Score:
    """The first of the values (1 + resamples,), with the normal interval of the others, clipped to its range."""
    value, *resampled = (float(each) for each in np.asarray(samples))
    error = float(np.std(resampled, ddof=1)) if len(resampled) > 1 else math.nan
    return within(value, error, rows, matrix, least, most)


def mirrored_interval(samples: ArrayLike, rows: int, matrix: xr.DataArray | None = None) -> Score:
    """The first of the values (1 + 2 S,), with the normal interval of the S mirrored pairs after it, within [0, 1]."""
    value, *pairs = (float(each) for each in np.asarray(samples))
    up, down = np.reshape(pairs, (2, -1))
    error = float(np.sqrt(np.mean((up - down) ** 2))) / (2 * STEP) if len(up) else math.nan
    return within(value, error, rows, matrix)


def within(
    value: float, se: float, rows: int, matrix: xr.DataArray | None = None, least: float = 0, most: float = 1
) -> Score:
    """A value with the normal interval of that standard error, clipped to its range; NaN bounds for a NaN error."""
    low, high = (float(np.clip(end, least, most)) for end in (value - NORMAL * se, value + NORMAL * se))
    return Score(value, low, high, rows, matrix, se)


def mean_score(values: Float[ndarray, " N"]) -> Score:
    """Mean of one number per image, with its 95 % interval; the matrix holds the numbers, (N,)."""
    mean = float(np.mean(values))
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return within(mean, error, len(values), xr.DataArray(values, dims=[IMAGE]), -math.inf, math.inf)


def jackknife(measure: Callable[[Rows], float], rows: int) -> Score:
    """A statistic of all rows, and its 95 % interval by deleting one of ten blocks of rows at a time."""
    every = np.arange(rows)
    value = measure(every)
    return jackknifed(value, [measure(every[every % BLOCKS != block]) for block in range(min(BLOCKS, rows))], rows)


def jackknifed(value: float, replicates: Sequence[float], rows: int) -> Score:
    """A value with the 95 % interval of its jackknife replicates, each with one block (or model) deleted.

    Student's quantiles, as the variance is that of so few replicates; no interval from fewer than two.
    """
    freedom = len(replicates) - 1
    error = math.sqrt(freedom * np.var(replicates)) if freedom > 0 else math.nan
    half = student(freedom) * error
    return Score(value, value - half, value + half, rows, se=error)


def halves_error(measure: Callable[[Rows], Array], rows: int, splits: int) -> Array:
    """Standard errors of statistics of some rows (K,), from so many random splits of all rows into two halves."""
    source = np.random.Generator(np.random.Philox(key=(rows, 4)))
    orders = [source.permutation(rows) for _ in range(splits)]
    pairs = [(measure(np.sort(order[: rows // 2])), measure(np.sort(order[rows // 2 :]))) for order in orders]
    return np.asarray(np.sqrt(np.mean([(one - two) ** 2 for one, two in pairs], 0)) / 2)


def student(freedom: int) -> float:
    """Standard errors to either side of a 95 % interval of so many degrees of freedom; NaN without any."""
    return float(stdtrit(freedom, 0.975)) if freedom > 0 else math.nan


@lru_cache(64)
def group_of_rows(rows: int) -> Int[ndarray, " N"]:
    """The group of every row, (N,): groups of nearly equal size, drawn with a key made of the number of rows."""
    order = np.random.Generator(np.random.Philox(key=rows)).permutation(rows)
    return np.asarray(order % min(GROUPS, rows))


@lru_cache(64)
def group_weights(rows: int, resamples: int) -> Float[ndarray, "S G"]:
    """How often each bootstrap sample draws each group, (1 + resamples, G), doubles; ones in the first row."""
    groups = min(GROUPS, rows)
    source = np.random.Generator(np.random.Philox(key=(rows, 1)))
    drawn = source.multinomial(groups, np.full(groups, 1 / groups), size=resamples)
    return np.vstack([np.ones((1, groups)), drawn])


@lru_cache(64)
def mirrored_weights(rows: int, pairs: int) -> Float[ndarray, "S G"]:
    """Weights of groups, (1 + 2 pairs, G): ones, then a random half of the groups up, then the same half down."""
    groups = min(GROUPS, rows)
    source = np.random.Generator(np.random.Philox(key=(rows, 3)))
    sign = np.where(np.arange(groups) % 2, -STEP, STEP)
    change = np.stack([source.permutation(sign) for _ in range(pairs)]) if pairs else np.zeros((0, groups))
    return np.vstack([np.ones((1, groups)), 1 + change, 1 - change])


def some_latents(latents: int) -> NDArray[np.intp]:
    """The numbers of all latents, or of MOST_LATENTS at equal steps: for metrics whose cost grows with their square."""
    return evenly(latents, MOST_LATENTS)


def evenly(count: int, most: int) -> NDArray[np.intp]:
    """The numbers below a count, or so many of them at equal steps."""
    chosen = min(count, most)
    return np.arange(chosen) * count // max(1, chosen)


def labelled(matrix: ArrayLike, codes: object, factors: object) -> xr.DataArray:
    """A matrix (D, F) labelled with the names of latents and factors, read from the arrays or numbered."""
    values = np.asarray(matrix).copy()  # a view of one resample would keep those of all
    sides = (("latent", codes, "z"), ("factor", factors, "u"))
    coords = {dim: names(table, size, stem) for (dim, table, stem), size in zip(sides, values.shape, strict=True)}
    return xr.DataArray(values, coords, [dim for dim, _, _ in sides])


def names(table: object, size: int, stem: str) -> list[str]:
    """Names of the columns of a table: those of its last coordinate, else the stem and a number counted from 1."""
    if isinstance(table, xr.DataArray) and table.dims[-1] in table.coords:
        return [str(name) for name in table[table.dims[-1]].values]
    return [f"{stem}{k + 1}" for k in range(size)]
