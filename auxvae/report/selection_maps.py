"""What `select` chose among, as maps over the weights: the rule's value on validation rows, and what it is made of.

A block for every choice (method and coverage), a panel for every quantity: the value of the rule, then those means over
seeds that selection.json has. The last two weights that vary are the axes, x the last; panels of a quantity stand side
by side over the values of the others. Weights are equally spaced, whatever their values, since grids of weights are
about logarithmic and hold 0. The chosen cell is framed; a cell without a number, since a run failed, is hatched.
After arXiv:2507.00298, Fig. 16.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from auxvae.report.figures import STYLE, empty_figure

WORDS = {  # quantities with their units, as far as they have any
    "mse_lds": "MSE × (1 - LDS)",
    "mse": "MSE (pixel range²)",
    "lds_sampled": "LDS of samples",
    "leakage": "leakage (R²)",
    "bound": "bound (nats per image)",
}
FRAME = "#D55E00"
WIDEST = 12  # panels in a row of a block
CELL, MARGIN = 0.44, 0.8  # inches
Weights = dict[str, float]


@dataclass(frozen=True)
class Grid:
    """The candidates of one choice, as selection.json holds them, by their place in the grid of weights."""

    choice: dict[str, Any]

    @cached_property
    def axes(self) -> dict[str, list[float]]:
        """Per weight that varies, in the order of the method's terms, its values in that of the config."""
        candidates = [each["weights"] for each in self.choice["candidates"]]
        values = {name: list(dict.fromkeys(each[name] for each in candidates)) for name in candidates[0]}
        return {name: each for name, each in values.items() if len(each) > 1}

    @property
    def plane(self) -> tuple[str, str]:
        """The weights along y and x; "" along y where one weight alone varies."""
        *_, y, x = ("", *self.axes)
        return y, x

    def panels(self) -> Iterator[Weights]:
        """Values of the weights that are on no axis, for each panel of a quantity."""
        others = [name for name in self.axes if name not in self.plane]
        for values in itertools.product(*(self.axes[name] for name in others)):
            yield dict(zip(others, values, strict=True))

    @property
    def quantities(self) -> list[str]:
        """The rule, then the means that any candidate has; not a score that is the rule itself."""
        names = (name for each in self.choice["candidates"] for name in each.get("means", {}))
        return list(dict.fromkeys([self.choice["rule"], *names]))

    def values(self, quantity: str, panel: Weights) -> NDArray[np.float64]:
        """A quantity over the plane (y, x); NaN where it is no number."""
        y, x = self.plane
        matrix = np.full((len(self.axes[y]) if y else 1, len(self.axes[x])), np.nan)
        for candidate in self._in(panel):
            value = candidate["value"] if quantity == self.choice["rule"] else candidate["means"].get(quantity)
            matrix[self._place(candidate)] = np.nan if value is None else value
        return matrix

    def chosen(self, panel: Weights) -> tuple[int, int] | None:
        """The chosen cell of the plane, if it lies there."""
        return next((self._place(each) for each in self._in(panel) if each["chosen"]), None)

    def _in(self, panel: Weights) -> list[dict[str, Any]]:
        candidates: list[dict[str, Any]] = self.choice["candidates"]
        return [each for each in candidates if all(each["weights"][name] == value for name, value in panel.items())]

    def _place(self, candidate: dict[str, Any]) -> tuple[int, int]:
        y, x = self.plane
        row = self.axes[y].index(candidate["weights"][y]) if y else 0
        return row, self.axes[x].index(candidate["weights"][x])


def selection_figure(choices: list[dict[str, Any]]) -> Figure:
    """The maps of all choices, below one another; choices: as selection.json holds them."""
    if not choices:
        return empty_figure("No setting of this study was chosen.")
    grids = [Grid(choice) for choice in choices]
    shapes = [_shape(grid) for grid in grids]
    with plt.rc_context(STYLE):
        heights, widths = zip(*(_size(grid, shape) for grid, shape in zip(grids, shapes, strict=True)), strict=True)
        figure = plt.figure(figsize=(max(4.0, *widths), sum(heights)), layout="constrained")
        blocks = figure.subfigures(len(grids), 1, squeeze=False, height_ratios=heights)[:, 0]
        for block, grid, shape in zip(blocks, grids, shapes, strict=True):
            _draw(block, grid, shape)
    return figure


def _shape(grid: Grid) -> tuple[int, int]:
    """Rows and columns of a block: quantities side by side where each has one panel, else a row or more for each."""
    panels = len(list(grid.panels()))
    if panels == 1:
        return 1, len(grid.quantities)
    return len(grid.quantities) * -(-panels // WIDEST), min(panels, WIDEST)


def _size(grid: Grid, shape: tuple[int, int]) -> tuple[float, float]:
    """Height and width of a block, in inches."""
    y, x = grid.plane
    rows, columns = shape
    panel = (CELL * (len(grid.axes[y]) if y else 1) + MARGIN, CELL * len(grid.axes[x]) + MARGIN)
    return rows * panel[0] + 0.5, columns * panel[1] + MARGIN


def _draw(block: SubFigure, grid: Grid, shape: tuple[int, int]) -> None:
    choice, panels = grid.choice, list(grid.panels())
    axes = block.subplots(*shape, squeeze=False)
    block.suptitle(" ".join(filter(None, (choice["method"], choice["coverage"], choice["label"]))), size=9)
    per_quantity = axes.size // len(grid.quantities)
    for place, quantity in enumerate(grid.quantities):
        row = axes.ravel()[place * per_quantity : (place + 1) * per_quantity]
        norm = _norm(np.concatenate([grid.values(quantity, panel).ravel() for panel in panels]))
        for ax, panel in zip(row, panels, strict=False):
            colours = _map(ax, grid, grid.values(quantity, panel), norm, grid.chosen(panel))
            ax.set_title(", ".join(f"{name} {value:g}" for name, value in panel.items()), size=7)
        for ax in row[len(panels) :]:
            ax.axis("off")
        bar = block.colorbar(colours, ax=list(row), label=WORDS.get(quantity, quantity), shrink=0.9, aspect=12)
        if isinstance(norm, LogNorm):
            bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        bar.ax.yaxis.set_major_formatter(FormatStrFormatter("%.6g"))
        bar.ax.yaxis.set_minor_formatter(NullFormatter())
        bar.ax.tick_params(labelsize=6)


def _norm(values: NDArray[np.float64]) -> Normalize:
    """Logarithmic where values are positive and differ by more than a factor of three."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Normalize(0, 1)
    low, high = float(finite.min()), float(finite.max())
    return LogNorm(low, high) if high > 3 * low > 0 else Normalize(low, high)


def _map(
    ax: Axes, grid: Grid, matrix: NDArray[np.float64], norm: Normalize, chosen: tuple[int, int] | None
) -> mpl.image.AxesImage:
    """One panel: colours, values in digits, hatches where there is no number, a frame around the chosen cell."""
    y, x = grid.plane
    colours = ax.imshow(matrix, norm=norm, cmap="cividis", aspect="auto", origin="lower")
    ax.set_xticks(range(len(grid.axes[x])), [f"{value:g}" for value in grid.axes[x]], size=6)
    ax.set_yticks(range(len(matrix)) if y else [], [f"{value:g}" for value in grid.axes[y]] if y else [], size=6)
    ax.set_xlabel(f"weight of {x}", size=7)
    ax.set_ylabel(f"weight of {y}" if y else "", size=7)
    finite = matrix[np.isfinite(matrix)]
    digits = 3 if not finite.size or finite.max() > 1.1 * finite.min() else 5
    for (row, column), value in np.ndenumerate(matrix):
        if np.isfinite(value):
            ink = "black" if norm(value) > 0.55 else "white"
            ax.text(column, row, f"{value:.{digits}g}", ha="center", va="center", size=5, color=ink)
        else:
            ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, hatch="////", lw=0, ec="0.5"))
    if chosen is not None:
        frame = (chosen[1] - 0.46, chosen[0] - 0.46)
        ax.add_patch(Rectangle(frame, 0.92, 0.92, fill=False, lw=1.6, ec=FRAME))
    return colours
