r"""Flux, shear and PSF of catalogued galaxies measured again on drawings, whatever their shape and their noise.

With G a galaxy as the catalogue has it, noise and all, P a round Gaussian and S the matrix of the shear,

    (G o S^-1) * (P o S^-1) = (G * P) o S^-1

so that the drawing A of the sheared galaxy, with P sheared by the stored shear, is the drawing B of the galaxy without
shear, resampled at S^-1 x (splines of order 5, without GalSim). This holds for every light distribution, where moments
of irregular or noisy ones need not exist. The shear that is measured is the least-squares fit

    A - B o S(g)^-1 = sum_i dg_i d(B o S(g)^-1) / dg_i        g + dg

about the stored shear g.

flux      sum of the pixels of a drawing with the scene's PSF                     tolerance 2 %
g1, g2    as above; off by 5e-5 at most on the COSMOS galaxies                    tolerance 0.0005
psf_fwhm  full width at half maximum of the drawn PSF (simulations.measurement)   tolerance 1 %
"""

from __future__ import annotations

import galsim
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from simulations.galaxy import Values, profile, psf
from simulations.measurement import measured_fwhm
from simulations.scene_spec import Scene

FINE = 5  # pixels of the drawings along the FWHM of P
STEP = 0.01  # of the shear, for derivatives
WINGS = 25.0  # FWHM of the PSF that the drawing for the flux reaches beyond the galaxy
SHEAR_ERROR = 5e-4
MOST = 1500  # pixels along a drawing
Floats = NDArray[np.float64]


def measure(scene: Scene, values: Values) -> dict[str, tuple[float, float]]:
    """Measured value and absolute tolerance of each parameter above, in the unit of the parameter."""
    g1, g2 = measured_shear(scene, values)
    return {
        "flux": (measured_flux(scene, values), 0.02 * values["flux"]),
        "g1": (g1, SHEAR_ERROR),
        "g2": (g2, SHEAR_ERROR),
        "psf_fwhm": (measured_fwhm(scene, values), 0.01 * values["psf_fwhm"]),
    }


def measured_flux(scene: Scene, values: Values) -> float:
    """Sum of the pixels (ph) of a drawing that reaches far beyond the galaxy."""
    seeing = values["psf_fwhm"]
    width = 2 * (_reach(scene, values) + WINGS * seeing)
    pixels = min(int(3 * width / seeing), MOST)
    observed = galsim.Convolve(profile(scene, values), psf(scene, values))
    return float(observed.drawImage(nx=pixels, ny=pixels, scale=width / pixels).array.sum(dtype=np.float64))


def measured_shear(scene: Scene, values: Values) -> tuple[float, float]:
    """The shear that takes a drawing of the galaxy without shear to that of the sheared one."""
    reach, shear = _reach(scene, values), np.array([values["g1"], values["g2"]])
    blur = galsim.Gaussian(fwhm=max(values["psf_fwhm"], 2 * FINE * reach / MOST))
    sheared = _drawn(profile(scene, values), blur.shear(g1=shear[0], g2=shear[1]), blur.fwhm, reach)
    round_ = _drawn(profile(scene, {**values, "g1": 0.0, "g2": 0.0}), blur, blur.fwhm, reach)
    slopes = [
        (_resampled(round_, shear + step) - _resampled(round_, shear - step)) / (2 * STEP) for step in STEP * np.eye(2)
    ]
    residual = sheared - _resampled(round_, shear)
    off = np.linalg.lstsq(np.stack([slope.ravel() for slope in slopes], 1), residual.ravel(), rcond=None)[0]
    return float(shear[0] + off[0]), float(shear[1] + off[1])


def _reach(scene: Scene, values: Values) -> float:
    """How far (arcsec) a galaxy reaches: the corners of a stretched image, or several half-light radii of a fit."""
    shear = np.hypot(values["g1"], values["g2"])
    stretch = float(np.sqrt((1 + shear) / (1 - shear)))
    catalogue, source = scene.source_catalogue, int(values["source"])
    if scene.is_real:
        galaxy = profile(scene, {**values, "g1": 0.0, "g2": 0.0})
        return stretch * float(np.hypot(*_image_shape(galaxy))) / 2 * catalogue.pictures[source].scale
    return stretch * 5 * catalogue.half_light[source]


def _image_shape(galaxy: galsim.GSObject) -> tuple[int, int]:
    shape: tuple[int, int] = galaxy.original.gal_image.array.shape
    return shape


def _drawn(galaxy: galsim.GSObject, blur: galsim.GSObject, fwhm: float, reach: float) -> Floats:
    """A drawing in FINE pixels per FWHM of the blur, which reaches beyond the galaxy."""
    pixels = 2 * int(FINE * (reach / fwhm + 2)) + 1
    drawn = galsim.Convolve(galaxy, blur).drawImage(
        nx=pixels, ny=pixels, scale=fwhm / FINE, method="no_pixel", dtype=float
    )
    return np.asarray(drawn.array)


def _resampled(image: Floats, shear: Floats) -> Floats:
    """An image under a shear that keeps areas, about its middle: its value at S^-1 x for each pixel x, (y, x)."""
    g1, g2 = shear
    middle = (len(image) - 1) / 2
    y, x = np.indices(image.shape) - middle
    norm = np.sqrt(1 - g1**2 - g2**2)
    back_x, back_y = ((1 - g1) * x - g2 * y) / norm, (-g2 * x + (1 + g1) * y) / norm
    return np.asarray(map_coordinates(image, [back_y + middle, back_x + middle], order=5, mode="constant"))
