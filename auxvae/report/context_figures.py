"""Figures of runs in contexts: how far images are from an intervention's, and images of the same latents in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from auxvae.analysis.files import PICTURES
from auxvae.report.contexts import DISTANCE, rows_in_contexts
from auxvae.report.figures import COLOURS, STYLE, empty_figure, few, wrapped
from auxvae.report.pictures import SOFTENING

NOTHING = "No run of this study has images in contexts."
BESIDE = {"floor": "perfect model", "obs_images": "data, nothing done", "pooled_images": "data, all contexts"}
MARKERS = {"floor": "|", "obs_images": "x", "pooled_images": "+"}
MOVED = ("flux", "size", "e1", "e2")
LABELS = 12  # rows of images
STAMP = 0.34  # inches, of an image
Stamps = NDArray[np.float64]


def figures_in_contexts(
    results: Path, named: Mapping[str, str], titles: Mapping[str, str]
) -> dict[str, Callable[[], Figure]]:
    """What draws the figures of a study in contexts, by name; named: labels of all runs, titles: of one run of each."""
    return {
        "interventions": lambda: interventions_figure(results, named),
        "context_images": lambda: context_images_figure(_images(results, titles)),
    }


def _images(results: Path, titles: Mapping[str, str]) -> dict[str, xr.Dataset]:
    """Images in contexts of the runs that have any, by label."""
    read = {}
    for run, label in titles.items():
        with xr.open_dataset(results / "runs" / run / PICTURES) as file:
            if "context_model" in file:
                read[label] = file[["context_data", "context_model", "is_trained"]].load()
    return read


def interventions_figure(results: Path, labels: Mapping[str, str]) -> Figure:
    """One panel for trained concepts and one for what training never shows, and below the shares of shifts of these.

    labels: of the runs, by id. A dot is a seed; beside the distances stand those of a perfect model and of the data.
    """
    rows = rows_in_contexts(results, labels)
    if rows.empty or rows[DISTANCE].isna().all():
        return empty_figure(NOTHING)
    rows = rows[rows["concepts"].notna() & (rows["concepts"] > 0)]
    held = rows[~rows["is_trained"].astype(bool)]
    names = list(dict.fromkeys(rows["label"]))
    panels = {"one concept": rows[rows["is_trained"].astype(bool) & (rows["concepts"] == 1)], "never shown": held}
    shares = _shown_shares(held)
    bands = 2 if shares else 1
    columns = max(2, len(shares))
    with plt.rc_context(STYLE):
        size = (1.25 * columns + 1.9, (0.17 * len(names) + 0.85) * bands + 0.2)
        figure = plt.figure(figsize=size, layout="constrained")
        grid = figure.add_gridspec(bands, 2 * columns)
        for i, (title, part) in enumerate(panels.items()):
            _distances(figure.add_subplot(grid[0, i * columns : (i + 1) * columns]), part, names, title, not i)
        for i, (context, name) in enumerate(shares):
            ax = figure.add_subplot(grid[1, 2 * i : 2 * i + 2])
            _shares(ax, held[held["context"] == context], names, name, context, not i)
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def _shown_shares(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """The contexts and quantities in which the data have a clear shift."""
    return [
        (str(context), name)
        for context, part in rows.groupby("context", sort=False)
        for name in MOVED
        if f"moved_{name}" in part and part[f"moved_{name}"].notna().any()
    ]


def _distances(ax: Axes, rows: pd.DataFrame, names: list[str], title: str, is_first: bool) -> None:
    """The mean distance over contexts of each run, and what stands beside it, one row for each label."""
    by_run = rows.groupby(["label", "run"])[[DISTANCE, *(f"{DISTANCE}_{end}" for end in BESIDE)]].mean()
    places = [names.index(str(label)) for label, _ in by_run.index]
    ax.plot(by_run[DISTANCE], places, "o", color=COLOURS["aux"], ms=3, label="model")
    for end, label in BESIDE.items():
        ax.plot(by_run[f"{DISTANCE}_{end}"], places, MARKERS[end], color="0.55", ms=5, label=label)
    ax.set_xlim(left=0)
    ax.set_xlabel(f"sliced Wasserstein distance,\n{title}")
    _rows(ax, names, is_first)


def _shares(ax: Axes, rows: pd.DataFrame, names: list[str], name: str, context: str, is_first: bool) -> None:
    """The share of the data's shift of one quantity in one context that each run shows: 1 is right, 0 is nothing."""
    places = [names.index(str(label)) for label in rows["label"]]
    ax.plot(rows[f"moved_{name}"], places, "o", color=COLOURS["recon"], ms=3)
    for share in (0, 1):
        ax.axvline(share, color="0.7", lw=0.6, zorder=0)
    ax.set_xlabel(f"{name} moved\n{context}")
    _rows(ax, names, is_first)


def _rows(ax: Axes, names: list[str], is_first: bool) -> None:
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_yticks(range(len(names)), names if is_first else [], size=6)
    ax.grid(axis="y", color="0.92", lw=0.6)


def context_images_figure(images: Mapping[str, xr.Dataset]) -> Figure:
    """Rows of images by label: those of the same latents in every context; above those of a data set its images."""
    if not images:
        return empty_figure(NOTHING)
    first = next(iter(images.values()))
    names = [str(name) for name in first["context"].values]
    alike = {label: each for label, each in images.items() if [*each["context"].values] == names}
    rows: dict[str, Stamps] = {}
    for label, each in few(alike, LABELS).items():
        rows.setdefault(f"{each.attrs['dataset']} data", each["context_data"].values)
        rows[label] = each["context_model"].values
    count = first.sizes["sample"]
    with plt.rc_context(STYLE):
        size = (STAMP * count * len(names) + 1.6, STAMP * len(rows) + 0.7)
        figure, axes = plt.subplots(len(rows), len(names), figsize=size, squeeze=False, layout="constrained")
        most = float(np.arcsinh(first["context_data"].max() / SOFTENING))
        for (label, stamps), panels in zip(rows.items(), axes, strict=True):
            for ax, of_context in zip(panels, stamps, strict=True):
                _strip(ax, of_context, most)
            panels[0].set_ylabel(wrapped(label), rotation=0, ha="right", va="center", size=6)
        for ax, name, is_trained in zip(axes[0], names, first["is_trained"].values, strict=True):
            ax.set_title(name if is_trained else f"{name}\n(never shown)")
    return figure


def _strip(ax: Axes, images: Stamps, most: float) -> None:
    """Images (sample, channel, y, x) side by side: of three channels in colour, else on an asinh scale."""
    side_by_side = np.concatenate([*images], axis=-1)
    if len(side_by_side) == 3:
        ax.imshow(np.clip(side_by_side.transpose(1, 2, 0), 0, 1), interpolation="nearest")
    else:
        softened = np.arcsinh(side_by_side.sum(0) / SOFTENING)
        ax.imshow(softened, cmap="magma", vmin=0, vmax=most, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
