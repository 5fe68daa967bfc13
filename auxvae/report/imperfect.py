"""What imperfect auxiliary variables cost, as a figure: scores against noise, bias, exchanges and gaps.

A column for each kind of imperfection (auxvae.config.imperfect), a row for each score: points are the means over the
seeds with their 95 % intervals. Lines across are the standards: the same method with perfect auxiliary variables, and
methods that are given none. Scores are against the true factors, whatever the model was trained on. Runs with several
imperfections at once, or of some factors only, stand in the tables alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from auxvae.config.imperfect import Imperfect
from auxvae.config.run import Run
from auxvae.report.figures import SERIES, STYLE, empty_figure
from auxvae.report.tables import cells

KINDS = {
    "noise": "noise (shares of the range)",
    "observed": "rows with known values",
    "swapped": "rows with another's value",
    "bias": "bias (shares of the range)",
}
SCORES = {"lds_sampled_corrected": "corrected LDS\nof samples", "leakage": "leakage", "nats": "nats per image"}
LOGARITHMIC = ("noise", "observed")
PERFECT, NONE = SERIES[2], "0.5"


class Level(NamedTuple):
    """One imperfection of all auxiliary variables, and how much of it; of perfect ones the kind is ''."""

    kind: str
    amount: float


def level_of(imperfect: Imperfect | None) -> Level | None:
    """The level of a run; None where it has several imperfections, or some factors have it and others not."""
    if imperfect is None:
        return Level("", 0)
    neutral = {"noise": 0, "bias": 0, "swapped": 0, "observed": 1}
    differing = [kind for kind, value in neutral.items() if getattr(imperfect, kind) != value]
    if len(differing) > 1 or imperfect.of:
        return None
    return Level(differing[0], getattr(imperfect, differing[0]))


def imperfect_figure(scores: pd.DataFrame, runs: tuple[Run, ...], labels: Mapping[str, str]) -> Figure:
    """The figure of a study; scores: of test rows, with the columns run, metric and value; labels: by run id."""
    levels = {labels[run.id]: level_of(run.settings.imperfect) for run in runs if run.aux}
    kinds = [kind for kind in KINDS if any(level and level.kind == kind for level in levels.values())]
    if not kinds:
        return empty_figure("No run of this study has imperfect auxiliary variables.")
    methods = {labels[run.id]: run.method for run in runs}
    values = cells(scores, {run.id: labels[run.id] for run in runs})
    with plt.rc_context(STYLE):
        size = (min(7.1, 1.9 * len(kinds) + 1.4), 4.6)
        figure, axes = plt.subplots(
            len(SCORES), len(kinds), figsize=size, sharex="col", sharey="row", squeeze=False, layout="constrained"
        )
        for row, (metric, words) in enumerate(SCORES.items()):
            axes[row, 0].set_ylabel(words)
            for column, kind in enumerate(kinds):
                _panel(axes[row, column], values, levels, methods, metric, kind)
        for ax, kind in zip(axes[-1], kinds, strict=True):
            ax.set_xlabel(KINDS[kind])
            ax.set_xscale("log" if kind in LOGARITHMIC else "linear")
        figure.legend(*_legend(axes), loc="outside upper center", ncols=3, frameon=False)
    return figure


def _panel(
    ax: Axes,
    values: pd.DataFrame,
    levels: Mapping[str, Level | None],
    methods: Mapping[str, str],
    metric: str,
    kind: str,
) -> None:
    """One score against one kind of imperfection: a series for each method, and the standards across."""
    if metric not in values.index.get_level_values(1):
        return
    of_metric = values.xs(metric, level=1)
    for label, cell in of_metric.iterrows():
        level, method = levels.get(str(label)), methods[str(label)]
        if str(label) not in levels:
            _standard(ax, cell, NONE, f"{method}, given none")
        elif level is not None and not level.kind:
            _standard(ax, cell, PERFECT, f"{method}, perfect")
    shown = [label for label in of_metric.index if (level := levels.get(label)) and level.kind == kind]
    for place, method in enumerate(dict.fromkeys(methods[label] for label in shown)):
        series = of_metric.loc[[label for label in shown if methods[label] == method]]
        amounts = np.array([level.amount for label in series.index if (level := levels[label])])
        order = np.argsort(amounts)
        mean, low, high = (series[name].to_numpy()[order] for name in ("mean", "low", "high"))
        errors = np.clip([mean - low, high - mean], 0, None)
        ax.errorbar(amounts[order], mean, errors, fmt="o-", ms=3, lw=1, color=SERIES[place], label=method)


def _standard(ax: Axes, cell: pd.Series, colour: str, label: str) -> None:
    ax.axhspan(cell["low"], cell["high"], color=colour, alpha=0.15, lw=0)
    ax.axhline(cell["mean"], color=colour, lw=1, ls="--", label=label)


def _legend(axes: NDArray[Any]) -> tuple[list[Any], list[str]]:
    """Every line once, by its name."""
    by_name: dict[str, Any] = {}
    for ax in axes.flat:
        handles, names = ax.get_legend_handles_labels()
        by_name |= dict(zip(names, handles, strict=True))
    return list(by_name.values()), list(by_name)
