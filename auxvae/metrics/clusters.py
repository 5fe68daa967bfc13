r"""Statistics of rows that come in clusters, such as images of one source galaxy, and their 95 % intervals.

Rows of a cluster are not independent: what a galaxy's shape does to a measurement it does in all of its images. So
clusters are drawn with replacement, each with all of its rows, and not rows (Cameron & Miller 2015, section VI.C):

    S_b = S(rows of G clusters drawn with replacement)        se^2 = G / (G - 1) Var_b S_b
    interval = S +- t_{G-1} se                                Student's quantile, as G may be ten

The factor undoes that the variance of G drawn clusters is (G - 1) / G of that of new ones. With few clusters even this
interval is somewhat too narrow; it cannot tell of a kind of galaxy that none of them is. Rows without a column that
says their cluster are independent, and stand in groups at random, as in auxvae.metrics.score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auxvae.metrics.score import Score, group_of_rows, student

Rows = NDArray[np.intp]
Statistics = Mapping[str, float]


@dataclass(frozen=True)
class Clusters:
    """The rows of each cluster."""

    rows: tuple[Rows, ...]

    @classmethod
    def of(cls, names: NDArray[Any] | None, rows: int) -> Clusters:
        """By the name of each row's cluster (N,); groups at random of so many rows where there are no names."""
        place = group_of_rows(rows) if names is None else np.unique(names, return_inverse=True)[1]
        return cls(tuple(np.flatnonzero(place == k) for k in range(int(place.max()) + 1)) if rows else ())

    def drawn(self, resample: int) -> Rows:
        """The rows of as many clusters as there are, drawn with replacement; addressed by the number of the draw."""
        source = np.random.Generator(np.random.Philox(key=(len(self.rows), 5), counter=resample << 32))
        return np.concatenate([self.rows[k] for k in source.integers(len(self.rows), size=len(self.rows))])


def clustered(
    statistics: Callable[[Rows], Statistics], clusters: Clusters, rows: int, resamples: int
) -> dict[str, Score]:
    """The scores of statistics of rows, by name; without an interval where there are fewer than two clusters."""
    values = statistics(np.arange(rows))
    count = len(clusters.rows)
    if count < 2:
        return {name: Score(value, math.nan, math.nan, rows) for name, value in values.items()}
    drawn = [statistics(clusters.drawn(b)) for b in range(resamples)]
    by_name = {name: np.array([each[name] for each in drawn]) for name in values}
    return {name: _score(value, by_name[name], count, rows) for name, value in values.items()}


def _score(value: float, drawn: NDArray[np.float64], count: int, rows: int) -> Score:
    error = math.sqrt(count / (count - 1)) * float(np.nanstd(drawn, ddof=1))
    half = student(count - 1) * error
    return Score(value, value - half, value + half, rows, se=error)
