"""Figures of scores and curves from labelled data sets and tables, one PDF and one PNG each, without a display.

Colours are Okabe & Ito's, distinct for the colour-blind; every axis has its unit; bands are 95 % intervals. Runs
without the values that a figure shows are left out of it; a figure of no run is a panel with a sentence.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from auxvae.metrics.columns import column
from foundation.files import atomic_write

COLUMNS = 5  # panels side by side
COLOURS = {"aux": "#0072B2", "recon": "#D55E00"}
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 160,
}


def save(figure: Figure, path: Path) -> None:
    """The figure as path.pdf and path.png, without dates, so that equal data give equal files."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the layout is solved once, not for each file
    for suffix, metadata in ((".pdf", {"CreationDate": None}), (".png", {"Software": None})):
        with atomic_write(path.with_suffix(suffix)) as part:
            figure.savefig(part, metadata=metadata)
    plt.close(figure)


def empty_figure(sentence: str) -> Figure:
    """A panel with a sentence, where there is nothing to draw."""
    with plt.rc_context(STYLE):
        figure, ax = plt.subplots(figsize=(4.2, 1.0), layout="constrained")
        ax.axis("off")
        ax.text(0.5, 0.5, "\n".join(textwrap.wrap(sentence, 60)), ha="center", va="center")
    return figure


def runs_with(variable: str, analysis: xr.Dataset, titles: dict[str, str]) -> dict[str, str]:
    """Titles of the runs that have values of a variable."""
    if variable not in analysis:
        return {}
    present = {str(run) for run in analysis["run"].values if analysis[variable].sel(run=run).notnull().any()}
    return {run: title for run, title in titles.items() if run in present}


def correlation_figure(analysis: xr.Dataset, titles: dict[str, str]) -> Figure:
    """|rho| of every latent with every factor, one panel per run."""
    titles = runs_with("rho", analysis, titles)
    if not titles:
        return empty_figure("No run of this study has latents and factors to correlate.")
    with plt.rc_context(STYLE):
        rows, columns = -(-len(titles) // COLUMNS), min(len(titles), COLUMNS)
        size = (2.1 * columns + 0.6, 3.0 * rows)
        figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
        for ax, run in zip(axes.flat, titles, strict=False):
            rho = abs(analysis["rho"].sel(run=run)).dropna("factor", how="all").dropna("latent", how="all")
            colours = _matrix(ax, rho)
            ax.set_title(_wrapped(titles[run]))
        for ax in axes.flat[len(titles) :]:
            ax.axis("off")
        figure.supylabel("latent")
        figure.colorbar(colours, ax=axes, label="|ρ|", shrink=0.8)
    return figure


def _wrapped(title: str) -> str:
    return "\n".join(textwrap.wrap(title, 24))


def _matrix(ax: Axes, matrix: xr.DataArray) -> mpl.image.AxesImage:
    colours = ax.imshow(matrix.values, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    ax.set_xticks(range(matrix.sizes["factor"]), [str(f) for f in matrix["factor"].values], rotation=60, ha="right")
    ax.set_yticks(range(matrix.sizes["latent"]), [f"z{int(j)}" for j in matrix["latent"].values])
    for (j, k), value in np.ndenumerate(matrix.values):
        if value >= 0.3:
            ax.text(k, j, f"{value:.2f}", ha="center", va="center", size=6, color="white" if value > 0.6 else "black")
    return colours


def sensitivity_figure(analysis: xr.Dataset, titles: dict[str, str], measure: str) -> Figure:
    """Loss of one measure against the scale of the perturbation: by block above, per latent of the block below."""
    titles = runs_with("drop", analysis, titles)
    if not titles:
        return empty_figure(f"No run of this study decodes: there is no loss of {measure} to show.")
    with plt.rc_context(STYLE):
        bands, columns = -(-len(titles) // COLUMNS), min(len(titles), COLUMNS)
        size = (2.1 * columns + 0.6, 3.6 * bands)
        figure, axes = plt.subplots(2 * bands, columns, figsize=size, squeeze=False, sharex=True, layout="constrained")
        for (place, run), (below, name) in ((a, b) for a in enumerate(titles) for b in enumerate(_DROPS)):
            ax = axes[2 * (place // COLUMNS) + below, place % COLUMNS]
            _curves(ax, analysis[name].sel(run=run, measure=measure))
            ax.set_title("" if below else _wrapped(titles[run]))
        _share_ranges(axes, len(titles))
        for row, name in enumerate(("block", "latent of it") * bands):
            axes[row, 0].set_ylabel(f"loss of {measure}\nper {name}")
        figure.supxlabel("perturbation (standard deviations of the latent)")
        if axes[0, 0].lines:
            axes[0, 0].legend(*axes[0, -1].get_legend_handles_labels(), frameon=False)
    return figure


def _share_ranges(axes: NDArray[Any], panels: int) -> None:
    """One range for all panels by block and one for all per latent; panels without a run are left empty."""
    for below in (0, 1):
        row = axes[below::2].ravel()
        limits = np.array([ax.get_ylim() for ax in row[:panels]])
        for ax in row[:panels]:
            ax.set_ylim(limits[:, 0].min(), limits[:, 1].max())
        for ax in row[panels:]:
            ax.axis("off")


_DROPS = ("drop", "drop_per_latent")


def _curves(ax: Axes, drops: xr.DataArray) -> None:
    for block in drops["block"].values:
        curve = drops.sel(block=block).dropna("scale", how="all")
        if curve.size:
            colour, scale = COLOURS[str(block)], curve["scale"].values
            ax.plot(scale, curve.sel(bound="mean"), "o-", ms=3, color=colour, label=f"z_{block}")
            ax.fill_between(scale, curve.sel(bound="low"), curve.sel(bound="high"), alpha=0.25, color=colour, lw=0)
    ax.axhline(0, color="0.7", lw=0.6, zorder=0)


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
        size = (1.9 * len(metrics) + 1.6, 0.19 * len(names) + 0.7)
        figure, axes = plt.subplots(1, len(metrics), figsize=size, sharey=True, squeeze=False, layout="constrained")
        for ax, metric in zip(axes[0], metrics, strict=True):
            _compare(ax, cells, values[values["metric"] == metric], names, metric)
        axes[0, 0].set_yticks(range(len(names)), names)
        axes[0, 0].invert_yaxis()
    return figure


def _compare(ax: Axes, cells: pd.DataFrame, values: pd.DataFrame, names: list[str], metric: str) -> None:
    """The values and cells of one metric, one row per name."""
    ax.plot(values["value"], [names.index(label) for label in values["label"]], ".", color="0.6", ms=3)
    for name, cell in cells.xs(metric, level=1).iterrows():
        row = names.index(str(name))
        ax.plot([cell["low"], cell["high"]], [row, row], "-", color=COLOURS["aux"], lw=1)
        ax.plot(cell["mean"], row, "o", color=COLOURS["aux"], ms=3.5)
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


def history_figure(histories: dict[str, pd.DataFrame]) -> Figure:
    """Reconstruction of training and validation rows per epoch, one line for each run that decodes."""
    histories = {name: history for name, history in histories.items() if "validation_reconstruction" in history}
    if not histories:
        return empty_figure("No run of this study decodes: there is no reconstruction to follow.")
    with plt.rc_context(STYLE):
        figure, ax = plt.subplots(figsize=(4.2, 2.8), layout="constrained")
        for i, (name, history) in enumerate(histories.items()):
            ax.plot(history["epoch"], history["validation_reconstruction"], color=f"C{i}", label=name)
            ax.plot(history["epoch"], history["train_reconstruction"], ":", color=f"C{i}", lw=0.8)
        ax.set(xlabel="epoch", ylabel="reconstruction (nats per image)", yscale="log")
        ax.legend(frameon=False, title="validation (dotted: training)", title_fontsize=7, fontsize=7)
    return figure
