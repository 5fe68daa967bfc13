r"""Shapes of the images of a store by GalSim's HSM: adaptive moments, and shear after the PSF is taken away.

    python -m simulations shapes STORE OUT.npz

sigma, e1, e2    |M|^(1/4) in pixels and the distortion e = (a^2 - b^2) / (a^2 + b^2) of the elliptical Gaussian that
                 fits the image best; the PSF is still in them             Hirata & Seljak, MNRAS 343, 459 (2003)
g1, g2           reduced shear of a round galaxy whose distortion is that of the image re-Gaussianised with its PSF,
                 e = 2 g / (1 + |g|^2)                                     same paper; only where the PSF is known

The PSF of a simulated galaxy is drawn, with the pixel in it, from the factors and constants of its row; that of a
converted one is its stamp (`convert --psf`), while a width alone says no profile. NaN stands
where a method fails: no convergence, a corrected distortion of 1 or more, or a PSF so narrow (a full width at half
maximum below about 1.6 pixels) that its own moments do not converge.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import galsim
import numpy as np
import zarr
from numpy.typing import NDArray

from foundation.console import counted, log
from foundation.faults import Fault, Refused, Words
from foundation.files import atomic_write, read_json
from simulations.galaxy import parameters
from simulations.photometry import point_spread
from simulations.render import dataset_of

NAMES = ("sigma", "e1", "e2", "g1", "g2")
Psf = Callable[[int], galsim.Image]


def shapes(store: Path, out: Path) -> dict[str, Any]:
    """Write `row` and the columns above, (rows,) each, of a sealed store of one band; how many failed."""
    read_json(store / "seal.json", "the seal of a finished store")
    group = zarr.open_group(store, mode="r")
    images: Any = group["image"]
    if len(images.shape) == 4 and images.shape[1] > 1:
        value = Words(f"images of {images.shape[1]} channels")
        raise Refused(Fault(str(store), value, "a shape is measured in one band", "name a store of one channel"))
    psf_of, count, block = _psf_of(store, group), images.shape[0], images.chunks[0]
    measured = np.full((count, len(NAMES)), np.nan)
    with counted(store.name, count, "images") as progress:
        for start in range(0, count, block):
            stamps = np.asarray(images[start : start + block]).reshape(-1, *images.shape[-2:])
            for row, stamp in enumerate(stamps, start):
                measured[row] = shape_of(stamp, psf_of(row) if psf_of else None)
            progress.advance(len(stamps))
    with atomic_write(out) as part, open(part, "wb") as stream:
        np.savez(stream, row=np.arange(count), **dict(zip(NAMES, measured.T, strict=True)))  # type: ignore[arg-type]
    failed = np.isnan(measured).sum(0)
    return {"rows": count, "no_moments": int(failed[0]), "no_shear": int(failed[3]) if psf_of else None}


def shape_of(stamp: NDArray[Any], point_spread: galsim.Image | None) -> NDArray[np.float64]:
    """sigma, e1, e2, g1, g2 of one image (y, x), NaN where it fails; without a PSF the last two are NaN."""
    image = galsim.Image(np.ascontiguousarray(stamp, dtype=np.float32))
    moments = image.FindAdaptiveMom(strict=False)
    values = np.full(len(NAMES), np.nan)
    if moments.moments_status != 0:
        return values
    values[:3] = moments.moments_sigma, moments.observed_e1, moments.observed_e2
    if point_spread is not None:
        values[3:] = _corrected(image, point_spread)
    return values


def _corrected(image: galsim.Image, point_spread: galsim.Image) -> tuple[float, float]:
    """Reduced shear after re-Gaussianisation."""
    result = galsim.hsm.EstimateShear(image, point_spread, shear_est="REGAUSS", strict=False)
    failed = result.correction_status != 0 or not np.hypot(result.corrected_e1, result.corrected_e2) < 1
    if failed:
        return np.nan, np.nan
    shear = galsim.Shear(e1=result.corrected_e1, e2=result.corrected_e2)
    return float(shear.g1), float(shear.g2)


def _psf_of(store: Path, group: zarr.Group) -> Psf | None:
    """The PSF of every row on the pixels of the store; None where nothing says it."""
    if "psf" in group and len(group["psf"].shape) == 3:  # type: ignore[union-attr]
        return lambda row: galsim.Image(np.ascontiguousarray(group["psf"][row], dtype=np.float32))  # type: ignore[index]
    if "spec" not in group.attrs:
        log.info(f"{store}: no PSF stamps (convert --psf), so that no shear after the PSF is taken away")
        return None
    dataset = dataset_of(store)
    if dataset.scene.kind is not None:
        return None
    columns: dict[str, Any] = {name: np.asarray(group[name][:]) for name in dataset.factors}  # type: ignore[index]

    def of_row(row: int) -> galsim.Image:
        values = parameters(dataset, {name: float(column[row]) for name, column in columns.items()})
        return point_spread(dataset.scene, values)

    return of_row
