"""Every scene draws the galaxy of its factors: compared with other renderers, closed forms and measured moments."""

import itertools

import galsim
import numpy as np
import pytest
from astropy.io import fits

from foundation.declare import read
from simulations.galaxy import GALAXIES, PSFS, draw, parameters, profile, psf
from simulations.measurement import measure
from simulations.moments import hollow_moments
from simulations.parameters import HALF_LIGHT_OF_EXPONENTIAL, PARAMETERS
from simulations.scene_spec import Scene
from tests.conftest import ROOT

VALUES = {
    "flux": 5e4, "radius": 0.5, "g1": 0.2, "g2": -0.3, "psf_fwhm": 0.3, "psf_beta": 2.5, "sersic_index": 2.5,
    "bulge_radius": 0.3, "bulge_fraction": 0.3, "offset_x": 0.0, "offset_y": 0.0,
}  # fmt: skip
SCENES = list(itertools.product(GALAXIES, PSFS))


def scene(galaxy="exponential", seeing="gaussian", radius="half_light", stamp=64, scale=0.2):
    value = {"galaxy": galaxy, "psf": seeing, "radius": radius, "stamp": stamp, "pixel_scale": scale}
    return read(Scene, value, "scene", [])


def fourier_exponential(values, stamp, pixel):
    """A sheared exponential under a Gaussian PSF and the pixel, by its Fourier transform on a padded grid."""
    over, size = 4, 1024
    k = 2 * np.pi * np.fft.fftfreq(size, pixel / over)
    kx, ky = np.meshgrid(k, k)
    g1, g2 = values["g1"], values["g2"]
    norm = np.sqrt(1 - g1**2 - g2**2)
    sx, sy = ((1 + g1) * kx + g2 * ky) / norm, (g2 * kx + (1 - g1) * ky) / norm
    s = values["psf_fwhm"] / np.sqrt(8 * np.log(2))
    light = values["flux"] * (1 + values["radius"] ** 2 * (sx**2 + sy**2)) ** -1.5
    light = (
        light
        * np.exp(-(s**2) * (kx**2 + ky**2) / 2)
        * np.sinc(kx * pixel / 2 / np.pi)
        * np.sinc(ky * pixel / 2 / np.pi)
    )
    image = np.fft.fftshift(np.fft.ifft2(light).real) * over**2
    middle = size // 2
    reach = over * (stamp // 2)
    return image[middle - reach : middle + reach + 1 : over, middle - reach : middle + reach + 1 : over]


@pytest.mark.parametrize(("g1", "g2", "radius"), [(0, 0, 0.3), (0.3, 0.1, 0.2), (-0.2, 0.35, 0.4)])
def test_the_papers_scene_equals_a_fourier_renderer(g1, g2, radius):
    values = {**VALUES, "g1": g1, "g2": g2, "radius": radius}
    drawn = draw(scene(radius="scale", stamp=33), values)
    exact = fourier_exponential(values, 33, 0.2)
    assert np.abs(drawn - exact).max() < 1e-3 * exact.max()


@pytest.mark.parametrize(("galaxy", "seeing"), SCENES, ids=lambda x: str(x))
def test_measured_parameters_of_every_scene_are_its_factors(galaxy, seeing):
    for name, (measured, tolerance) in measure(scene(galaxy, seeing), VALUES).items():
        assert measured == pytest.approx(VALUES[name], abs=tolerance), name


@pytest.mark.parametrize(("galaxy", "seeing"), SCENES, ids=lambda x: str(x))
def test_every_scene_is_linear_in_flux_and_follows_its_offset(galaxy, seeing):
    drawn = draw(scene(galaxy, seeing), VALUES)
    np.testing.assert_allclose(draw(scene(galaxy, seeing), {**VALUES, "flux": 1e5}), 2 * drawn, rtol=1e-4, atol=1e-3)
    moved = draw(scene(galaxy, seeing), {**VALUES, "offset_x": 3.0, "offset_y": -2.0})
    np.testing.assert_allclose(np.roll(drawn, (-2, 3), (0, 1))[20:44, 20:44], moved[20:44, 20:44], rtol=2e-2, atol=0.5)


@pytest.mark.parametrize("name", PSFS)
def test_every_psf_has_unit_flux_and_its_width(name):
    seeing = psf(scene(seeing=name), VALUES)
    assert seeing.flux == pytest.approx(1)
    half = seeing.xValue(0.15, 0) / seeing.xValue(0, 0)
    assert half == pytest.approx(0.5, abs=2e-3)


@pytest.mark.parametrize("galaxy", ["exponential", "sersic", "de_vaucouleurs"])
def test_a_half_light_radius_holds_half_of_the_light(galaxy):
    drawn = draw(scene(galaxy, stamp=400, scale=0.1), {**VALUES, "g1": 0, "g2": 0, "psf_fwhm": 0.05})
    along = (np.arange(400) - 199.5) * 0.1
    inside = np.hypot(*np.meshgrid(along, along)) < 0.5
    coarse = drawn[inside].sum() / VALUES["flux"]
    assert coarse == pytest.approx(0.5, abs=0.02)


def test_scale_and_half_light_radius_of_an_exponential_differ_by_the_stated_number():
    one = profile(scene(radius="scale"), VALUES)
    two = profile(scene(), {**VALUES, "radius": 0.5 * HALF_LIGHT_OF_EXPONENTIAL})
    assert one.xValue(0.3, 0.1) == pytest.approx(two.xValue(0.3, 0.1), rel=1e-6)


@pytest.mark.parametrize("shear", [(0, 0), (0.3, -0.2), (0.5, 0.5), (-0.69, 0.1)])
@pytest.mark.parametrize("n", [0.5, 1, 2.5, 4, 6])
def test_hollow_moments_follow_a_shear_exactly(shear, n):
    galaxy = galsim.Sersic(n, half_light_radius=1)
    unsheared = hollow_moments(galaxy.drawImage(nx=200, ny=200, scale=1 / 8, method="no_pixel").array, 1 / 8, 1)
    sheared = galaxy.shear(g1=shear[0], g2=shear[1]).drawImage(nx=200, ny=200, scale=1 / 8, method="no_pixel")
    moments = hollow_moments(sheared.array, 1 / 8, 1)
    assert (moments.g1, moments.g2) == pytest.approx(shear, abs=1e-3)
    assert moments.size == pytest.approx(unsheared.size, rel=4e-3)


def test_hollow_moments_of_a_gaussian_are_its_sigma():
    image = galsim.Gaussian(sigma=2).drawImage(nx=101, ny=101, scale=0.25, method="no_pixel")
    assert hollow_moments(image.array, 0.25, 1).size == pytest.approx(2, rel=1e-5)


def test_declared_units_are_those_of_astropy():
    from astropy import units

    for parameter in PARAMETERS.values():
        for unit, scale in parameter.units.items():
            assert units.Unit(unit).to(units.Unit(parameter.unit)) == pytest.approx(scale)


def test_a_factor_in_another_unit_draws_the_same():
    from tests.simulations.test_factors import dataset

    factors = {"radius": 500.0, "flux": 1.0, "g1": 0.1, "offset_x": 0.0}  # radius in mas
    assert parameters(dataset(), factors)["radius"] == pytest.approx(0.5)


GALFIT = ROOT.parent / "shared" / "data" / "galfit_sersic"
# n, stamp, relative tolerance: GalSim folds the wings of n = 4 (folding_threshold 0.005 of the flux) into the stamp
RENDERED = {"tests_galfit_sersic_n1.fits.gz": (1, 512, 0.01), "tests_galfit_n4_psf0.fits.gz": (4, 200, 0.02)}


@pytest.mark.parametrize("name", [name for name in RENDERED if (GALFIT / name).exists()])
def test_a_sersic_galaxy_is_that_of_galfit(name):
    """An independent renderer, if its images are beside the checkout: radius 30 pixels, magnitude 20."""
    n, stamp, tolerance = RENDERED[name]
    image = fits.getdata(GALFIT / name).astype(np.float64)
    values = {**VALUES, "flux": 10 ** (0.4 * (26.563 - 20)), "radius": 6.0, "sersic_index": n, "g1": 0, "g2": 0,
              "psf_fwhm": 0.05, "offset_x": -0.5, "offset_y": -0.5}  # fmt: skip
    drawn = draw(scene("sersic", stamp=stamp), values)
    y, x = np.indices(image.shape) - (stamp // 2 - 1)
    ring = (np.hypot(x, y) > 4) & (np.hypot(x, y) < 60)
    np.testing.assert_allclose(drawn[ring], image[ring], rtol=tolerance)
