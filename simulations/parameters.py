"""The parameters of a scene: their units, their limits, which galaxy needs which, and what stands where none is said.

A factor is named after the parameter of the scene that it sets. The parameters, their units and their limits:

    flux            ph      photons in all, at most 1e13: the float32 pixels resolve the noise of no more
    radius          arcsec  scale or half-light radius (`scene.radius`), of the disk where there is a bulge
    sersic_index    -       Sérsic n in [0.3, 6.2], rounded to 0.05 so that GalSim's tables are reused
    bulge_radius    arcsec  half-light radius of the bulge (de Vaucouleurs)
    bulge_fraction  -       share of the flux that is in the bulge
    g1, g2          -       reduced shear, |g| < 1
    offset_x, _y    pix     shift of the galaxy from the centre of the stamp
    psf_fwhm        arcsec  full width at half maximum of the PSF
    psf_beta        -       Moffat beta, at most 100: a Gaussian, and GalSim's transform ends at 150

and of a scene of quads (simulations.quads):

    quad1 to quad4  -       places on the rainbow, 0 to 1: the quadrants bottom left and right, top left and right
    size            -       of the shape in the middle, 0.2 to 1: its diameter in units of 3/4 of the image
    color           -       its place on the rainbow
    shape           -       0 to 1; round(3 shape) is a disc, a square, a triangle, an ellipse
    orientation     -       its angle in turns, 0 to 1

and of a scene of digits (simulations.digits):

    digit           -       0 to 1; round(9 digit) is the digit
    pen             pix     width of the strokes, 1 to 4
    hand_1 to _3    -       the hand that writes: three bends of the strokes, -1 to 1
    thinning        -       0 to 1: strokes of 1 - 0.5 thinning of their width
    thickening      -       0 to 1: strokes of 1 + 1.2 thickening of their width
    swelling        -       0 to 1: how far the middle is blown up
    slant           -       shear of the digit to the right, -1 to 1
    scaling         -       its size, 0.5 to 1.25
    shift_x, _y     pix     shift to the right and upwards, at most 6

and of a scene of disks (simulations.disks):

    disk_x, _y      pix     place of its centre, to the right of that of the image and above it, at most 32
    disk_radius     pix     at least 1, at most 32
    foreground      -       brightness of the disk, 0 to 1
    background      -       brightness around it, 0 to 1
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


BRIGHTEST = 1e13  # photons: a pixel of so many has a noise of 3e6, and float32 a step of 1e6 there
MOST_GALAXIES = 10**9  # their smallest stamps fill 256 GB
SERSIC_STEP = 0.05  # to which a Sérsic index is rounded, so that GalSim's tables are reused
LARGEST_STAMP = 512  # pixels along a side
_SIZE = Range(0, 1e6, above=True)  # arcsec, more than the largest stamp of the largest pixels holds
_ARCSEC = {"arcsec": 1.0, "mas": 1e-3, "arcmin": 60.0}
_PLAIN = {"": 1.0}
_SHARE = Range(0, 1)

QUADS = {
    "quad1": Parameter("", _PLAIN, _SHARE, "colour of the quadrant bottom left"),
    "quad2": Parameter("", _PLAIN, _SHARE, "colour of the quadrant bottom right"),
    "quad3": Parameter("", _PLAIN, _SHARE, "colour of the quadrant top left"),
    "quad4": Parameter("", _PLAIN, _SHARE, "colour of the quadrant top right"),
    "size": Parameter("", _PLAIN, Range(0.2, 1), "size of the shape"),
    "color": Parameter("", _PLAIN, _SHARE, "colour of the shape"),
    "shape": Parameter("", _PLAIN, _SHARE, "kind of the shape"),
    "orientation": Parameter("", _PLAIN, _SHARE, "orientation of the shape in turns"),
}


@dataclass(frozen=True)
class Painting:
    """A scene that is painted rather than observed: its parameters, all needed, and what its images are.

    stamps: the sides that it is painted at, in pixels, the first where nothing else is said. seconds: of a core, for
    an image, whatever its factors. pixel: what a pixel is, from 0 to 1.
    """

    parameters: Mapping[str, Parameter]
    channels: int
    stamps: tuple[int, ...]
    seconds: float
    pixel: str


_PIXELS, _SIGNED = {"pix": 1.0}, Range(-1, 1)
DIGITS = {
    "digit": Parameter("", _PLAIN, _SHARE, "which digit"),
    "pen": Parameter("pix", _PIXELS, Range(1, 4), "width of the strokes"),
    **{f"hand_{i}": Parameter("", _PLAIN, _SIGNED, f"bend {i} of the strokes") for i in (1, 2, 3)},
    "thinning": Parameter("", _PLAIN, _SHARE, "thinning of the strokes"),
    "thickening": Parameter("", _PLAIN, _SHARE, "thickening of the strokes"),
    "swelling": Parameter("", _PLAIN, _SHARE, "swelling of the middle"),
    "slant": Parameter("", _PLAIN, _SIGNED, "slant to the right"),
    "scaling": Parameter("", _PLAIN, Range(0.5, 1.25), "size of the digit"),
    "shift_x": Parameter("pix", _PIXELS, Range(-6, 6), "shift to the right"),
    "shift_y": Parameter("pix", _PIXELS, Range(-6, 6), "shift upwards"),
}
_WITHIN = Range(-32, 32)
DISKS = {
    "disk_x": Parameter("pix", _PIXELS, _WITHIN, "place along x"),
    "disk_y": Parameter("pix", _PIXELS, _WITHIN, "place along y"),
    "disk_radius": Parameter("pix", _PIXELS, Range(1, 32), "radius of the disk"),
    "foreground": Parameter("", _PLAIN, _SHARE, "brightness of the disk"),
    "background": Parameter("", _PLAIN, _SHARE, "brightness around it"),
}
PAINTINGS = {
    "quads": Painting(QUADS, 3, (64, 32), 3e-4, "red, green and blue of a pixel, 0 to 1"),
    "digits": Painting(DIGITS, 1, (28,), 3e-3, "ink of a pixel, 0 to 1"),
    "disks": Painting(DISKS, 1, (32, 64), 5e-5, "brightness of a pixel, 0 to 1"),
}
PARAMETERS = {
    "flux": Parameter("ph", {"ph": 1.0}, Range(0, BRIGHTEST, above=True), "flux"),
    "radius": Parameter("arcsec", _ARCSEC, _SIZE, "radius"),
    "sersic_index": Parameter("", _PLAIN, Range(0.3, 6.2), "Sérsic index"),
    "bulge_radius": Parameter("arcsec", _ARCSEC, _SIZE, "half-light radius of the bulge"),
    "bulge_fraction": Parameter("", _PLAIN, Range(0, 1), "bulge-to-total flux ratio"),
    "g1": Parameter("", _PLAIN, Range(-1, 1), "reduced shear g1"),
    "g2": Parameter("", _PLAIN, Range(-1, 1), "reduced shear g2"),
    "offset_x": Parameter("pix", {"pix": 1.0}, Range(-LARGEST_STAMP, LARGEST_STAMP), "offset along x"),
    "offset_y": Parameter("pix", {"pix": 1.0}, Range(-LARGEST_STAMP, LARGEST_STAMP), "offset along y"),
    "psf_fwhm": Parameter("arcsec", _ARCSEC, _SIZE, "FWHM of the PSF"),
    "psf_beta": Parameter("", _PLAIN, Range(1.1, 100, above=True), "Moffat beta of the PSF"),
    **{name: each for painting in PAINTINGS.values() for name, each in painting.parameters.items()},
}

_ALWAYS = ("flux", "radius", "psf_fwhm")
REQUIRED = {
    "exponential": _ALWAYS,
    "sersic": (*_ALWAYS, "sersic_index"),
    "de_vaucouleurs": _ALWAYS,
    "bulge_disk": (*_ALWAYS, "bulge_radius", "bulge_fraction"),
    "real": ("flux", "psf_fwhm"),
    "cosmos": ("flux", "psf_fwhm"),
}
CATALOGUED = ("real", "cosmos")  # galaxies of a catalogue, whose size and shape are no parameters
SHOWN = ("source", "rotation")  # which source a row shows, and its rotation in degrees: drawn, but no factors
DEFAULTS = {"g1": 0.0, "g2": 0.0, "offset_x": 0.0, "offset_y": 0.0}
MOFFAT_BETA = 2.5  # GalSim's Moffat examples and the Subaru and LSST PSF fits lie between 2 and 4
HALF_LIGHT_OF_EXPONENTIAL = 1.6783469900166605  # half-light radius over scale radius: root of (1+x) exp(-x) = 1/2

# How people write the units of these parameters, in small letters.
SPELLINGS = {
    "arcsec": "arcsec", "arcsecs": "arcsec", "arcsecond": "arcsec", "arcseconds": "arcsec", "asec": "arcsec",
    "as": "arcsec", "''": "arcsec", '"': "arcsec", "″": "arcsec", "seconds": "arcsec", "sec": "arcsec",
    "mas": "mas", "milliarcsec": "mas", "milliarcsecond": "mas", "milliarcseconds": "mas", "marcsec": "mas",
    "arcmin": "arcmin", "arcmins": "arcmin", "arcminute": "arcmin", "arcminutes": "arcmin", "amin": "arcmin",
    "'": "arcmin", "′": "arcmin", "minutes": "arcmin",
    "ph": "ph", "photon": "ph", "photons": "ph", "phot": "ph", "counts": "ph", "count": "ph", "ct": "ph", "e-": "ph",
    "e": "ph", "electron": "ph", "electrons": "ph", "adu": "ph", "dn": "ph",
    "pix": "pix", "pixel": "pix", "pixels": "pix", "px": "pix", "pxl": "pix",
}  # fmt: skip
