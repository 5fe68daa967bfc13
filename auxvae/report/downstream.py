"""The curves of the downstream analysis as a figure: how well each factor is told against the number of labelled rows.

What is not told, 1 - R^2 (of classes 1 - accuracy), since codes that are good differ in what they lack. A panel for
each factor; a colour for each method, coverage and setting, with the 95 % interval over its seeds, or over
the draws of a single run; the baselines in grey.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from auxvae.metrics.score import student
from auxvae.report.figures import SERIES, STYLE, empty_figure
from auxvae.report.tables import CONTROLS

BASELINES = {"pixels": "-", "pca": "--", "network": ":", "noise": "-."}
COLUMNS = 3
ENDS = (3e-4, 2.0)  # of the axis: a few rows may mislead without end


def downstream_figure(analysis: xr.Dataset, labels: Mapping[str, str]) -> Figure:
    """The figure of a study; labels: of the runs, by id."""
    if "downstream" not in analysis:
        return empty_figure("This study does not ask how few labels tell a factor (analyses.downstream).")
    curves = analysis["downstream"].transpose("run", "factor", "labels", "bound")
    factors = [str(name) for name in curves["factor"].values if curves.sel(factor=name).notnull().any()]
    with plt.rc_context(STYLE):
        columns = min(COLUMNS, len(factors))
        size = (2.3 * columns, 2.0 * -(-len(factors) // columns) + 0.9)
        figure, axes = plt.subplots(-(-len(factors) // columns), columns, figsize=size, squeeze=False, sharey=True,
                                    layout="constrained")  # fmt: skip
        for ax, factor in zip(axes.flat, factors, strict=False):
            _panel(ax, curves.sel(factor=factor), labels)
            ax.set_title(factor)
        for ax in axes.flat[len(factors) :]:
            ax.axis("off")
        for ax in axes[:, 0]:
            ax.set_ylabel("1 − R² on test rows")
        for ax in axes.flat[max(0, len(factors) - columns) : len(factors)]:
            ax.set_xlabel("labelled rows")
        handles = axes[0, 0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=7)
    return figure


def _panel(ax: Axes, curves: xr.DataArray, labels: Mapping[str, str]) -> None:
    present = [str(run) for run in curves["run"].values if curves.sel(run=run).notnull().any()]
    numbers = curves["labels"].values
    for run in present:
        name = run.removeprefix("control-").split("-")[0]
        if run.startswith("control-") and name in BASELINES:
            words, values = run.replace(f"control-{name}", CONTROLS[name]), 1 - curves.sel(run=run, bound="mean").values
            ax.plot(numbers, values, BASELINES[name], color="0.5", lw=1, label=words)
    for place, label in enumerate(dict.fromkeys(labels.values())):
        runs = [run for run in present if labels.get(run) == label]
        if runs:
            mean, low, high = _bounds(curves.sel(run=runs))
            colour = SERIES[place % len(SERIES)]
            ax.plot(numbers, 1 - mean, "o-", ms=2.5, lw=1, color=colour, label=label)
            ax.fill_between(numbers, (1 - high).clip(ENDS[0]), 1 - low, color=colour, alpha=0.2, lw=0)
    ax.set_xscale("log", base=2)
    ax.set_xticks(numbers)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.tick_params(axis="x", labelrotation=45)
    ax.set_yscale("log")
    ax.set_ylim(*ENDS)
    ax.axhline(1, color="0.8", lw=0.6, zorder=0)


def _bounds(curves: xr.DataArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, low and high of the runs of a label, each (labels,): Student's over two or more seeds, else over draws."""
    if curves.sizes["run"] < 2:
        mean, low, high = (curves.isel(run=0).sel(bound=bound).values for bound in ("mean", "low", "high"))
        return mean, low, high
    means = curves.sel(bound="mean").values
    half = student(len(means) - 1) * means.std(0, ddof=1) / np.sqrt(len(means))
    return means.mean(0), means.mean(0) - half, means.mean(0) + half
