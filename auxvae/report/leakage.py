"""Leakage as bars: what residual latents say of the factors that a model was given, and how much they hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from auxvae.report.figures import COLOURS, STYLE, empty_figure

PANELS = {"leakage": "leakage (R²)", "kl_recon": "nats in residual latents"}
CHANCE = {"leakage": "leakage_chance"}


def leakage_figure(cells: pd.DataFrame) -> Figure:
    """The figure; cells: mean, low and high of every (label, metric), as auxvae.report.tables.cells has them."""
    metrics = {str(metric) for _, metric in cells.index}
    panels = {name: words for name, words in PANELS.items() if name in metrics}
    if "leakage" not in panels:
        return empty_figure("No run of this study has auxiliary and residual latents, between which something leaks.")
    names = list(cells.xs("leakage", level=1).index)
    with plt.rc_context(STYLE):
        size = (1.7 * len(panels) + 1.8, 0.15 * len(names) + 0.8)
        figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False, layout="constrained")
        for ax, (metric, words) in zip(axes[0], panels.items(), strict=True):
            _bars(ax, cells, names, metric)
            ax.set_xlabel(words)
        axes[0, 0].set_yticks(range(len(names)), names, size=6)
        axes[0, 0].invert_yaxis()
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False)
    return figure


def _bars(ax: Axes, cells: pd.DataFrame, names: list[str], metric: str) -> None:
    """Means as bars with their intervals, and a line at what chance gives."""
    values = cells.xs(metric, level=1).reindex(names)
    rows, mean = np.arange(len(names)), values["mean"].to_numpy()
    ends = np.array([mean - values["low"], values["high"] - mean])
    ax.barh(rows, mean, color=COLOURS["recon"], alpha=0.75, height=0.7)
    ax.errorbar(mean, rows, xerr=np.clip(np.nan_to_num(ends), 0, None), fmt="none", ecolor="black", lw=0.8)
    ax.axvline(0, color="0.4", lw=0.6)
    if CHANCE.get(metric, "") in cells.index.get_level_values(1):
        chance = cells.xs(CHANCE[metric], level=1).reindex(names)["high"]
        ax.plot(chance, rows, "|", color=COLOURS["aux"], ms=6, mew=1.4, label="upper end of chance")
