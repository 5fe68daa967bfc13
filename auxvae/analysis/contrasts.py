"""Contrasts: a score at one coverage minus that at the first coverage, for each data set, method and variant of it.

Differences are paired by seed. With two or more seeds the 95 % interval is Student's t over the seeds; with one it is
the two intervals of the scores added in quadrature.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import stdtrit

from auxvae.metrics.columns import contrasted


def contrasts(scores: pd.DataFrame, variants: Mapping[str, str]) -> xr.Dataset:
    """A data set of `contrast` (pair, metric, bound) from the table of scores; `variants` says how each run differs."""
    scores = scores.assign(variant=scores["run"].map(lambda run: variants.get(run, "")))
    with_coverage = scores[(scores["coverage"] != "") & (scores["method"] != "control")]
    rows = []
    for (dataset, method, variant), group in with_coverage.groupby(["dataset", "method", "variant"], sort=False):
        first, *others = group["coverage"].unique()
        for other, metric in itertools.product(others, contrasted()):
            one, two = (group[(group["coverage"] == c) & (group["metric"] == metric)] for c in (other, first))
            if len(paired := one.merge(two, on="seed", suffixes=("_one", "_two"))):
                rows.append((f"{dataset} {method}{variant}: {other} - {first}", metric, *_difference(paired)))
    table = pd.DataFrame(rows, columns=["pair", "metric", "mean", "low", "high"]).set_index(["pair", "metric"])
    return xr.Dataset({"contrast": table.to_xarray().to_dataarray("bound")}) if rows else xr.Dataset()


def _difference(paired: pd.DataFrame) -> tuple[float, float, float]:
    """Mean difference over the seeds, and its 95 % interval."""
    differences = (paired["value_one"] - paired["value_two"]).to_numpy()
    mean, n = float(np.mean(differences)), len(differences)
    if n > 1:
        half = float(stdtrit(n - 1, 0.975) * np.std(differences, ddof=1) / np.sqrt(n))
    else:
        spans = [(paired[f"high_{k}"] - paired[f"low_{k}"]).to_numpy() / 2 for k in ("one", "two")]
        half = float(np.hypot(*spans)[0])
    return mean, mean - half, mean + half
