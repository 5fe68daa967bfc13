"""A galaxy of a catalogue as a GalSim object, before its shear and its PSF.

    real     galsim.RealGalaxy: the catalogue's image, deconvolved by its PSF
    cosmos   galsim.COSMOSCatalog: a Sérsic profile, or a bulge and a disk, with their axis ratios and position angles

Its flux is scaled: of a `real` galaxy that of the sum of the pixels of its image, the catalogue's noise included. Image
files stay open and mapped, so that a process holds no more than a few hundred sources of a catalogue of gigabytes.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import galsim
import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from simulations.catalogue import Catalogue
from simulations.psf_width import effective_fwhm
from simulations.scene_spec import Scene

KEPT = 256  # sources whose images a process keeps
FILES = 512  # image files that it keeps open; the largest catalogues have some 200
Values = Mapping[str, float]


class Images:
    """The images of a catalogue, by the methods of galsim.RealGalaxyCatalog that RealGalaxy calls."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Open no file yet."""
        self.catalogue = catalogue

    def getFileName(self) -> str:
        """The path of the table."""
        return str(self.catalogue.path)

    def getGalImage(self, index: int) -> galsim.Image:
        """The image of a source."""
        picture = self.catalogue.pictures[index]
        return galsim.Image(
            _pixels(str(self.catalogue.file(picture.galaxy[0])), picture.galaxy[1]), scale=picture.scale
        )

    def getPSFImage(self, index: int) -> galsim.Image:
        """The PSF in that image."""
        picture = self.catalogue.pictures[index]
        return galsim.Image(_pixels(str(self.catalogue.file(picture.psf[0])), picture.psf[1]), scale=picture.scale)

    def getNoiseProperties(self, index: int) -> tuple[galsim.Image | None, float, float]:
        """The correlation function of the noise in it, if there is one, its pixel scale, and its variance."""
        picture = self.catalogue.pictures[index]
        correlation = None
        if picture.noise:
            correlation = galsim.Image(_pixels(str(self.catalogue.file(picture.noise)), 0), scale=picture.scale)
        return correlation, picture.scale, picture.variance


@functools.lru_cache(maxsize=FILES)
def _opened(path: str) -> Any:
    return fits.open(path, memmap=True, lazy_load_hdus=True)


@functools.lru_cache(maxsize=2 * KEPT)
def _pixels(path: str, number: int) -> NDArray[np.float64]:
    """The pixels of one unit of a file, (y, x)."""
    unit = _opened(path)[number]
    pixels = np.array(unit.data, dtype=np.float64)
    del unit.data  # else astropy keeps it as long as the file is open
    return pixels


@functools.lru_cache(maxsize=4)
def _images(catalogue: Catalogue) -> Images:
    return Images(catalogue)


@functools.lru_cache(maxsize=4)
def _fits(path: Path) -> galsim.COSMOSCatalog:
    return galsim.COSMOSCatalog(str(path), use_real=False, exclusion_level="none")


def unsheared(scene: Scene, values: Values) -> galsim.GSObject:
    """The galaxy of a row, rotated, with the flux (ph) in `values`; of a `real` one with the image's own noise."""
    if scene.is_real:
        return image_of(scene, values)
    catalogue = _fits(scene.source_catalogue.path)
    galaxy = catalogue.makeGalaxy(index=int(values["source"]), gal_type="parametric")
    return galaxy.withFlux(values["flux"]).rotate(values["rotation"] * galsim.degrees)


def image_of(
    scene: Scene, values: Values, padding: float = 0.0, source: galsim.BaseDeviate | None = None
) -> galsim.GSObject:
    """The `real` galaxy of a row, rotated, around it noise of the catalogue's correlation from `source`.

    padding: side of the square (arcsec), before the rotation, that noise fills. Its `noise` is that per pixel of the
    catalogue's, flux included (galsim.BaseCorrelatedNoise).
    """
    galaxy = galsim.RealGalaxy(
        _images(scene.source_catalogue),
        index=int(values["source"]),
        flux=values["flux"],
        noise_pad_size=padding,
        rng=source,
    )
    return galaxy.rotate(values["rotation"] * galsim.degrees)


@functools.lru_cache(maxsize=16384)
def psf_width(catalogue: Catalogue, source: int) -> float:
    """Effective full width at half maximum (arcsec) of the PSF in the image of a source (simulations.psf_width)."""
    image = _images(catalogue).getPSFImage(source)
    return effective_fwhm(image.array.tolist()) * float(image.scale)
