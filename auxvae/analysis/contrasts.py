"""A metric at one coverage minus the same at the first, seed by seed.

With one seed the interval adds the two intervals in quadrature, with more it is Student's t over the seeds.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

CONTRASTED = ("lds_corrected", "lds_all_corrected", "ssim_asinh", "nats")


def contrasts(scores: pd.DataFrame, varied: dict[str, str]) -> xr.Dataset:
    """Differences of the main metrics between each coverage and the first, per data set, method and variant of it."""
    scores = scores.assign(variant=scores["run"].map(lambda run: varied.get(run, "")))
    with_aux = scores[(scores["coverage"] != "") & (scores["method"] != "control")]
    rows = []
    for (dataset, method, variant), group in with_aux.groupby(["dataset", "method", "variant"], sort=False):
        base, *others = group["coverage"].unique()
        for other, metric in itertools.product(others, CONTRASTED):
            one = group[(group["coverage"] == other) & (group["metric"] == metric)]
            two = group[(group["coverage"] == base) & (group["metric"] == metric)]
            if one.empty or two.empty:
                continue
            rows.append((f"{dataset} {method}{variant}: {other} - {base}", metric, *_difference(one, two)))
    table = pd.DataFrame(rows, columns=["pair", "metric", "mean", "low", "high"]).set_index(["pair", "metric"])
    return xr.Dataset({"contrast": table.to_xarray().to_dataarray("bound")}) if rows else xr.Dataset()


def _difference(one: pd.DataFrame, two: pd.DataFrame) -> tuple[float, float, float]:
    paired = one.merge(two, on="seed", suffixes=("_one", "_two"))
    differences = (paired["value_one"] - paired["value_two"]).to_numpy()
    mean, n = float(np.mean(differences)), len(differences)
    if n > 1:
        half = float(stats.t.ppf(0.975, n - 1) * np.std(differences, ddof=1) / np.sqrt(n))
    else:
        spans = [(paired[f"high_{k}"] - paired[f"low_{k}"]).to_numpy() / 2 for k in ("one", "two")]
        half = float(np.hypot(*spans)[0])
    return mean, mean - half, mean + half
