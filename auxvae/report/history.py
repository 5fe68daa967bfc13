"""Training curves: every term of the loss against the epoch, on validation and on training rows, a panel for each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from auxvae.report.figures import SERIES, STYLE, empty_figure, few, how_many, wrapped

COLUMNS = 3


def history_figure(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """The figure; histories: by label, with the columns epoch, validation_TERM and train_TERM."""
    shown = few(histories, len(SERIES))
    terms = list(dict.fromkeys(term for history in shown.values() for term in _terms(history)))
    if not terms:
        return empty_figure("No run of this study has a term of its loss to follow.")
    with plt.rc_context(STYLE):
        rows, columns = -(-len(terms) // COLUMNS), min(len(terms), COLUMNS)
        size = (2.2 * columns + 0.4, 1.7 * rows + 0.16 * (len(shown) + 3))
        figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
        for ax, term in zip(axes.flat, terms, strict=False):
            _curves(ax, shown, term)
        for ax in axes.flat[len(terms) :]:
            ax.axis("off")
        for ax in axes[:, 0]:
            ax.set_ylabel("nats per image")
        for ax in axes[-1]:
            ax.set_xlabel("epoch")
        lines = [Line2D([], [], color=colour) for colour in SERIES[: len(shown)]]
        figure.legend(lines, list(shown), loc="outside lower center", ncols=2, frameon=False)
        figure.suptitle(how_many(len(shown), len(histories)))
    return figure


def _terms(history: pd.DataFrame) -> list[str]:
    """What was measured on validation and on training rows: the terms of the loss, and no metric."""
    names = (str(name).removeprefix("validation_") for name in history if str(name).startswith("validation_"))
    return [name for name in names if f"train_{name}" in history]


def _curves(ax: Axes, histories: Mapping[str, pd.DataFrame], term: str) -> None:
    """One term: a solid line for validation rows, a dotted one for training rows."""
    for colour, history in zip(SERIES, histories.values(), strict=False):
        if f"train_{term}" in history:
            ax.plot(history["epoch"], history[f"validation_{term}"], color=colour, lw=1)
            ax.plot(history["epoch"], history[f"train_{term}"], ":", color=colour, lw=0.8)
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=np.float64) for line in ax.lines])
    values = values[np.isfinite(values)]
    if values.size and values.max() > 3 * values.min() > 0:
        ax.set_yscale("log")
    ax.set_title(wrapped(term))
