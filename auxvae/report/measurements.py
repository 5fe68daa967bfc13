"""What the runs of a study measure on each data set, as a table and a figure (auxvae.analysis.measurements).

A cell is the mean over the seeds of a row of the other tables. Its 95 % interval adds in quadrature two errors,

    half^2 = (t_{n-1} s / sqrt(n))^2 + mean_seed(half_seed^2)         n seeds whose values have the deviation s

of the seeds, and of the source galaxies, which all seeds share, so that more seeds do not lessen it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from auxvae.metrics.score import student
from auxvae.report.figures import SERIES, STYLE, empty_figure
from auxvae.report.section import Picture, Section, Table
from auxvae.report.tables import text_of

FILE, NAME = "measurements.parquet", "measurements"
COLUMNS = {
    "m_corrected": "m corrected", "c_corrected": "c corrected", "m": "m", "c": "c", "bias": "bias",
    "scatter": "scatter", "half_68": "half width 68 %",
    "coverage_68": "covered 68 %", "coverage_95": "covered 95 %", "outside": "outside the domain", "failed": "failed",
}  # fmt: skip
PANELS = {"m_corrected": ("m after correction", 0.0), "coverage_68": ("covered, 68 %", 0.68),
          "coverage_95": ("covered, 95 %", 0.95)}  # fmt: skip
PLACE = ["who", "measured", "factor"]
HSM = "hsm"
IMAGES = "images"  # in place of a factor, where a number is of whole images

MEASUREMENTS = Section(
    NAME,
    "What the runs measure, on data sets that they were and were not trained on",
    (
        Table(
            NAME,
            "Factors as the auxiliary latents of each run measure them on the test rows of a data set, with intervals "
            "calibrated on validation rows of the data set that the run was trained on: m and c of the shear, measured "
            "and “corrected” by the line of those validation rows, mean and robust scatter of the errors, share of the "
            "intervals of 68 and 95 % that hold the factor. “outside the "
            "domain”: the share of images that are not like those of the training, with its verdict. HSM: GalSim's "
            "re-Gaussianised shears, which know the PSF of every image, where these do not fail. Intervals are 95 %, "
            "over seeds and source galaxies together: rows that show one galaxy are not independent. docs/measure.md.",
        ),
        Picture(
            NAME,
            "The same: multiplicative bias of the shear after correction (of HSM, which needs none, as measured), "
            "0 is right, and coverage of the intervals, whose nominal value is the line.",
            "Bias of the shear and coverage of intervals by run and measured data set",
        ),
    ),
)


def cells(results: Path, labels: Mapping[str, str]) -> pd.DataFrame:
    """mean, low, high and the verdicts of each run's label, measured data set, factor and metric."""
    whole = pd.read_parquet(results / FILE)
    whole = whole.assign(who=whole["run"].map(labels).where(whole["method"] != HSM, "HSM"))
    whole = whole.dropna(subset=["who"]).replace({"factor": {"": IMAGES}})
    rows = {place: _cell(group) for place, group in whole.groupby([*PLACE, "metric"], sort=False)}
    index = pd.MultiIndex.from_tuples(list(rows), names=[*PLACE, "metric"])
    return pd.DataFrame(list(rows.values()), index, columns=["mean", "low", "high", "verdict"])


def _cell(group: pd.DataFrame) -> dict[str, object]:
    """Of one metric of one factor, over the seeds."""
    values, n = group["value"].to_numpy(), len(group)
    squares = float(np.mean(((group["high"] - group["low"]) / 2) ** 2))
    of_seeds = student(n - 1) * float(values.std(ddof=1)) / np.sqrt(n) if n > 1 else 0.0
    mean, half = float(values.mean()), float(np.sqrt(of_seeds**2 + squares))
    verdicts = ", ".join(dict.fromkeys(each for each in group["verdict"] if each))
    return {"mean": mean, "low": mean - half, "high": mean + half, "verdict": verdicts}


def measurements_table(results: Path, labels: Mapping[str, str]) -> pd.DataFrame:
    """A row for each run's label, measured data set and factor, as text."""
    shown = cells(results, labels)
    rows: dict[str, dict[str, str]] = {}
    for place, cell in zip(shown.index, shown.to_dict("records"), strict=True):
        who, measured, factor, metric = place
        if metric in COLUMNS and np.isfinite(cell["mean"]):
            row = rows.setdefault(f"{who}: {factor} of {measured}", {})
            row[metric] = text_of(cell["mean"], cell["low"], cell["high"])
            row |= {"verdict": cell["verdict"]} if cell["verdict"] else {}
    table = pd.DataFrame.from_dict(rows, orient="index")
    named = {**COLUMNS, "verdict": "verdict"}
    return table.reindex(columns=[each for each in named if each in table]).rename(columns=named).fillna("")


def measurements_figure(results: Path, labels: Mapping[str, str]) -> Figure:
    """Bias of the shear, and coverage of both intervals."""
    shown = cells(results, labels)
    places = list(dict.fromkeys((who, measured) for who, measured, *_ in shown.index))
    if not places:
        return empty_figure("No run of this study was measured.")
    factors = [name for name in dict.fromkeys(shown.index.get_level_values("factor")) if name != IMAGES]
    with plt.rc_context(STYLE):
        size = (7.1, 0.9 + 0.32 * len(places))
        figure, axes = plt.subplots(1, len(PANELS), figsize=size, sharey=True, layout="constrained")
        for ax, (metric, (words, nominal)) in zip(axes, PANELS.items(), strict=True):
            _panel(ax, shown, metric, places, factors)
            ax.axvline(nominal, color="0.5", lw=0.8, ls="--")
            ax.set_xlabel(words)
        axes[0].set_yticks(range(len(places)), [f"{who}\non {measured}" for who, measured in places])
        axes[0].invert_yaxis()
        handles = {name: each for ax in axes for each, name in zip(*ax.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=5, frameon=False)
    return figure


def _panel(ax: Axes, shown: pd.DataFrame, metric: str, places: list[tuple[str, str]], factors: list[str]) -> None:
    """One metric: a row for each label and data set, a colour for each factor."""
    by_place = dict(zip(shown.index, shown.to_dict("records"), strict=True))
    uncorrected = metric.removesuffix("_corrected")  # HSM, which is calibrated on nothing
    of_metric = {p[:-1]: cell for p, cell in by_place.items() if p[-1] == (uncorrected if p[0] == "HSM" else metric)}
    for k, factor in enumerate(factors):
        rows = [(y, of_metric[*place, factor]) for y, place in enumerate(places) if (*place, factor) in of_metric]
        if rows:
            mean, low, high = (np.array([float(cell[bound]) for _, cell in rows]) for bound in ("mean", "low", "high"))
            y = np.array([place for place, _ in rows]) + 0.6 * ((k + 0.5) / len(factors) - 0.5)
            errors = np.nan_to_num([mean - low, high - mean])
            ax.errorbar(mean, y, xerr=errors, fmt="o", ms=2.5, lw=1, color=SERIES[k % len(SERIES)], label=factor)
