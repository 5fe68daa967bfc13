"""The parameters of a scene: their units, their limits, which galaxy needs which, and what stands where none is said.

A factor is named after the parameter of the scene that it sets. The parameters, their units and their limits:

    flux            ph      photons in all
    radius          arcsec  scale or half-light radius (`scene.radius`), of the disk where there is a bulge
    sersic_index    -       Sérsic n in [0.3, 6.2], rounded to 0.05 so that GalSim's tables are reused
    bulge_radius    arcsec  half-light radius of the bulge (de Vaucouleurs)
    bulge_fraction  -       share of the flux that is in the bulge
    g1, g2          -       reduced shear, |g| < 1
    offset_x, _y    pix     shift of the galaxy from the centre of the stamp
    psf_fwhm        arcsec  full width at half maximum of the PSF
    psf_beta        -       Moffat beta
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from foundation.fields import Range


@dataclass(frozen=True)
class Parameter:
    """A quantity that a scene takes: its unit, the units it may be declared in, its physical limits, its name."""

    unit: str
    units: Mapping[str, float]
    limits: Range
    long_name: str


_ARCSEC = {"arcsec": 1.0, "mas": 1e-3, "arcmin": 60.0}
_PLAIN = {"": 1.0}

PARAMETERS = {
    "flux": Parameter("ph", {"ph": 1.0}, Range(0, above=True), "flux"),
    "radius": Parameter("arcsec", _ARCSEC, Range(0, above=True), "radius"),
    "sersic_index": Parameter("", _PLAIN, Range(0.3, 6.2), "Sérsic index"),
    "bulge_radius": Parameter("arcsec", _ARCSEC, Range(0, above=True), "half-light radius of the bulge"),
    "bulge_fraction": Parameter("", _PLAIN, Range(0, 1), "bulge-to-total flux ratio"),
    "g1": Parameter("", _PLAIN, Range(-1, 1), "reduced shear g1"),
    "g2": Parameter("", _PLAIN, Range(-1, 1), "reduced shear g2"),
    "offset_x": Parameter("pix", {"pix": 1.0}, Range(), "offset along x"),
    "offset_y": Parameter("pix", {"pix": 1.0}, Range(), "offset along y"),
    "psf_fwhm": Parameter("arcsec", _ARCSEC, Range(0, above=True), "FWHM of the PSF"),
    "psf_beta": Parameter("", _PLAIN, Range(1.1, above=True), "Moffat beta of the PSF"),
}

_ALWAYS = ("flux", "radius", "psf_fwhm")
REQUIRED = {
    "exponential": _ALWAYS,
    "sersic": (*_ALWAYS, "sersic_index"),
    "de_vaucouleurs": _ALWAYS,
    "bulge_disk": (*_ALWAYS, "bulge_radius", "bulge_fraction"),
}
DEFAULTS = {"g1": 0.0, "g2": 0.0, "offset_x": 0.0, "offset_y": 0.0}
MOFFAT_BETA = 2.5  # GalSim's Moffat examples and the Subaru and LSST PSF fits lie between 2 and 4
HALF_LIGHT_OF_EXPONENTIAL = 1.6783469900166605  # half-light radius over scale radius: root of (1+x) exp(-x) = 1/2
