"""The parameters of a galaxy measured again on noise-free drawings, without the pixel and the stamp of the data set.

flux      sum of the pixels of a drawing 100 half-light radii wide                     tolerance 2 %
g1, g2    adaptive moments with a hollow weight, before the PSF (simulations.moments)  tolerance 0.002
radius    size of these moments, divided by that of the round galaxy of radius 1       tolerance 0.5 %
psf_fwhm  full width at half maximum of the drawn PSF                                  tolerance 1 %
"""

from __future__ import annotations

import galsim

from simulations.galaxy import Values, half_light_of, profile, psf
from simulations.moments import Moments, hollow_moments
from simulations.scene_spec import Scene


def measure(scene: Scene, values: Values) -> dict[str, tuple[float, float]]:
    """Measured value and absolute tolerance of each parameter above, in the unit of the parameter."""
    galaxy, point_spread, radius = profile(scene, values), psf(scene, values), values["radius"]
    reference = _unit_round(values)
    half_light = half_light_of(scene, reference)
    round_moments, moments = _moments(profile(scene, reference), half_light), _moments(galaxy, half_light * radius)
    wide = galsim.Convolve(galaxy, point_spread).drawImage(nx=400, ny=400, scale=half_light * radius / 4)
    return {
        "flux": (float(wide.array.sum()), 0.02 * values["flux"]),
        "g1": (moments.g1, 2e-3),
        "g2": (moments.g2, 2e-3),
        "radius": (moments.size / round_moments.size, 5e-3 * radius),
        "psf_fwhm": (measured_fwhm(scene, values), 0.01 * values["psf_fwhm"]),
    }


def measured_fwhm(scene: Scene, values: Values) -> float:
    """Full width at half maximum (arcsec) of the drawn PSF."""
    drawn = psf(scene, values).drawImage(nx=301, ny=301, scale=values["psf_fwhm"] / 60, method="no_pixel")
    return float(drawn.calculateFWHM())


def _unit_round(values: Values) -> dict[str, float]:
    """The same galaxy with radius 1 and no shear; a bulge keeps its size relative to the disk."""
    reference = {**values, "radius": 1.0, "g1": 0.0, "g2": 0.0}
    if "bulge_radius" in values:
        reference["bulge_radius"] = values["bulge_radius"] / values["radius"]
    return reference


def _moments(galaxy: galsim.GSObject, half_light: float) -> Moments:
    """Moments of a drawing 25 half-light radii wide, with 8 pixels per half-light radius."""
    image = galaxy.drawImage(nx=200, ny=200, scale=half_light / 8, method="no_pixel")
    return hollow_moments(image.array, half_light / 8, half_light)
