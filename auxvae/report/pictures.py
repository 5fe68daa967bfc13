"""Figures of images: traversals of the latents, and reconstructions beside the images, on an asinh scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from numpy.typing import NDArray

from auxvae.report.figures import STYLE, empty_figure

SOFTENING = 10  # photons
Stamps = NDArray[np.floating[Any]]


def traversal_figure(pictures: xr.Dataset, title: str) -> Figure:
    """Images along each latent, one row per latent; a sentence for a run that does not decode."""
    if "image" not in pictures:
        return empty_figure(f"{title} does not decode: it has no traversals.")
    images, values = pictures["image"].isel(start=0).values, pictures["value"].values
    side = images.shape[2]
    with plt.rc_context(STYLE):
        figure = _mosaic(dict(zip(pictures["latent"].values, images, strict=True)), size=0.62, gap=side // 4)
        for (row, step), value in np.ndenumerate(values):
            x, y = (step + 0.5) * (side + 1), row * (side + side // 4) + side + side // 8
            figure.axes[0].text(x, y, f"{value:.2g}", size=5, ha="center", va="center")
        figure.suptitle(f"{title}: each latent from its 1 % to its 99 % quantile")
    return figure


def reconstruction_figure(images: dict[str, xr.DataArray]) -> Figure:
    """Rows of images by name, (galaxy, y, x), on one scale; a sentence if there are none."""
    if not images:
        return empty_figure("No run of this study decodes: there are no images to show.")
    with plt.rc_context(STYLE):
        return _mosaic({name: each.values for name, each in images.items()}, size=0.9, gap=2)


def _mosaic(rows: dict[str, Stamps], size: float, gap: int) -> Figure:
    """Rows of images (N, y, x) in photons as one picture, since a panel for each would take seconds to draw.

    size: of an image, in inches. gap: pixels below a row; one pixel stands between two images.
    """
    count, height, _ = np.shape(next(iter(rows.values())))
    shape = (size * count + 1.2, (size * (1 + gap / height)) * len(rows) + 0.4)
    figure, ax = plt.subplots(figsize=shape, layout="constrained")
    stamps = np.arcsinh(np.stack(list(rows.values())) / SOFTENING)
    apart = np.pad(stamps, ((0, 0), (0, 0), (0, gap), (0, 1)), constant_values=np.nan).swapaxes(1, 2)
    darkest = 0 if stamps.max() > 0 else None  # images below zero everywhere have no colour above it
    ax.imshow(apart.reshape(len(rows) * (height + gap), -1), cmap="magma", vmin=darkest)
    ax.set_yticks(np.arange(len(rows)) * (height + gap) + height / 2, [str(name) for name in rows])
    ax.set_xticks([])
    ax.tick_params("y", length=0)
    ax.spines[:].set_visible(False)
    return figure
