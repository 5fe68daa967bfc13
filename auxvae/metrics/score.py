r"""What a metric gives back: a value with its interval, the number of rows behind it, and the matrix that it sums up.

Rows are resampled in groups: they are dealt at random to G = 100 groups, a statistic that is a sum over rows is summed
once in each, and a bootstrap sample counts every group as often as it is drawn,

    S_b = sum_g w_bg S_g,   w_b ~ Multinomial(G; 1/G, ..., 1/G)                    (Efron 1979, of groups for rows)

so that a hundred samples cost little more than none. Groups of exchangeable rows scatter as rows do; that there are
100 of them leaves the width of an interval uncertain by 7 %. Intervals are value +- 1.96 standard deviations over the
samples: resampling inflates every chance dependence, so that percentiles would be biased. What rows drawn twice would
spoil (distances, extremes) has a jackknife instead, which leaves out one of ten blocks of rows at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
Flags = Sequence[bool] | NDArray[np.bool_]  # whether each factor is discrete
Table = ArrayLike | xr.DataArray  # rows and columns, with names where it is a DataArray
GROUPS = 100
BLOCKS = 10
RESAMPLES = 100


class Score(NamedTuple):
    """A value with its 95 % interval, the number of rows, and the matrix behind it, by name where names are known."""

    value: float
    low: float
    high: float
    n: int
    matrix: xr.DataArray | None = None

    def to_json(self) -> dict[str, Any]:
        """The same as JSON: value, low, high, n, and the matrix: its dimensions in order, their names, and values."""
        plain: dict[str, Any] = {name: _finite(each) for name, each in zip(self._fields[:3], self[:3], strict=True)}
        if self.matrix is None:
            return {**plain, "n": self.n}
        dims = [str(dim) for dim in self.matrix.dims]
        named = {dim: [str(name) for name in self.matrix[dim].values] for dim in dims}
        values = np.vectorize(_finite, otypes=[object])(self.matrix.values).tolist()
        return {**plain, "n": self.n, "matrix": {"dims": dims, **named, "values": values}}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def exact(value: float, rows: int, matrix: xr.DataArray | None = None) -> Score:
    """A score that is known without error."""
    return Score(value, value, value, rows, matrix)


def interval(
    drawn: ArrayLike, rows: int, matrix: xr.DataArray | None = None, least: float = 0, most: float = 1
) -> Score:
    """The first of the values (1 + resamples,), with the normal interval of the others, inside its range."""
    value, *samples = (float(each) for each in np.asarray(drawn))
    half = 1.96 * float(np.std(samples, ddof=1)) if len(samples) > 1 else math.nan
    return within(value, half, rows, matrix, least, most)


def within(
    value: float, half: float, rows: int, matrix: xr.DataArray | None = None, least: float = 0, most: float = 1
) -> Score:
    """A value with an interval of that half width, inside its range; no interval where that is no number."""
    low, high = (float(np.clip(end, least, most)) for end in (value - half, value + half))
    return Score(value, low, high, rows, matrix)


def mean_score(values: Float[ndarray, " N"]) -> Score:
    """Mean of one number per image, with its 95 % interval."""
    mean, half = float(np.mean(values)), 1.96 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Score(mean, mean - half, mean + half, len(values))


def jackknife(measure: Callable[[Rows], float], rows: int) -> Score:
    """A measure of all rows, and its 95 % interval from leaving out one of ten blocks of rows at a time."""
    every = np.arange(rows)
    value = measure(every)
    return jackknifed(value, [measure(every[every % BLOCKS != block]) for block in range(min(BLOCKS, rows))], rows)


def jackknifed(value: float, left: Sequence[float], rows: int) -> Score:
    """A value with the 95 % interval of those that are found with a block of rows left out."""
    half = 1.96 * float(np.sqrt((len(left) - 1) * np.var(left)))
    return Score(value, value - half, value + half, rows)


@lru_cache(64)
def group_of_rows(rows: int) -> Int[ndarray, " N"]:
    """The group of every row, (N,): groups of nearly equal size, dealt by an address made of the number of rows."""
    dealt = np.random.Generator(np.random.Philox(key=rows)).permutation(rows)
    return np.asarray(dealt % min(GROUPS, rows))


@lru_cache(64)
def group_weights(rows: int, resamples: int) -> Float[Tensor, "S G"]:
    """How often each group counts, (1 + resamples, G), in double precision; in the first row once each."""
    groups = min(GROUPS, rows)
    source = np.random.Generator(np.random.Philox(key=(rows, 1)))
    drawn = source.multinomial(groups, np.full(groups, 1 / groups), size=resamples)
    return torch.from_numpy(np.vstack([np.ones((1, groups)), drawn])).double()


def labelled(matrix: ArrayLike, codes: object, factors: object) -> xr.DataArray:
    """A matrix (D, F) with the names of latents and factors, which DataArrays carry and plain arrays have not."""
    values = np.asarray(matrix)
    sides = (("latent", codes, "z"), ("factor", factors, "u"))
    named = {dim: names(of, size, stem) for (dim, of, stem), size in zip(sides, values.shape, strict=True)}
    return xr.DataArray(values, named, [dim for dim, _, _ in sides])


def names(of: object, size: int, stem: str) -> list[str]:
    """Names of the columns of an array: those of its coordinate, else the stem and a number from 1 on."""
    if isinstance(of, xr.DataArray) and of.dims[-1] in of.coords:
        return [str(name) for name in of[of.dims[-1]].values]
    return [f"{stem}{k + 1}" for k in range(size)]
