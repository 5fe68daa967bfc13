r"""Fluxes and shapes of noisy images, with standard errors: what a survey's catalogue has in place of the truth.

    column      of     what is measured
    kron_flux   flux   photons in an ellipse of 2.5 Kron radii, SExtractor's FLUX_AUTO (Bertin & Arnouts 1996), by sep
    hsm_g1      g1     reduced shear of a round galaxy with the distortion of the image after re-Gaussianisation,
    hsm_g2      g2     e = 2 g / (1 + |g|^2) (Hirata & Seljak 2003), by GalSim's HSM with the PSF of the row

    hsm_g1_error      twice HSM's error, which is that of e / 2, times |dg/de| = (1 + g^2)^2 / (2 (1 - g^2))
    kron_flux_error   (n var)^(1/2) over the n pixels of the ellipse, (n var + F)^(1/2) where the noise is Poisson

Errors are those of the noise alone, for the ellipse and the weight that were measured. What a measurement has beyond
noise is in none of them: the ellipticity of the galaxy itself in hsm_g1 (some 0.3 per component), light outside of the
ellipse in kron_flux. NaN stands where a measurement fails: moments that do not converge, a distortion of 1 or more, no
light in the ellipse. The ellipse is that of HSM's adaptive moments. Fluxes are in the unit of their factor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import galsim
import numpy as np
import sep

from simulations.galaxy import Stamp, Values, psf
from simulations.measured import MEASUREMENTS, error_of
from simulations.parameters import PARAMETERS
from simulations.scene_spec import Scene
from simulations.spec import Dataset
from simulations.store import as_column

KRON, WIDEST = 2.5, 6.0  # Kron radii of the ellipse of flux; semi-axes within which the Kron radius is measured
LEAST_RADIUS = 1.75  # pixels: the smallest ellipse
SUBPIXELS = 5  # along each side of a pixel, of those that the ellipse cuts
FAILED = (math.nan, math.nan)
Value = tuple[float, float]  # a measurement and its error


def measure_images(
    dataset: Dataset, rows: Sequence[Values], images: np.ndarray, sigma: np.ndarray | None
) -> dict[str, np.ndarray]:
    """The declared measurements and their errors, (rows,) each, of images (rows, y, x) with their noise.

    sigma (rows,): standard deviation of Gaussian noise, None where the noise is another.
    """
    columns: dict[str, list[float]] = {each: [] for n in dataset.measurements for each in (n, error_of(n))}
    for i, values in enumerate(rows):
        variance = (dataset.noise.sky or 0.0) if sigma is None else float(sigma[i]) ** 2
        measured = _measure(dataset, values, images[i], variance)
        for name in dataset.measurements:
            columns[name].append(measured[name][0])
            columns[error_of(name)].append(measured[name][1])
    return {name: as_column(values) for name, values in columns.items()}


def _measure(dataset: Dataset, values: Values, stamp: Stamp, variance: float) -> dict[str, Value]:
    """Every measurement of one image (y, x), whose noise has that variance per pixel beside that of its own light."""
    image = galsim.Image(np.ascontiguousarray(stamp, dtype=np.float32))
    moments = image.FindAdaptiveMom(strict=False)
    if moments.moments_status != 0:
        return dict.fromkeys(MEASUREMENTS, FAILED)
    is_poisson = dataset.noise.kind == "poisson"
    flux, error = _kron_flux(stamp, moments, variance, is_poisson)
    unit = PARAMETERS["flux"].units[dataset.factors["flux"].unit] if "flux" in dataset.factors else 1.0
    light = moments.moments_amp / (3 * math.pi * moments.moments_sigma**2) if is_poisson else 0.0
    g1, g2 = _shear(image, point_spread(dataset.scene, values), variance + max(light, 0.0))
    return {"kron_flux": (flux / unit, error / unit), "hsm_g1": g1, "hsm_g2": g2}


def _kron_flux(stamp: Stamp, moments: galsim.hsm.ShapeData, variance: float, is_poisson: bool) -> Value:
    """Photons in the ellipse of 2.5 Kron radii with the shape and the place of the moments, and their error."""
    data = np.ascontiguousarray(stamp, dtype=np.float64)
    shape, centre = moments.observed_shape, moments.moments_centroid
    a, b = (moments.moments_sigma * math.exp(sign * shape.eta / 2) for sign in (1, -1))
    angle = math.remainder(float(shape.beta.rad), math.pi)
    ellipse = [np.array([each]) for each in (centre.x - 1, centre.y - 1, a, b, angle)]
    kron, _ = sep.kron_radius(data, *ellipse, WIDEST)
    if not kron[0] > 0:
        return FAILED
    scale = max(KRON * float(kron[0]), LEAST_RADIUS / math.sqrt(a * b))
    noise: dict[str, Any] = {"err": math.sqrt(variance), "gain": 1.0 if is_poisson else None, "subpix": SUBPIXELS}
    flux, error, _ = sep.sum_ellipse(data, *ellipse, scale, **noise)
    return float(flux[0]), float(error[0])


def _shear(image: galsim.Image, spread: galsim.Image, variance: float) -> tuple[Value, Value]:
    """Both components of the reduced shear after re-Gaussianisation, each with its error."""
    result = galsim.hsm.EstimateShear(image, spread, shear_est="REGAUSS", sky_var=variance, strict=False)
    if result.correction_status != 0 or not math.hypot(result.corrected_e1, result.corrected_e2) < 1:
        return FAILED, FAILED
    shear = galsim.Shear(e1=result.corrected_e1, e2=result.corrected_e2)
    error = result.corrected_shape_err * (1 + shear.g**2) ** 2 / (1 - shear.g**2)
    return (float(shear.g1), error), (float(shear.g2), error)


def point_spread(scene: Scene, values: Values) -> galsim.Image:
    """The PSF of a row on the pixels of its images, on an odd number of them, so that it is in the middle of one."""
    side = scene.stamp | 1
    return psf(scene, values).drawImage(nx=side, ny=side, scale=scene.pixel_scale)
