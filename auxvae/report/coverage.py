"""The coverage ablation as a figure: what the residual latents tell of every factor, and what giving factors costs.

Left, a row for every method and coverage: R^2 of each factor from samples of the residual latents (`recon_tells`). It
should be high where the factor was not given, since the model found it, and 0 where it was given as an auxiliary
variable (framed) or beside the image (dotted frame): more is leakage. Right, where coverages of several sizes are
compared, scores against the number of factors given, with 95 % intervals over the seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from auxvae.config.run import Run
from auxvae.report.figures import SERIES, STYLE, empty_figure
from auxvae.report.tables import cells

TELLS = "recon_tells_"
CURVES = {
    "leakage": "leakage",
    "lds_all_corrected": "corrected LDS, all factors",
    "nats": "nats per image",
    "kl_recon": "nats in residual latents",
}


def coverage_figure(scores: pd.DataFrame, runs: tuple[Run, ...], labels: Mapping[str, str]) -> Figure:
    """The figure of a study; scores: of test rows, with the columns run, metric and value; labels: by run id."""
    shown = {labels[run.id]: run for run in runs if run.aux and run.composition.has_aux_latents}
    if not shown:
        return empty_figure("No run of this study is given factors.")
    values = cells(scores, {run.id: labels[run.id] for run in runs if labels[run.id] in shown})
    means = values["mean"].unstack() if len(values) else pd.DataFrame()
    with plt.rc_context(STYLE):
        factors = list(dict.fromkeys(factor for run in shown.values() for factor in run.dataset.factors))
        curves = CURVES if len({len(run.aux) for run in shown.values()}) > 1 else {}
        panels: list[Any] = [["matrix", *list(curves)[:2]], ["matrix", *list(curves)[2:]]]
        size = (7.1 if curves else 4.2, max(4.0, 0.17 * len(shown) + 1.6))
        ratios = [1.6, 1, 1] if curves else [1]
        figure = plt.figure(figsize=size, layout="constrained")
        axes = figure.subplot_mosaic(panels, width_ratios=ratios)
        colours = _matrix(axes["matrix"], means, shown, factors)
        figure.colorbar(colours, ax=axes["matrix"], label="R² from the residual latents", shrink=0.6, location="bottom")
        for metric, words in curves.items():
            _curve(axes[metric], values, shown, metric)
            axes[metric].set_title(words)
        handles = axes["nats"].get_legend_handles_labels() if curves else ([], [])
        if len(handles[0]) > 1:
            figure.legend(*handles, loc="outside lower right", ncols=2, frameon=False)
    return figure


def _matrix(ax: Axes, means: pd.DataFrame, shown: Mapping[str, Run], factors: list[str]) -> mpl.image.AxesImage:
    """R^2 of every factor, a row for each label; the factors that its runs were given are framed, inputs dotted."""
    matrix = means.reindex(index=list(shown), columns=[f"{TELLS}{factor}" for factor in factors]).to_numpy(dtype=float)
    colours = ax.imshow(matrix, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    ax.set_xticks(range(len(factors)), factors, rotation=60, ha="right")
    ax.set_yticks(range(len(shown)), list(shown), size=6)
    for (row, column), value in np.ndenumerate(matrix):
        if np.isfinite(value):
            ax.text(column, row, f"{max(value, 0):.2f}", ha="center", va="center", size=5, color=_ink(value))
    for row, run in enumerate(shown.values()):
        lines = {**dict.fromkeys(run.aux, "-"), **dict.fromkeys(run.settings.inputs, ":")}
        for factor, line in ((factor, line) for factor, line in lines.items() if factor in factors):
            corner = (factors.index(factor) - 0.46, row - 0.42)
            ax.add_patch(Rectangle(corner, 0.92, 0.84, fill=False, lw=0.9, ls=line, ec=SERIES[1]))
    return colours


def _ink(value: float) -> str:
    return "white" if value > 0.6 else "black"


def _curve(ax: Axes, values: pd.DataFrame, shown: Mapping[str, Run], metric: str) -> None:
    """One score of every coverage against its number of factors, and the mean over the coverages of a number."""
    series: dict[str, list[tuple[int, Any]]] = {}
    for label, run in shown.items():
        if (label, metric) in values.index:
            series.setdefault(_without_coverage(label, run), []).append((len(run.aux), values.loc[(label, metric)]))
    for place, (name, points) in enumerate(series.items()):
        colour, shift = SERIES[place % len(SERIES)], 0.5 * ((place + 0.5) / len(series) - 0.5)
        sizes = np.array([size for size, _ in points]) + shift
        mean, low, high = (np.array([cell[end] for _, cell in points]) for end in ("mean", "low", "high"))
        ax.errorbar(sizes, mean, [mean - low, high - mean], fmt="o", ms=2.5, lw=0.7, color=colour, alpha=0.6)
        by_size = pd.Series(mean).groupby(sizes).mean()
        ax.plot(by_size.index, by_size, "-", color=colour, lw=1.2, label=name)
    ax.set_xlabel("factors given")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def _without_coverage(label: str, run: Run) -> str:
    """What the runs of one curve share: the label without the name of the coverage."""
    return label.replace(f"{run.method} {run.coverage}", run.method, 1)
