r"""A stamp of a `real` galaxy with white Gaussian noise of exactly the variance that is asked for.

The noise of the catalogue's image is correlated, and after the deconvolution, the shear and the PSF more so. It fills
the stamp (galsim's noise padding), and noise is added whose power spectrum is what is missing to a flat one, of
variance var_w per pixel (GalSim's whitenNoise; Rowe et al. 2015, sections 7.3 and 9.2), and white noise above it:

    x = drawing + whitening + (sigma^2 - var_w)^(1/2) e        e ~ N(0, 1)        refused where sigma^2 < var_w

    sigma    declared, or (sum d^2 - n var_d)^(1/2) / snr of the drawing d with n pixels and correlated noise var_d

Three things that GalSim leaves to its caller, without which the noise is wrong:

    units    the noise of a RealGalaxy is that of a pixel of the catalogue: per pixel of A arcsec^2, its variance is
             (A / A_c)^2 times as large, as fluxes are A / A_c times as large
    pixel    the noise is that of what is drawn only if the pixel is part of it: Convolve(..., Pixel), "no_pixel"
    folding  GalSim's Fourier transform has a period that the galaxy sets, and folds noise beyond it into the stamp:
             the drawing is so large that noise from there does not reach the stamp, which is cut from its middle

tests/simulations/test_real.py holds the variance and the correlations at small lags over many stamps.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import galsim
import numpy as np

from foundation.faults import Fault, Refused, Words
from simulations.catalogue_checks import white_noise
from simulations.catalogue_galaxy import image_of, psf_width
from simulations.factors import draw_factors
from simulations.galaxy import Stamp, Values, parameters, psf
from simulations.parameters import SHOWN
from simulations.population import draw_shown
from simulations.randomness import generator
from simulations.scene_spec import Scene
from simulations.spec import Dataset

STATE = 624  # 32-bit words of the state of GalSim's generator, a Mersenne twister
WINGS = 2.0  # FWHM of the PSF around the stamp from which noise reaches it
SAMPLE = 4  # rows of the most noise that are tried before any is written
_CORNERS = np.array([[1, 1, -1, -1], [1, -1, 1, -1]])


class Observed(NamedTuple):
    """A stamp (y, x), photons per pixel, and the standard deviation of its noise; NaN where it is correlated."""

    image: Stamp
    sigma: float


def observe(dataset: Dataset, values: Values, row: int) -> Observed:
    """The stamp of a row with its noise, which depends on the seed of the data set, the values and the row alone."""
    scene = dataset.scene
    _refuse_sharp(scene, values)
    padding, side = _sizes(scene, values)
    galaxy = image_of(scene, values, padding, deviate(dataset.seed, row)).shear(g1=values["g1"], g2=values["g2"])
    observed = galsim.Convolve(galaxy, psf(scene, values), galsim.Pixel(scene.pixel_scale))
    offset = (values["offset_x"], values["offset_y"])
    drawn = observed.drawImage(nx=side, ny=side, scale=scene.pixel_scale, offset=offset, method="no_pixel", dtype=float)
    if dataset.noise.kind == "none":
        return Observed(_middle(drawn, scene.stamp).astype(np.float32), math.nan)
    scale = scene.source_catalogue.pictures[int(values["source"])].scale
    noise, light = observed.noise * (scene.pixel_scale / scale) ** 4, _middle(drawn, scene.stamp).copy()
    white = drawn.whitenNoise(noise)
    sigma = _sigma(dataset, light, noise.getVariance())  # which whitening computes and keeps
    _refuse_noisy(dataset, values, row, sigma, white)
    independent = generator(dataset.seed, "noise", row).standard_normal((scene.stamp, scene.stamp))
    image = _middle(drawn, scene.stamp) + math.sqrt(sigma**2 - white) * independent
    return Observed(image.astype(np.float32), sigma)


def deviate(seed: int, row: int) -> galsim.BaseDeviate:
    """GalSim's generator of one row, its whole state from the row's address."""
    words = generator(seed, "catalogue noise", row).integers(0, 2**32, STATE, dtype=np.uint64)
    return galsim.BaseDeviate(" ".join(map(str, words)))


def refuse_noisier(dataset: Dataset) -> None:
    """Refuse a data set of `real` galaxies, before it is written, by those of its rows that have the most noise."""
    if dataset.noise.kind != "gaussian":
        return
    shown, scene = draw_shown(dataset, 0, dataset.galaxies), dataset.scene
    rows = draw_factors(dataset, 0, dataset.galaxies) | {name: shown[name] for name in SHOWN}
    floor = {i: white_noise(scene.source_catalogue, i, scene.pixel_scale) for i in np.unique(shown["source"])}
    noise = np.array([floor[i] for i in shown["source"]])
    if dataset.noise.sigma is not None and "flux" in rows:
        noise = noise * rows["flux"]
    for row in np.argsort(np.nan_to_num(noise))[-SAMPLE:]:
        observe(dataset, parameters(dataset, {name: float(each[row]) for name, each in rows.items()}), int(row))


def _sizes(scene: Scene, values: Values) -> tuple[float, int]:
    """Side (arcsec) of the square of noise, before rotation and shear, and pixels along the drawing.

    The square holds the stamp and the wings of the PSF around it; the drawing is as large as the half-widths of the
    square as it is sheared, and of the stamp, together: then what is folded falls outside of the stamp.
    """
    shift = max(abs(values["offset_x"]), abs(values["offset_y"])) + 1
    reach = scene.pixel_scale * (scene.stamp / 2 + shift) + WINGS * values["psf_fwhm"]
    turn = galsim.Shear(g1=values["g1"], g2=values["g2"]).getMatrix() @ _rotation(values["rotation"])
    half = float(np.abs(np.linalg.inv(turn) @ (reach * _CORNERS)).max())
    sheared = float(np.abs(turn @ (half * _CORNERS)).max())
    pixels = math.ceil((sheared + reach) / scene.pixel_scale)
    return 2 * half, pixels + (pixels - scene.stamp) % 2


def _rotation(degrees: float) -> np.ndarray:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])


def _middle(image: galsim.Image, side: int) -> np.ndarray:
    """The middle of an image, (side, side)."""
    first = (len(image.array) - side) // 2
    return np.asarray(image.array[first : first + side, first : first + side])


def _sigma(dataset: Dataset, stamp: np.ndarray, variance: float) -> float:
    """The standard deviation that a stamp, with noise of a variance, is to have; 0 where that outweighs the galaxy."""
    if dataset.noise.sigma is not None:
        return dataset.noise.sigma
    power = float(np.sum(stamp**2)) - stamp.size * variance
    return math.sqrt(max(power, 0.0)) / (dataset.noise.snr or math.nan)


def _refuse_sharp(scene: Scene, values: Values) -> None:
    """Refuse a PSF that is narrower than that in the image of the galaxy."""
    catalogue, source = scene.source_catalogue, int(values["source"])
    if (width := psf_width(catalogue, source)) > values["psf_fwhm"]:
        text = f"the catalogue's image of galaxy {catalogue.identifiers[source]} has a PSF of {width:.3g} arcsec"
        remedy = f"begin psf_fwhm at {math.ceil(1100 * width) / 1000:g} arcsec"
        raise Refused(Fault("psf_fwhm", Words(f"{values['psf_fwhm']:.3g} arcsec"), text, remedy))


def _refuse_noisy(dataset: Dataset, values: Values, row: int, sigma: float, white: float) -> None:
    """Refuse noise below that of the catalogue's image, with the noise it would have to be."""
    if sigma**2 >= white:
        return
    key = "sigma" if dataset.noise.sigma is not None else "snr"
    identifier = dataset.scene.source_catalogue.identifiers[int(values["source"])]
    text = (
        f"the image of galaxy {identifier} in the catalogue, at the {values['flux']:.4g} photons of row {row}, has a "
        f"noise of {math.sqrt(white):.4g} once it is white, and noise is only added"
    )
    change = "raise it, lower flux" if key == "sigma" else "lower it"
    remedy = f"{change}, or leave faint galaxies out with scene.faintest"
    raise Refused(Fault(f"noise.{key}", Words(f"a noise of {sigma:.4g} photons per pixel"), text, remedy))
