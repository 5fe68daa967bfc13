"""Contrasts: a score at one coverage minus that at the largest coverage, for each data set, method and variant of it.

The largest coverage is that with the most auxiliary variables (the first of them, if several). Scores are those over
all factors: lds_corrected is over the factors that the model is given, so that its difference between coverages would
be one of factors as much as of models. Differences are paired by seed. With two or more seeds the 95 % interval is
Student's t over the seeds; with one, that of the mean difference over the test images, on which both models are scored,
where the score is a mean over images. Otherwise no interval is possible: both scores are of the same images, so that
their own intervals cannot be added in quadrature.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from auxvae.metrics.columns import contrasted
from auxvae.metrics.score import mean_score, student

Images = Callable[[str, str], NDArray[np.float64] | None]  # of a run and a metric: its value for each test image
Difference = tuple[float, float, float]


def contrasts(
    scores: pd.DataFrame,
    variants: Mapping[str, str],
    sizes: Mapping[str, int] | None = None,
    images: Images = lambda run, metric: None,
) -> xr.Dataset:
    """A data set of `contrast` (pair, metric, bound) from the table of scores; `variants` says how each run differs.

    sizes: the number of auxiliary variables of each coverage.
    """
    scores = scores.assign(variant=scores["run"].map(lambda run: variants.get(run, "")))
    with_coverage = scores[(scores["coverage"] != "") & (scores["method"] != "control")]
    rows = []
    for (dataset, method, variant), group in with_coverage.groupby(["dataset", "method", "variant"], sort=False):
        coverages = list(group["coverage"].unique())
        largest = max(coverages, key=lambda coverage: (sizes or {}).get(coverage, 0))
        others = [coverage for coverage in coverages if coverage != largest]
        for other, metric in itertools.product(others, contrasted()):
            one, two = (group[(group["coverage"] == c) & (group["metric"] == metric)] for c in (other, largest))
            if len(paired := one.merge(two, on="seed", suffixes=("_one", "_two"))):
                bounds = over_seeds(paired) if len(paired) > 1 else _over_images(paired.iloc[0], metric, images)
                rows.append((f"{dataset} {method}{variant}: {other} - {largest}", metric, *bounds))
    table = pd.DataFrame(rows, columns=["pair", "metric", "mean", "low", "high"]).set_index(["pair", "metric"])
    return xr.Dataset({"contrast": table.to_xarray().to_dataarray("bound")}) if rows else xr.Dataset()


def over_seeds(paired: pd.DataFrame) -> Difference:
    """Mean difference over the seeds, and its 95 % interval."""
    differences = (paired["value_one"] - paired["value_two"]).to_numpy()
    mean, n = float(np.mean(differences)), len(differences)
    if n < 2:
        return mean, np.nan, np.nan
    half = student(n - 1) * float(np.std(differences, ddof=1)) / np.sqrt(n)
    return mean, mean - half, mean + half


def _over_images(pair: pd.Series, metric: str, images: Images) -> Difference:
    """Difference of two runs, and its 95 % interval over the test images; without one where no image has a value."""
    one, two = (images(pair[f"run_{which}"], metric) for which in ("one", "two"))
    if one is None or two is None:
        return pair["value_one"] - pair["value_two"], np.nan, np.nan
    score = mean_score(one - two)
    return score.value, score.low, score.high
