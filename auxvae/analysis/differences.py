r"""Paired differences of methods and coverages: mean, interval, effect size, and p values corrected for their number.

For two labels (method, coverage and what else varies) with the scores a_s and b_s of the seeds s = 1..n,

    d_s = a_s - b_s,   mean d +- t_(n-1) sd(d) / sqrt(n),   effect = mean d / sd(d),   p two-sided, of Student's t

Runs of one seed on one data set draw the same batches and the same noise by address, whatever their method, and are
scored on the same test rows: pairing is right, and what they share cancels in d_s. Other training settings draw other
batches; pairing is then no gain and no fault. Where several data sets differ in their seed alone, d is the mean over
the seeds of a run on one data set, and n counts the data sets: their scatter holds that of the seeds, too. One pair has
no interval.

Compared are, on one kind of data set and with one network: every label with the first of the study, and every coverage
of a method with its largest. The scores are those by which the report compares methods, or coverages. All p values of a
study are one family, corrected by Holm (Scand. J. Stat. 6, 65, 1979):

    p'_(i) = max_(k <= i) min(1, (m - k + 1) p_(k))        of the m p values in rising order
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float
from numpy import ndarray
from scipy.special import stdtr

from auxvae.config.run import Run
from auxvae.metrics.columns import compared, contrasted
from auxvae.metrics.score import student

STATISTICS = ("mean", "low", "high", "effect", "p", "p_holm", "pairs")


class _Label(NamedTuple):
    """What the runs of one label have in common; `family` names data sets that differ in their seed alone."""

    family: str
    network: str
    method: str
    variant: str
    coverage: str
    size: int  # of the coverage

    @property
    def words(self) -> str:
        """The label in a table."""
        return " ".join(filter(None, (self.method, self.coverage))) + self.variant


def differences(
    scores: pd.DataFrame, runs: Sequence[Run], variants: Mapping[str, str], families: Mapping[str, str]
) -> xr.Dataset:
    """`difference` (comparison, score, statistic) from the table of scores; empty without anything to compare.

    variants: how each run differs from others of its method. families: the family of each data set, else its name.
    """
    labels = {run.id: _label(run, variants.get(run.id, ""), families) for run in runs}
    values = scores.assign(label=scores["run"].map(labels)).dropna(subset=["label"])
    rows = []
    for one, two in _comparisons(list(dict.fromkeys(labels.values()))):
        title = f"{one.family}: " if len({label.family for label in labels.values()}) > 1 else ""
        for metric in dict.fromkeys((*contrasted(), *compared())):
            paired = _paired(values[values["metric"] == metric], one, two)
            if len(paired):
                rows.append((f"{title}{one.words} - {two.words}", metric, *statistics(paired)))
    if not rows:
        return xr.Dataset()
    table = pd.DataFrame(rows, columns=["comparison", "score", *(s for s in STATISTICS if s != "p_holm")])
    table["p_holm"] = holm(table["p"].to_numpy())
    order = {name: list(dict.fromkeys(table[name])) for name in ("comparison", "score")}
    whole = table.set_index(list(order))[list(STATISTICS)].to_xarray().to_dataarray("statistic")
    return xr.Dataset({"difference": whole.reindex(order)})


def _label(run: Run, variant: str, families: Mapping[str, str]) -> _Label:
    family = families.get(run.dataset.name, run.dataset.name)
    return _Label(family, repr(run.network), run.method, variant, run.coverage, len(run.aux))


def _comparisons(labels: list[_Label]) -> Iterator[tuple[_Label, _Label]]:
    """Every label and the first on its data and with its network; every coverage and the largest of its method."""
    pairs: dict[tuple[_Label, _Label], None] = {}
    for one in labels:
        alike = [label for label in labels if label[:2] == one[:2]]  # of the same data and network
        largest = max((label for label in alike if label[:4] == one[:4]), key=lambda label: label.size)
        pairs |= {(one, two): None for two in (alike[0], largest) if two != one and (two, one) not in pairs}
    yield from pairs


def _paired(values: pd.DataFrame, one: _Label, two: _Label) -> Float[ndarray, " n"]:
    """Differences by seed, or by data set, averaged over the seeds, where there are several."""
    of_labels = (values[values["label"] == label] for label in (one, two))
    paired = next(of_labels).merge(next(of_labels), on=["dataset", "seed"], suffixes=("_one", "_two"))
    paired["difference"] = paired["value_one"] - paired["value_two"]
    paired = paired.dropna(subset=["difference"])
    by_dataset = paired.groupby("dataset", sort=False)["difference"]
    return (by_dataset.mean() if len(by_dataset) > 1 else paired["difference"]).to_numpy(dtype=np.float64)


def statistics(d: Float[ndarray, " n"]) -> tuple[float, ...]:
    """Mean, low, high, effect, p and number of paired differences."""
    mean, n = float(d.mean()), len(d)
    spread = float(d.std(ddof=1)) if n > 1 else np.nan
    half = student(n - 1) * spread / np.sqrt(n)
    effect = mean / spread if spread > 0 else 0.0 if mean == spread == 0 else np.nan
    p = 2 * float(stdtr(n - 1, -abs(effect) * np.sqrt(n))) if n > 1 else np.nan
    return mean, mean - half, mean + half, effect, p, n


def holm(p: Float[ndarray, " m"]) -> Float[ndarray, " m"]:
    """Holm's corrected p values; NaN counts as no test."""
    corrected = np.full(len(p), np.nan)
    order = np.argsort(p, kind="stable")[: int(np.isfinite(p).sum())]
    corrected[order] = np.maximum.accumulate(np.minimum(1, np.arange(len(order), 0, -1) * p[order]))
    return corrected
