"""One row as a GalSim object: the galaxy of the scene, sheared, convolved with its PSF, drawn on its stamp.

    exponential      I(r) ~ exp(-r / r0)
    sersic           I(r) ~ exp(-b_n (r / r_e)^(1/n))
    de_vaucouleurs   Sérsic with n = 4
    bulge_disk       de Vaucouleurs with a fraction B/T of the flux + exponential with the rest, sheared together
    real, cosmos     galaxies of a catalogue (simulations.catalogue_galaxy)

Shear is GalSim's area-preserving reduced shear (g1, g2). The drawing convolves with the pixel (`method="auto"`), so
that the value of a pixel is the number of photons on it; (offset_x, offset_y) is in pixels from the true centre.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import galsim
import numpy as np
from numpy.typing import NDArray

from simulations.catalogue_galaxy import unsheared
from simulations.parameters import PARAMETERS, SHOWN
from simulations.scene_spec import Scene
from simulations.spec import Dataset

Stamp = NDArray[np.float32]
Values = Mapping[str, float]


def parameters(dataset: Dataset, factors: Mapping[str, float]) -> dict[str, float]:
    """Every parameter of the scene in GalSim's units, from one row's factors and the constants.

    Of a catalogued galaxy the row's source and rotation are passed on.
    """
    constants = {name: dataset.constant(name) for name in dataset.scene.takes() if name not in factors}
    scaled = {n: v * PARAMETERS[n].units[dataset.factors[n].unit] for n, v in factors.items() if n not in SHOWN}
    return constants | scaled | {name: factors[name] for name in SHOWN if name in factors}


def profile(scene: Scene, values: Values) -> galsim.GSObject:
    """The galaxy before the PSF, with the reduced shear, size (arcsec) and flux (ph) in `values`."""
    shape = unsheared if scene.is_catalogued else GALAXIES[scene.galaxy]
    galaxy: galsim.GSObject = shape(scene, values).shear(g1=values["g1"], g2=values["g2"])
    return galaxy


def psf(scene: Scene, values: Values) -> galsim.GSObject:
    """The PSF with unit flux and the FWHM (arcsec) in `values`."""
    return PSFS[scene.psf](values)


def half_light_of(scene: Scene, values: Values) -> float:
    """Half-light radius (arcsec) of the galaxy before shear and PSF; if it has a bulge, that of its disk."""
    galaxy = GALAXIES[scene.galaxy](scene, values)
    return float((galaxy.obj_list[1] if scene.galaxy == "bulge_disk" else galaxy).half_light_radius)


def draw(scene: Scene, values: Values) -> Stamp:
    """The noise-free stamp of one row, shape (stamp, stamp), photons per pixel."""
    observed = galsim.Convolve(profile(scene, values), psf(scene, values))
    offset = (values["offset_x"], values["offset_y"])
    image = observed.drawImage(nx=scene.stamp, ny=scene.stamp, scale=scene.pixel_scale, offset=offset)
    return np.asarray(image.array)


def _radius(scene: Scene, values: Values) -> dict[str, float]:
    return {f"{scene.radius}_radius": values["radius"]}


def _exponential(scene: Scene, values: Values) -> galsim.GSObject:
    return galsim.Exponential(flux=values["flux"], **_radius(scene, values))


def _sersic(scene: Scene, values: Values) -> galsim.GSObject:
    return galsim.Sersic(values["sersic_index"], flux=values["flux"], **_radius(scene, values))


def _de_vaucouleurs(scene: Scene, values: Values) -> galsim.GSObject:
    return galsim.DeVaucouleurs(flux=values["flux"], **_radius(scene, values))


def _bulge_disk(scene: Scene, values: Values) -> galsim.GSObject:
    fraction = values["bulge_fraction"]
    bulge = galsim.DeVaucouleurs(half_light_radius=values["bulge_radius"], flux=fraction * values["flux"])
    disk = galsim.Exponential(flux=(1 - fraction) * values["flux"], **_radius(scene, values))
    return galsim.Add(bulge, disk)


def _airy(values: Values) -> galsim.GSObject:
    """An Airy disk without obscuration."""
    return galsim.Airy(lam_over_diam=values["psf_fwhm"] / AIRY_FWHM)


AIRY_FWHM = 1.028993969962188  # full width at half maximum of (2 J1(x) / x)^2, in lambda / D
GALAXIES: dict[str, Callable[[Scene, Values], galsim.GSObject]] = {
    "exponential": _exponential,
    "sersic": _sersic,
    "de_vaucouleurs": _de_vaucouleurs,
    "bulge_disk": _bulge_disk,
}
PSFS: dict[str, Callable[[Values], galsim.GSObject]] = {
    "gaussian": lambda values: galsim.Gaussian(fwhm=values["psf_fwhm"]),
    "moffat": lambda values: galsim.Moffat(values["psf_beta"], fwhm=values["psf_fwhm"]),
    "kolmogorov": lambda values: galsim.Kolmogorov(fwhm=values["psf_fwhm"]),
    "airy": _airy,
}
