r"""Which label is best in a score, where that can be said: the marks of the tables.

Of the labels of one data set, the one whose mean lies nearest to the value of a perfect model (the table of metrics
says which that is). It is marked if its distance from perfection is less than that of every other label, by paired
differences over the seeds:

    p = max over the other labels of the two-sided p of Student's t,   p' = Holm's over all scores,   p' < 0.05

To ask it of every other label, and not of the second best alone, is what makes the choice of the best on the same
values no fault. Labels with fewer than two seeds in common with any other have no p, and the score has no mark.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from auxvae.analysis.differences import holm, statistics
from auxvae.metrics.columns import column

LEVEL = 0.05
COMPANIONS = ("floor", "ceiling")  # perfect is the value of the score beside it


def best_labels(scores: pd.DataFrame, labels: Mapping[str, str]) -> xr.Dataset:
    """`best (dataset, marked)`, the label that is marked or '', and `best_p`, corrected; empty where nothing compares.

    scores: of test rows. labels: by run id; controls have none.
    """
    labelled = scores.assign(label=scores["run"].map(labels)).dropna(subset=["label"])
    rows = []
    for dataset, of_dataset in labelled.groupby("dataset", sort=False):
        by_seed = of_dataset.pivot_table(index="seed", columns=["metric", "label"], values="value", sort=False)
        for score in dict.fromkeys(by_seed.columns.get_level_values("metric")):
            rows.append((dataset, score, *_best(_distances(by_seed, str(score)))))
    table = pd.DataFrame(rows, columns=["dataset", "marked", "best", "p"])
    table = table[table["p"].notna()].reset_index(drop=True)
    if table.empty:
        return xr.Dataset()
    table["best_p"] = holm(table["p"].to_numpy())
    table.loc[~(table["best_p"] < LEVEL), "best"] = ""
    whole = table.set_index(["dataset", "marked"])[["best", "best_p"]].to_xarray()
    return whole.assign(best=whole["best"].fillna("").astype(object))


def _distances(by_seed: pd.DataFrame, score: str) -> pd.DataFrame:
    """Distance from perfection, a row for each seed, a column for each label; empty for a score without a direction."""
    entry = column(score)
    good = entry.good if entry and not entry.shared else ""
    if entry and good in COMPANIONS:
        return (_of(by_seed, score) - _of(by_seed, entry.companion).reindex_like(_of(by_seed, score))).abs()
    try:
        return (_of(by_seed, score) - float(good)).abs()
    except ValueError:
        return pd.DataFrame()


def _of(by_seed: pd.DataFrame, score: str) -> pd.DataFrame:
    """The values of one score."""
    return by_seed.loc[:, by_seed.columns.get_level_values("metric") == score].droplevel("metric", axis=1)


def _best(distances: pd.DataFrame) -> tuple[str, float]:
    """The label of least mean distance, and the largest p of its differences from the others; NaN without any."""
    if distances.shape[1] < 2 or distances.mean().isna().any():
        return "", np.nan
    best = str(distances.mean().idxmin())
    others = (distances[other] - distances[best] for other in distances.columns if other != best)
    p = [statistics(each.dropna().to_numpy(dtype=np.float64))[4] if each.notna().any() else np.nan for each in others]
    return best, float(np.max(p))
