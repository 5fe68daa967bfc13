r"""Noise-free images of many factor values, drawn by GalSim, to stand beside decoded ones.

A page has no GalSim, so that its images are drawn in advance: for every run and the galaxies that it shows

    exact    auxiliary factors of one galaxy with the other factors of another, for every pair
    star     each auxiliary factor alone at STAR levels through its range, from each galaxy
    grid     all auxiliary factors at a few levels each, an odd number, with the other factors of each galaxy; so many
             levels that the grids of all runs together have no more than MOST images

The page shows the nearest one and states its factors. A factor in which images are linear, the flux, needs no level:
the page multiplies, and any value of it is exact (the simulations say which factors those are).

Images are kept as whole numbers q in int16 or int32, by what the noise lets anyone see:

    Poisson noise    q = round(sign(c) 2 sqrt|c| / STEP)          off by at most STEP / 2 of the noise of a pixel
    other            q = round(c / (STEP unit))     unit: the standard deviation of the noise, at most 1e-3 of the peak
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auxvae.config.reading import ask_simulations
from auxvae.config.run import Run
from auxvae.data.store import Rows, Store

STAR, MOST, STEP = 21, 4000, 0.05
Array = NDArray[np.float64]
Limits = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class TrueImages:
    """Factors (N, F) in the order of the store, images (N, y, x) as whole numbers, and how they become photons."""

    factors: Array
    images: NDArray[np.signedinteger[Any]]
    linear: tuple[str, ...]
    root: bool
    step: float

    def photons(self) -> Array:
        """The images again, (N, y, x)."""
        values = self.images * self.step
        return np.sign(values) * (values / 2) ** 2 if self.root else np.asarray(values)


def can_be_drawn(store: Store) -> bool:
    """Whether a store holds simulated galaxies, which are drawn anew from their factors.

    Not quads, which have three channels, nor galaxies of a catalogue, which their factors do not tell apart.
    """
    return "spec" in store.dataset.attrs and store.image_shape[0] == 1 and not store.population


def true_images(store: Store, runs: Sequence[Run], rows: Rows, galaxies: Sequence[int]) -> TrueImages:
    """The true images for these runs of a simulated store, which show these of its rows."""
    names = list(rows.factors)
    linear = tuple(_draw(store.path, names, np.zeros((0, len(names))))[1])
    shown = np.stack(list(rows.factors.values()), 1)[list(galaxies)]
    limits = {name: (float(values.min()), float(values.max())) for name, values in store.factors("train").items()}
    reference = np.array([limits[name][1] if name in linear else np.nan for name in names])
    wanted = [row for run in _of_different_coverage(runs) for row in _wanted(run, names, linear, shown, limits, runs)]
    factors = np.stack(wanted)
    factors = np.unique(np.where(np.isnan(reference), factors, reference), axis=0)
    images, _ = _draw(store.path, names, factors)
    return _kept(factors, images, linear, store.noise)


def _of_different_coverage(runs: Sequence[Run]) -> list[Run]:
    """One run for each set of auxiliary factors."""
    return list({run.aux if run.composition.has_aux_latents else (): run for run in runs}.values())


def _wanted(
    run: Run, names: list[str], linear: Sequence[str], shown: Array, limits: Limits, runs: Sequence[Run]
) -> Iterator[Array]:
    """Rows of factor values, (F,) each: exact ones, stars and the grid."""
    aux = [names.index(name) for name in run.aux] if run.composition.has_aux_latents else []
    moved = [k for k in aux if names[k] not in linear]
    for a, b in itertools.product(shown, shown) if aux else zip(shown, shown, strict=True):
        yield _with(b, aux, a[aux])
    for b, k in itertools.product(shown, moved):
        yield from (_with(b, [k], [value]) for value in np.linspace(*limits[names[k]], STAR))
    others = {*range(len(names))} - {*moved} - {names.index(name) for name in linear}
    starts = shown if others else shown[:1]
    levels = _levels(MOST // len(_of_different_coverage(runs)) // len(starts), len(moved))
    grids = [np.linspace(*limits[names[k]], levels) for k in moved]
    for b, values in itertools.product(starts, itertools.product(*grids) if moved else ()):
        yield _with(b, moved, values)


def _levels(most: int, factors: int) -> int:
    """The largest odd number of levels, up to STAR, whose grid has no more points, or 3 where that is too many."""
    fits = [levels for levels in range(3, STAR + 1, 2) if levels**factors <= most]
    return max(fits, default=1)


def _with(row: Array, places: Sequence[int], values: Sequence[float] | Array) -> Array:
    changed = row.copy()
    changed[list(places)] = values
    return changed


def _draw(store: Path, names: list[str], factors: Array) -> tuple[NDArray[np.float32], list[str]]:
    """Images (N, y, x) of factors (N, F), in photons, and the factors that they are linear in."""
    with tempfile.TemporaryDirectory() as folder:
        rows, stamps = Path(folder, "rows.npz"), Path(folder, "stamps.npz")
        np.savez(rows, **dict(zip(names, factors.T, strict=True)))  # type: ignore[arg-type]
        answer = ask_simulations("render", str(store), str(rows), str(stamps))
        with np.load(stamps, allow_pickle=False) as file:
            return file["image"], list(answer["linear"])


def _kept(factors: Array, images: NDArray[np.float32], linear: tuple[str, ...], noise: dict[str, Any]) -> TrueImages:
    """Images as whole numbers."""
    root = noise.get("kind") == "poisson"
    peak = float(np.abs(images).max())
    step = STEP if root else STEP * min(float(noise.get("sigma") or np.inf), 1e-3 * peak)
    scaled = np.sign(images) * 2 * np.sqrt(np.abs(images.astype(np.float64))) if root else images
    whole = np.rint(scaled / step)
    kind = np.int16 if np.abs(whole).max() < 2**15 else np.int32
    return TrueImages(factors, whole.astype(kind), linear, root, step)
