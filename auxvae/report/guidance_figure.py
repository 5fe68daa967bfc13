"""What guidance gains at each level of noise, and the level at which each latent guides, as a figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from auxvae.analysis.files import GUIDED
from auxvae.report.figures import SERIES, STYLE, empty_figure, few, wrapped

PANELS = 6
FAINT = 1e-3  # share of the strongest latent below which one is not drawn
LEVEL = "log SNR of the image"


def guidance_figure(results: Path, titles: Mapping[str, str]) -> Figure:
    """The figure; titles: labels of one run each, by id."""
    read = {}
    for run, label in titles.items():
        if (results / "runs" / run / GUIDED).is_file():
            with xr.open_dataset(results / "runs" / run / GUIDED) as file:
                read[label] = file.load()
    if not read:
        return empty_figure("No run of this study has a denoiser.")
    shown = few(read, PANELS)
    with plt.rc_context(STYLE):
        size = (2.2 * (1 + len(shown)), 2.2)
        figure, axes = plt.subplots(1, 1 + len(shown), figsize=size, squeeze=False, layout="constrained")
        _gains(axes[0, 0], read)
        for ax, (label, each) in zip(axes[0, 1:], shown.items(), strict=True):
            _profiles(ax, each)
            ax.set_title(wrapped(label))
    return figure


def _gains(ax: Axes, read: Mapping[str, xr.Dataset]) -> None:
    for (label, each), colour in zip(few(read, len(SERIES)).items(), SERIES, strict=False):
        ax.plot(each["level"], each["gain"], "o-", ms=2.5, color=colour, label=label)
        ax.fill_between(each["level"], each["gain_low"], each["gain_high"], color=colour, alpha=0.25, lw=0)
    ax.axhline(0, color="0.6", lw=0.6)
    ax.set_xlabel(LEVEL)
    ax.set_ylabel("gain, squared units of ε")
    ax.legend(frameon=False, fontsize=5)


def _profiles(ax: Axes, each: xr.Dataset) -> None:
    profile = each["profile"].transpose("latent", "level").values
    strongest = profile.max(1)
    active = np.flatnonzero(strongest > FAINT * strongest.max())
    for place, j in enumerate(active):
        colour = SERIES[place % len(SERIES)]
        ax.plot(each["level"], profile[j] / strongest[j], color=colour, label=str(each["latent"].values[j]))
        ax.plot(each["level"], each["variance"].isel(latent=j), ":", color=colour)
    ax.set_xlabel(LEVEL)
    ax.set_ylim(0, 1.05)
    ax.legend(frameon=False, fontsize=5)
