"""The aggregate posterior of every latent beside its prior, as quantiles: one panel for each label.

Two codes that agree have bars of one length in one place; an inactive latent has those of its prior, too, so it is
marked: that it agrees says nothing.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from auxvae.report.figures import COLOURS, COLUMNS, STYLE, empty_figure, few, how_many, inactive, runs_with, wrapped

KINDS = {"prior_spread": ("0.55", -0.18, "prior"), "spread": (COLOURS["aux"], 0.18, "codes of test rows")}


def spread_figure(analysis: xr.Dataset, titles: dict[str, str]) -> Figure:
    """The figure, from `spread` and `prior_spread` (run, latent, quantile) of analysis.nc."""
    every = runs_with("spread", analysis, titles)
    if not every:
        return empty_figure("No run of this study has codes to compare with a prior.")
    shown = few(every)
    with plt.rc_context(STYLE):
        rows, columns = -(-len(shown) // COLUMNS), min(len(shown), COLUMNS)
        size = (1.7 * columns + 0.3, 1.5 * rows + 0.6)
        figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, sharey="row", layout="constrained")
        for ax, run in zip(axes.flat, shown, strict=False):
            _panel(ax, analysis.sel(run=run), inactive(analysis, run))
            ax.set_title(wrapped(shown[run]))
        for ax in axes.flat[len(shown) :]:
            ax.axis("off")
        figure.supylabel("value of the latent", size=8)
        figure.supxlabel("latent (○ inactive)", size=8)
        lines = [Line2D([], [], color=colour, lw=2) for colour, _, _ in KINDS.values()]
        figure.legend(lines, [name for *_, name in KINDS.values()], loc="outside upper right", ncols=2, frameon=False)
        figure.suptitle(how_many(len(shown), len(every)))
    return figure


def _panel(ax: Axes, run: xr.Dataset, silent: set[int]) -> None:
    """Thin: 2.5 to 97.5 %, thick: 25 to 75 %, a dot at the median."""
    latents = run["spread"].dropna("latent", how="all")["latent"].values
    for name, (colour, shift, _) in KINDS.items():
        if name in run:
            ends, places = run[name].sel(latent=latents).transpose("quantile", "latent").values, latents + shift
            ax.vlines(places, ends[0], ends[4], color=colour, lw=0.8)
            ax.vlines(places, ends[1], ends[3], color=colour, lw=2.4)
            ax.plot(places, ends[2], "o", color=colour, ms=1.6, mec="white", mew=0.3)
    step = max(1, len(latents) // 10)
    marked = [f"{j}\n○" if j in silent else f"{j}" for j in latents[::step]]
    ax.set_xticks(latents[::step], marked, size=6)
    ax.margins(x=0.02)
    ax.set_xlim(np.min(latents) - 0.6, np.max(latents) + 0.6)
