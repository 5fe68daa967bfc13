"""Figures of images: traversals of the latents, and reconstructions beside the images, on an asinh scale."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from auxvae.report.figures import STYLE, empty_figure

SOFTENING = 10  # photons


def traversal_figure(pictures: xr.Dataset, title: str) -> Figure:
    """Images along each latent, one row per latent; a sentence for a run that does not decode."""
    if "image" not in pictures:
        return empty_figure(f"{title} does not decode: it has no traversals.")
    with plt.rc_context(STYLE):
        images = np.arcsinh(pictures["image"].isel(start=0).values / SOFTENING)
        latents, steps = images.shape[:2]
        size = (0.62 * steps + 1.2, 0.62 * latents + 0.4)
        figure, axes = plt.subplots(latents, steps, figsize=size, squeeze=False)
        for (j, step), ax in np.ndenumerate(axes):
            _stamp(ax, images[j, step], float(images.max()))
            ax.set_xlabel(f"{float(pictures['value'][j, step]):.2g}", size=5, labelpad=1)
        for name, ax in zip(pictures["latent"].values, axes[:, 0], strict=True):
            ax.set_ylabel(str(name), rotation=0, ha="right", va="center")
        figure.suptitle(f"{title}: each latent from its 1 % to its 99 % quantile")
    return figure


def reconstruction_figure(images: dict[str, xr.DataArray]) -> Figure:
    """Rows of images by name, (galaxy, y, x), on one scale; a sentence if there are none."""
    if not images:
        return empty_figure("No run of this study decodes: there are no images to show.")
    with plt.rc_context(STYLE):
        count = len(next(iter(images.values())))
        figure, axes = plt.subplots(len(images), count, figsize=(0.9 * count + 1.2, 0.9 * len(images)), squeeze=False)
        top = max(float(np.arcsinh(each / SOFTENING).max()) for each in images.values())
        for row, (name, stamps) in zip(axes, images.items(), strict=True):
            row[0].set_ylabel(name, rotation=0, ha="right", va="center")
            for ax, stamp in zip(row, stamps.values, strict=True):
                _stamp(ax, np.arcsinh(stamp / SOFTENING), top)
    return figure


def _stamp(ax: Axes, image: NDArray[np.floating], top: float) -> None:
    ax.imshow(image, cmap="magma", vmin=0, vmax=top)
    ax.set_xticks([], [])
    ax.set_yticks([], [])
