"""Figures of images: traversals of the latents, and reconstructions beside the images, on an asinh scale."""

from __future__ import annotations

import textwrap
from collections.abc import Collection
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from auxvae.report.figures import STYLE, empty_figure, few, how_many, wrapped

SOFTENING = 10  # photons
GAP = 0.3  # below a row of a traversal, in heights of an image
STAMP = 0.41  # inches, of an image of a traversal: seven steps and their residuals are as wide as a page
ROWS = 24  # of reconstructions and samples
_INACTIVE = "\ninactive"
Stamps = NDArray[np.floating[Any]]


def traversal_figure(pictures: xr.Dataset, title: str, silent: Collection[int] = ()) -> Figure:
    """Images along each latent, one row per latent, and beside them how they differ from the galaxy where all start.

    silent: numbers of the inactive latents, which are said to be so. A sentence for a run that does not decode.
    """
    if "image" not in pictures:
        return empty_figure(f"{title} does not decode: it has no traversals.")
    start = pictures.isel(start=0)
    names = [f"{name}{_INACTIVE if j in silent else ''}" for j, name in enumerate(start["latent"].values, 1)]
    blocks = [name for name in ("image", "residual") if name in start]
    count, side = start.sizes["step"], start.sizes["y"]
    with plt.rc_context(STYLE):
        width, height = STAMP * count * len(blocks) + 1.4, STAMP * (1 + GAP) * len(names) + 0.9
        figure, axes = plt.subplots(1, len(blocks), figsize=(width, height), squeeze=False)
        heading = textwrap.wrap(f"{title}: each latent from its 1 % to its 99 % quantile", int(14 * width))
        top = 0.2 + 0.15 * len(heading)  # inches
        edges = {"left": 1.2 / width, "right": 1 - 0.1 / width, "bottom": 0.55 / height, "top": 1 - top / height}
        figure.subplots_adjust(**edges, wspace=0.04)  # a layout that is solved takes longer than all else
        for ax, block in zip(axes[0], blocks, strict=True):
            _traversed(figure, ax, block, dict(zip(names, start[block].values, strict=True)))
        for (row, step), value in np.ndenumerate(start["value"].values):
            x, y = (step + 0.5) * (side + 1), (row + 1) * (side + int(side * GAP)) - int(side * GAP) / 2
            axes[0, 0].text(x, y, f"{value:.2g}", size=5, ha="center", va="center")
        for ax in axes[0, 1:]:
            ax.set_yticks([])
        figure.suptitle("\n".join(heading), y=1 - 0.06 / height, va="top")
    return figure


def _traversed(figure: Figure, ax: Axes, block: str, rows: dict[str, Stamps]) -> None:
    """The images, or their residuals in standard deviations of the noise, with the colours of these."""
    stamps = np.stack(list(rows.values()))
    gap = int(stamps.shape[-1] * GAP)
    if block == "image":
        _show(ax, {name: np.arcsinh(each / SOFTENING) for name, each in rows.items()}, gap, *_brightness(stamps))
        return
    most = float(np.clip(np.quantile(np.abs(stamps), 0.999), 1, 10))
    colours = _show(ax, rows, gap, "RdBu_r", -most, most)
    place = ax.get_position()
    bar = figure.add_axes((place.x0 + 0.2 * place.width, 0.6 * place.y0, 0.6 * place.width, 0.2 * place.y0))
    figure.colorbar(colours, cax=bar, orientation="horizontal")
    bar.set_xlabel("less the image where they start (σ of the noise)", size=6, labelpad=1)
    bar.tick_params(labelsize=5, pad=1, length=2)


def reconstruction_figure(images: dict[str, xr.DataArray]) -> Figure:
    """Rows of images by name, (galaxy, y, x), on one scale; a sentence if there are none."""
    if not images:
        return empty_figure("No run of this study decodes: there are no images to show.")
    with plt.rc_context(STYLE):
        shown = few(images, ROWS)
        figure = _mosaic({name: each.values for name, each in shown.items()}, size=0.72, gap=2)
        figure.suptitle(how_many(len(shown), len(images)))
        return figure


def _mosaic(rows: dict[str, Stamps], size: float, gap: int) -> Figure:
    """Rows of images (N, y, x) in photons; size: of an image, in inches. gap: pixels below a row."""
    stamps = np.stack(list(rows.values()))
    count, height = stamps.shape[1:3]
    shape = (size * count + 1.2, (size * (1 + gap / height)) * len(rows) + 0.4)
    figure, ax = plt.subplots(figsize=shape, layout="constrained")
    _show(ax, {name: np.arcsinh(each / SOFTENING) for name, each in rows.items()}, gap, *_brightness(stamps))
    return figure


def _brightness(stamps: Stamps) -> tuple[str, float | None, float | None]:
    """Colours of images; those below zero everywhere have no colour above it."""
    return "magma", 0.0 if stamps.max() > 0 else None, None


def _show(
    ax: Axes, rows: dict[str, Stamps], gap: int, colours: str, least: float | None, most: float | None
) -> AxesImage:
    """Rows of images (N, y, x) as one picture, since a panel for each would take seconds to draw; a pixel apart."""
    stamps = np.stack(list(rows.values()))
    height = stamps.shape[2]
    apart = np.pad(stamps, ((0, 0), (0, 0), (0, gap), (0, 1)), constant_values=np.nan).swapaxes(1, 2)
    shown = ax.imshow(
        apart.reshape(len(rows) * (height + gap), -1), cmap=colours, vmin=least, vmax=most, interpolation="nearest"
    )
    ax.set_yticks(
        np.arange(len(rows)) * (height + gap) + height / 2,
        ["\n".join(map(wrapped, str(name).split("\n"))) for name in rows],
        size=6,
    )
    ax.set_xticks([])
    ax.tick_params("y", length=0)
    ax.spines[:].set_visible(False)
    return shown
