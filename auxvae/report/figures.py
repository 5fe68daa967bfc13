"""Figures from labelled data sets and tables, never from a run: matplotlib without a screen, one PDF and one PNG each.

Colours are Okabe & Ito's, which the colour-blind tell apart; every axis has its unit; bands are 95 % intervals.
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

from foundation.files import atomic_write

COLUMNS = 5  # panels side by side
NOTHING_DECODES = "no run of this study decodes: there are no images to compare"
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
    for suffix, metadata in ((".pdf", {"CreationDate": None}), (".png", {"Software": None})):
        with atomic_write(path.with_suffix(suffix)) as part:
            figure.savefig(part, metadata=metadata, bbox_inches="tight")
    plt.close(figure)


def correlation_figure(analysis: xr.Dataset, titles: dict[str, str]) -> Figure:
    """|rho| of every latent with every factor, one panel per run."""
    with plt.rc_context(STYLE):
        rows, columns = -(-len(titles) // COLUMNS), min(len(titles), COLUMNS)
        size = (2.1 * columns + 0.6, 3.0 * rows)
        figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
        for ax, run in zip(axes.flat, titles, strict=False):
            rho = abs(analysis["rho"].sel(run=run)).dropna("factor", how="all").dropna("latent", how="all")
            shown = _matrix(ax, rho)
            ax.set_title(_wrapped(titles[run]))
        for ax in axes.flat[len(titles) :]:
            ax.axis("off")
        figure.supylabel("latent")
        figure.colorbar(shown, ax=axes, label="|ρ|", shrink=0.8)
    return figure


def _has(analysis: xr.Dataset, name: str, run: str) -> bool:
    """Whether a variable has values for a run."""
    return name in analysis and bool(analysis[name].sel(run=run).notnull().any())


def _wrapped(title: str) -> str:
    return "\n".join(textwrap.wrap(title, 24))


def _matrix(ax: Axes, matrix: xr.DataArray) -> mpl.image.AxesImage:
    shown = ax.imshow(matrix.values, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    ax.set_xticks(range(matrix.sizes["factor"]), [str(f) for f in matrix["factor"].values], rotation=60, ha="right")
    ax.set_yticks(range(matrix.sizes["latent"]), [f"z{int(j)}" for j in matrix["latent"].values])
    for (j, k), value in np.ndenumerate(matrix.values):
        if value >= 0.3:
            ax.text(k, j, f"{value:.2f}", ha="center", va="center", size=6, color="white" if value > 0.6 else "black")
    return shown


def empty_figure(sentence: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    with plt.rc_context(STYLE):
        figure, ax = plt.subplots(figsize=(4.2, 1.2))
        ax.axis("off")
        ax.text(0.5, 0.5, sentence, ha="center", va="center")
    return figure


def sensitivity_figure(analysis: xr.Dataset, titles: dict[str, str], measure: str) -> Figure:
    """Loss of one measure against the scale of the perturbation, per block above and per latent of it below.

    Runs that do not decode have no panel.
    """
    titles = {run: title for run, title in titles.items() if _has(analysis, "drop", run)}
    if not titles:
        return empty_figure(NOTHING_DECODES)
    with plt.rc_context(STYLE):
        bands, columns = -(-len(titles) // COLUMNS), min(len(titles), COLUMNS)
        size = (2.1 * columns + 0.6, 3.6 * bands)
        figure, axes = plt.subplots(2 * bands, columns, figsize=size, squeeze=False, sharex=True, layout="constrained")
        for (place, run), (below, name) in ((a, b) for a in enumerate(titles) for b in enumerate(_DROPS)):
            ax = axes[2 * (place // COLUMNS) + below, place % COLUMNS]
            _curves(ax, analysis[name].sel(run=run, measure=measure))
            ax.set_title("" if below else _wrapped(titles[run]))
        _alike(axes, len(titles))
        for row, name in enumerate(("block", "latent of it") * bands):
            axes[row, 0].set_ylabel(f"loss of {measure}\nper {name}")
        figure.supxlabel("perturbation (standard deviations of the latent)")
        if axes[0, 0].lines:
            axes[0, 0].legend(*axes[0, -1].get_legend_handles_labels(), frameon=False)
    return figure


def _alike(axes: NDArray[Any], panels: int) -> None:
    """One range for all panels per block, one for all per latent; panels without a run are left empty."""
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


def traversal_figure(traversal: xr.Dataset, title: str) -> Figure:
    """Images along each latent, asinh-scaled, one row per latent."""
    if "image" not in traversal:
        return empty_figure(f"{title} does not decode: there are no images to draw")
    with plt.rc_context(STYLE):
        images = np.arcsinh(traversal["image"].isel(start=0).values / 10)
        latents, steps = images.shape[:2]
        figure, axes = plt.subplots(latents, steps, figsize=(0.62 * steps + 1.2, 0.62 * latents + 0.4))
        for (j, step), ax in np.ndenumerate(np.asarray(axes)):
            ax.imshow(images[j, step], cmap="magma", vmin=0, vmax=images.max())
            ax.set_xticks([], [])
            ax.set_yticks([], [])
            ax.set_xlabel(f"{float(traversal['value'][j, step]):.2g}", size=5, labelpad=1)
        for name, ax in zip(traversal["latent"].values, np.asarray(axes)[:, 0], strict=True):
            ax.set_ylabel(str(name), rotation=0, ha="right", va="center")
        figure.suptitle(f"{title}: each latent from its 1 % to its 99 % quantile")
    return figure


def reconstruction_figure(images: dict[str, xr.DataArray]) -> Figure:
    """Rows of stamps by name, (row of galaxies, y, x), asinh-scaled alike."""
    if not images:
        return empty_figure(NOTHING_DECODES)
    with plt.rc_context(STYLE):
        count = len(next(iter(images.values())))
        figure, axes = plt.subplots(len(images), count, figsize=(0.9 * count + 1.2, 0.9 * len(images)), squeeze=False)
        top = max(float(np.arcsinh(each / 10).max()) for each in images.values())
        for row, (name, stamps) in zip(axes, images.items(), strict=True):
            row[0].set_ylabel(name, rotation=0, ha="right", va="center")
            for ax, stamp in zip(row, stamps.values, strict=True):
                ax.imshow(np.arcsinh(stamp / 10), cmap="magma", vmin=0, vmax=top)
                ax.set_xticks([], [])
                ax.set_yticks([], [])
    return figure


def comparison_figure(cells: pd.DataFrame, values: pd.DataFrame, metrics: tuple[str, ...]) -> Figure:
    """One panel per metric, one row per label: each seed's value, their mean and its 95 % interval.

    cells has mean, low and high for every (label, metric); values the columns label, metric and value.
    """
    with plt.rc_context(STYLE):
        names = list(dict.fromkeys(values["label"]))
        size = (1.9 * len(metrics) + 1.6, 0.19 * len(names) + 0.7)
        figure, axes = plt.subplots(1, len(metrics), figsize=size, sharey=True, squeeze=False, layout="constrained")
        for ax, metric in zip(axes[0], metrics, strict=True):
            points = values[values["metric"] == metric]
            ax.plot(points["value"], [names.index(label) for label in points["label"]], ".", color="0.6", ms=3)
            for row, name in enumerate(names):
                if (name, metric) in cells.index:
                    cell = cells.loc[(name, metric)]
                    ax.plot([cell["low"], cell["high"]], [row, row], "-", color=COLOURS["aux"], lw=1)
                    ax.plot(cell["mean"], row, "o", color=COLOURS["aux"], ms=3.5)
            ax.set_xlabel(metric)
            if metric == "nats" and len(points) and points["value"].max() > 3 * points["value"].min():
                _logarithmic(ax)
            ax.grid(axis="y", color="0.92", lw=0.6)
        axes[0, 0].set_yticks(range(len(names)), names)
        axes[0, 0].invert_yaxis()
    return figure


def _logarithmic(ax: Axes) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(FormatStrFormatter("%d"))
    ax.xaxis.set_minor_locator(NullLocator())


def history_figure(histories: dict[str, pd.DataFrame]) -> Figure:
    """Reconstruction of training and validation rows per epoch, one line a run that has this term."""
    histories = {name: each for name, each in histories.items() if "train_reconstruction" in each}
    if not histories:
        return empty_figure("no run has a reconstruction term")
    with plt.rc_context(STYLE):
        figure, ax = plt.subplots(figsize=(4.2, 2.8))
        for i, (name, history) in enumerate(histories.items()):
            ax.plot(history["epoch"], history["validation_reconstruction"], color=f"C{i}", label=name)
            ax.plot(history["epoch"], history["train_reconstruction"], ":", color=f"C{i}", lw=0.8)
        ax.set(xlabel="epoch", ylabel="reconstruction (nats per image)", yscale="log")
        ax.legend(frameon=False, title="validation (dotted: training)", title_fontsize=7, fontsize=7)
    return figure
