"""Adaptive moments: those of GalSim, of a Gaussian known exactly, and what is said of images without a galaxy."""

import galsim
import numpy as np
import pytest

from auxvae.metrics.shapes import shape_scores, shapes

G = np.random.default_rng(0)


def galaxy(radius, g1, g2):
    light = galsim.Exponential(half_light_radius=radius, flux=100).shear(g1=g1, g2=g2)
    return galsim.Convolve(light, galsim.Gaussian(fwhm=0.8)).drawImage(nx=33, ny=33, scale=0.2)


@pytest.fixture(scope="module")
def images():
    return [galaxy(G.uniform(0.3, 1.2), *G.uniform(-0.35, 0.35, 2)) for _ in range(40)]


def test_moments_are_those_of_galsim(images):
    result = shapes(np.stack([image.array for image in images]))
    for k, image in enumerate(images):
        moments = galsim.hsm.FindAdaptiveMom(image)
        wanted = (moments.moments_amp, moments.moments_sigma, moments.observed_shape.e1, moments.observed_shape.e2)
        assert [column[k] for column in result] == pytest.approx(wanted, rel=2e-6, abs=2e-6)


def test_moments_of_a_gaussian_are_its_own():
    y, x = np.mgrid[:41, :41] - 20.0
    sigma, e1 = 3.0, 0.3
    xx, yy = sigma**2 * np.sqrt((1 + e1) / (1 - e1)), sigma**2 * np.sqrt((1 - e1) / (1 + e1))
    image = 50 * np.exp(-0.5 * ((x - 0.4) ** 2 / xx + y**2 / yy)) / (2 * np.pi * sigma**2)
    result = shapes(image[None])
    assert [float(column[0]) for column in result] == pytest.approx([50, sigma, e1, 0], abs=1e-3)


def test_biases_and_scatters_of_images_that_are_made_wrong(images):
    true = np.stack([image.array for image in images]).astype(np.float64)
    perfect, brighter = shape_scores(shapes(true), shapes(true)), shape_scores(shapes(1.1 * true), shapes(true))
    assert all(perfect[name].value == 0 for name in perfect if name != "moments_converged")
    assert brighter["flux_bias"].value == pytest.approx(np.log(1.1))
    assert brighter["size_bias"].value == pytest.approx(0, abs=1e-6)
    turned = shape_scores(shapes(true.transpose(0, 2, 1)), shapes(true))
    assert turned["ellipticity_scatter"].value > 0.1
    assert turned["flux_scatter"].value < 1e-3


def test_images_without_a_galaxy_do_not_converge():
    nothing = np.stack([np.zeros((33, 33)), -np.ones((33, 33)), np.ones((33, 33))])
    assert np.isnan(shapes(nothing).size).all()
    assert shape_scores(shapes(nothing), shapes(nothing)).keys() == {"moments_converged"}


def test_images_measured_a_few_at_a_time_are_those_measured_together(images, monkeypatch):
    stamps = np.stack([image.array for image in images])
    together = shapes(stamps)
    monkeypatch.setattr("auxvae.metrics.shapes.AT_A_TIME", 7)
    np.testing.assert_allclose(shapes(stamps), together, rtol=1e-9)
