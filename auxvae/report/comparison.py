"""The main scores of every method side by side: one panel for each score, one row for each label."""

from __future__ import annotations

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator

from auxvae.metrics.columns import column
from auxvae.report.figures import COLOURS, COLUMNS, STYLE, empty_figure


def comparison_figure(cells: pd.DataFrame, values: pd.DataFrame, metrics: tuple[str, ...]) -> Figure:
    """One panel per metric that any run has, one row per label: the value of each seed, their mean, its 95 % interval.

    cells has mean, low and high for every (label, metric); values has the columns label, metric and value.
    """
    values = values[values["metric"].isin(metrics)]
    metrics = tuple(metric for metric in metrics if metric in set(values["metric"]))
    if not metrics:
        return empty_figure("No run of this study has a score by which methods are compared.")
    with plt.rc_context(STYLE):
        names = list(dict.fromkeys(values["label"]))
        bands, columns = -(-len(metrics) // COLUMNS), min(len(metrics), COLUMNS)
        size = (1.35 * columns + 1.7, (0.15 * len(names) + 0.6) * bands)
        figure, axes = plt.subplots(bands, columns, figsize=size, sharey=True, squeeze=False, layout="constrained")
        for ax, metric in zip(axes.flat, metrics, strict=False):
            _compare(ax, cells, values[values["metric"] == metric], names, metric)
        for ax in axes.flat[len(metrics) :]:
            ax.axis("off")
        for ax in axes[:, 0]:
            ax.set_yticks(range(len(names)), names, size=6)
        axes[0, 0].invert_yaxis()
    return figure


def _compare(ax: Axes, cells: pd.DataFrame, values: pd.DataFrame, names: list[str], metric: str) -> None:
    """The values and cells of one metric, one row per name."""
    ax.plot(values["value"], [names.index(label) for label in values["label"]], ".", color="0.6", ms=3)
    of_metric = cells.xs(metric, level=1)
    rows = [names.index(str(name)) for name in of_metric.index]
    ax.hlines(rows, of_metric["low"], of_metric["high"], color=COLOURS["aux"], lw=1)
    ax.plot(of_metric["mean"], rows, "o", color=COLOURS["aux"], ms=3.5)
    ax.set_xlabel(metric)
    entry = column(metric)
    if entry and entry.logarithmic and values["value"].max() > 3 * values["value"].min() > 0:
        _logarithmic(ax)
    ax.grid(axis="y", color="0.92", lw=0.6)


def _logarithmic(ax: Axes) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(FormatStrFormatter("%d"))
    ax.xaxis.set_minor_locator(NullLocator())
