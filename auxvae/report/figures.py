"""Figures of scores and curves from labelled data sets and tables, one PDF and one PNG each, without a display.

Colours are Okabe & Ito's, distinct for the colour-blind; every axis has its unit; bands are 95 % intervals. Runs
without the values that a figure shows are left out of it; a figure of no run is a panel with a sentence.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import matplotlib as mpl
import numpy as np
import xarray as xr

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from auxvae.metrics.posterior import ACTIVE
from foundation.files import atomic_write

T = TypeVar("T")
DESCRIPTION = "Description"  # of a PNG without a drawing, the sentence in its place
COLUMNS = 4  # panels side by side, so that a figure is as wide as a page
PANELS = 16  # of a figure; a study of more labels shows so many of them
COLOURS = {"aux": "#0072B2", "recon": "#D55E00"}
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 7,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "pdf.fonttype": 42,  # text that stays text
    "figure.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 180,
}


def save(figure: Figure, path: Path) -> None:
    """The figure as path.pdf and path.png, without dates, so that equal data give equal files."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine(None)  # the layout is solved once, not for each file
    said = {DESCRIPTION: figure.get_label()} if figure.get_label() else {}
    for suffix, metadata in ((".pdf", {"CreationDate": None}), (".png", {"Software": None, **said})):
        with atomic_write(path.with_suffix(suffix)) as part:
            figure.savefig(part, metadata=metadata)
    plt.close(figure)


def sentence_of(path: Path) -> str:
    """What a PNG says in place of a drawing; '' of one that shows something."""
    with Image.open(path) as image:
        return str(image.info.get(DESCRIPTION, ""))


def empty_figure(sentence: str) -> Figure:
    """A panel with a sentence, where there is nothing to draw; the sentence is its label, too."""
    with plt.rc_context(STYLE):
        figure, ax = plt.subplots(figsize=(4.2, 1.0), layout="constrained")
        ax.axis("off")
        ax.text(0.5, 0.5, "\n".join(textwrap.wrap(sentence, 60)), ha="center", va="center")
        figure.set_label(sentence)
    return figure


def runs_with(variable: str, analysis: xr.Dataset, titles: dict[str, str]) -> dict[str, str]:
    """Titles of the runs that have values of a variable."""
    if variable not in analysis:
        return {}
    present = {str(run) for run in analysis["run"].values if analysis[variable].sel(run=run).notnull().any()}
    return {run: title for run, title in titles.items() if run in present}


def few(named: Mapping[str, T], most: int = PANELS) -> dict[str, T]:
    """All entries, or so many of them, evenly spaced, the first and the last among them."""
    chosen = {round(place) for place in np.linspace(0, len(named) - 1, min(most, len(named)))}
    return {name: each for place, (name, each) in enumerate(named.items()) if place in chosen}


def how_many(shown: int, of: int) -> str:
    """The sentence of a figure that shows some rows of the tables; '' of one that shows all."""
    return "" if shown == of else f"{shown} of the {of} rows of the tables, evenly spaced"


def correlation_figure(analysis: xr.Dataset, titles: dict[str, str]) -> Figure:
    """|rho| of every latent with every factor, one panel per run; inactive latents have a ○."""
    every = runs_with("rho", analysis, titles)
    if not every:
        return empty_figure("No run of this study has latents and factors to correlate.")
    titles = few(every)
    with plt.rc_context(STYLE):
        rows, columns = -(-len(titles) // COLUMNS), min(len(titles), COLUMNS)
        size = (1.6 * columns + 0.7, 2.5 * rows + 0.2)
        figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
        for ax, run in zip(axes.flat, titles, strict=False):
            rho = abs(analysis["rho"].sel(run=run)).dropna("factor", how="all").dropna("latent", how="all")
            colours = _matrix(ax, rho, inactive(analysis, run))
            ax.set_title(wrapped(titles[run]))
        for ax in axes.flat[len(titles) :]:
            ax.axis("off")
        figure.supylabel("latent (○ inactive)", size=8)
        figure.suptitle(how_many(len(titles), len(every)))
        figure.colorbar(colours, ax=axes, label="|ρ|", shrink=0.8 / rows, aspect=14)
    return figure


def inactive(analysis: xr.Dataset, run: str) -> set[int]:
    """The numbers of the latents of a run that hold less than 0.01 nat; none where nobody has computed it."""
    if "latent_nats" not in analysis:
        return set()
    nats = analysis["latent_nats"].sel(run=run).dropna("latent")
    return {int(latent) for latent in nats["latent"].values[nats.values < ACTIVE]}


def wrapped(title: str) -> str:
    """A title in lines that fit a panel."""
    return "\n".join(textwrap.wrap(title, 24))


def _matrix(ax: Axes, matrix: xr.DataArray, silent: set[int]) -> mpl.image.AxesImage:
    colours = ax.imshow(matrix.values, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    ax.set_xticks(range(matrix.sizes["factor"]), [str(f) for f in matrix["factor"].values], rotation=60, ha="right")
    latents = [int(latent) for latent in matrix["latent"].values]
    ax.set_yticks(range(len(latents)), [f"{'○ ' if j in silent else ''}z{j}" for j in latents])
    for label, latent in zip(ax.get_yticklabels(), latents, strict=True):
        label.set_color("0.6" if latent in silent else "black")
    for (j, k), value in np.ndenumerate(matrix.values):
        if value >= 0.3:
            ax.text(k, j, f"{value:.2f}", ha="center", va="center", size=6, color="white" if value > 0.6 else "black")
    return colours


def sensitivity_figure(analysis: xr.Dataset, titles: dict[str, str], measure: str) -> Figure:
    """Loss of one measure against the scale of the perturbation: by block above, per latent of the block below."""
    every = runs_with("drop", analysis, titles)
    if not every:
        return empty_figure(f"No run of this study decodes: there is no loss of {measure} to show.")
    titles = few(every, PANELS // 2)
    with plt.rc_context(STYLE):
        bands, columns = -(-len(titles) // COLUMNS), min(len(titles), COLUMNS)
        size = (1.6 * columns + 0.7, 3.2 * bands + 0.3)
        figure, axes = plt.subplots(2 * bands, columns, figsize=size, squeeze=False, sharex=True, layout="constrained")
        for (place, run), (below, name) in ((a, b) for a in enumerate(titles) for b in enumerate(_DROPS)):
            ax = axes[2 * (place // COLUMNS) + below, place % COLUMNS]
            _curves(ax, analysis[name].sel(run=run, measure=measure))
            ax.set_title("" if below else wrapped(titles[run]))
        _share_ranges(axes, len(titles))
        for row, name in enumerate(("block", "latent of it") * bands):
            axes[row, 0].set_ylabel(f"loss of {measure}\nper {name}")
        figure.supxlabel("perturbation (standard deviations of the latent)", size=8)
        figure.suptitle(how_many(len(titles), len(every)))
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
