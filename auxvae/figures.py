"""Figures from labelled data sets and tables, never from a run: matplotlib without a screen, one PDF and one PNG each.

Colours are Okabe & Ito's, which the colour-blind tell apart; every axis has its unit; bands are 95 % intervals.
"""

from __future__ import annotations

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

from foundation.files import finished

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
        with finished(path.with_suffix(suffix)) as part:
            figure.savefig(part, metadata=metadata, bbox_inches="tight")
    plt.close(figure)


def correlation_figure(analysis: xr.Dataset, titles: dict[str, str]) -> Figure:
    """|rho| of every latent with every factor, one panel per run."""
    with plt.rc_context(STYLE):
        runs = list(titles)
        figure, axes = plt.subplots(1, len(runs), figsize=(2.1 * len(runs) + 0.6, 3.0), squeeze=False, sharey=True)
        for ax, run in zip(axes[0], runs, strict=True):
            shown = _matrix(ax, abs(analysis["rho"].sel(run=run)))
            ax.set_title(titles[run])
        axes[0, 0].set_ylabel("latent")
        figure.colorbar(shown, ax=axes, label="|ρ|", shrink=0.8)
    return figure


def _matrix(ax: Axes, matrix: xr.DataArray) -> mpl.image.AxesImage:
    shown = ax.imshow(matrix.values, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    ax.set_xticks(range(matrix.sizes["factor"]), [str(f) for f in matrix["factor"].values], rotation=60, ha="right")
    ax.set_yticks(range(matrix.sizes["latent"]), [f"z{int(j)}" for j in matrix["latent"].values])
    for (j, k), value in np.ndenumerate(matrix.values):
        if value >= 0.3:
            ax.text(k, j, f"{value:.2f}", ha="center", va="center", size=6, color="white" if value > 0.6 else "black")
    return shown


def sensitivity_figure(analysis: xr.Dataset, titles: dict[str, str], measure: str) -> Figure:
    """Loss of one measure against the scale of the perturbation, per block above and per latent of it below."""
    with plt.rc_context(STYLE):
        runs = list(titles)
        size = (2.1 * len(runs) + 0.6, 3.6)
        figure, axes = plt.subplots(2, len(runs), figsize=size, squeeze=False, sharex=True, sharey="row")
        for (row, name), (column, run) in ((a, b) for a in enumerate(_DROPS) for b in enumerate(runs)):
            _curves(axes[row, column], analysis[name].sel(run=run, measure=measure))
            axes[0, column].set_title(titles[run])
        axes[0, 0].set_ylabel(f"loss of {measure}\nper block")
        axes[1, 0].set_ylabel(f"loss of {measure}\nper latent of the block")
        figure.supxlabel("perturbation (standard deviations of the latent)")
        if axes[0, 0].lines:
            axes[0, 0].legend(*axes[0, -1].get_legend_handles_labels(), frameon=False)
    return figure


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


def history_figure(histories: dict[str, pd.DataFrame]) -> Figure:
    """Reconstruction of training and validation rows per epoch, one line a run."""
    with plt.rc_context(STYLE):
        figure, ax = plt.subplots(figsize=(4.2, 2.8))
        for i, (name, history) in enumerate(histories.items()):
            ax.plot(history["epoch"], history["validation_reconstruction"], color=f"C{i}", label=name)
            ax.plot(history["epoch"], history["train_reconstruction"], ":", color=f"C{i}", lw=0.8)
        ax.set(xlabel="epoch", ylabel="reconstruction (nats per image)", yscale="log")
        ax.legend(frameon=False, title="validation (dotted: training)", title_fontsize=7, fontsize=7)
    return figure
