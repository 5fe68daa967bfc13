"""Principal components of the training images: exact, above the noise by the rule, refused where there are none."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import IncrementalPCA

from auxvae.data import components
from auxvae.data.components import principal_components
from auxvae.models.backbones import Shape
from auxvae.models.component_networks import FromComponents, ToComponents
from foundation.faults import Refused


def components_of(images, bounded, inputs, where):
    return principal_components(images, images.flatten(1).mean(0), bounded, inputs, where)


def images_of(signals, rows=4000, stamp=12, seed=0):
    """Images of unit noise and random directions, whose signal has so many times the variance of the noise."""
    g = torch.Generator().manual_seed(seed)
    directions = torch.linalg.qr(torch.randn(stamp**2, len(signals), generator=g))[0].T
    amplitudes = torch.randn(rows, len(signals), generator=g) * torch.tensor(signals).sqrt()
    noise = torch.randn(rows, stamp**2, generator=g)
    return (amplitudes @ directions + noise + 3).view(rows, 1, stamp, stamp), directions


def test_they_are_the_eigenvectors_of_the_covariance_matrix():
    images, _ = images_of([50.0, 9.0], rows=300, stamp=6)
    found = components_of(images, False, None, "data")
    values, vectors = np.linalg.eigh(np.cov(images.flatten(1).double().numpy().T))
    np.testing.assert_allclose(found.variances, values[::-1], rtol=1e-5)
    overlap = np.abs((found.directions.double().numpy() * vectors.T[::-1]).sum(1))
    np.testing.assert_allclose(overlap, 1, atol=1e-4)
    torch.testing.assert_close(found.mean, images.flatten(1).mean(0))


@pytest.mark.parametrize("rows", [1500, 4000, 20_000])
def test_the_encoder_is_given_what_stands_twice_above_the_noise(rows):
    """Signals of 1.4 times the noise stay out and those of 2.8 times come in, however few the rows."""
    images, _ = images_of([100.0, 10.0, 2.8, 2.8, 1.4, 1.4, 0.5], rows)
    assert components_of(images, False, None, "data").inputs == 4
    assert components_of(images[:, :, :, :], False, 6, "data").inputs == 6


def test_noise_alone_is_not_taken_for_a_signal():
    for rows in (100, 1000):
        assert components_of(images_of([], rows)[0], False, None, "data").inputs == 1


def test_signs_do_not_depend_on_the_rows():
    images, _ = images_of([100.0, 30.0])
    half, whole = (components_of(each, False, 2, "data").directions[:2] for each in (images[:2000], images))
    assert bool(((half * whole).sum(1) > 0.9).all())


def test_large_images_are_decomposed_in_blocks(monkeypatch):
    images, _ = images_of([100.0, 30.0, 10.0])
    exact = components_of(images, False, None, "data")
    monkeypatch.setattr(components, "EXACT", 100)
    blocks = components_of(images, False, None, "data")
    assert blocks.inputs == exact.inputs == 3
    torch.testing.assert_close(blocks.directions[:3], exact.directions[:3], atol=0.02, rtol=0)


def test_blocks_are_those_of_the_librarys_own_loop():
    """A last block of 6 rows is too small for 64 components and joins the one before it."""
    images, _ = images_of([100.0, 30.0, 10.0], rows=2 * components.BLOCK + 6)
    variances, directions = components._incremental(images, 64)
    expected = IncrementalPCA(64, batch_size=components.BLOCK).fit(images.flatten(1).numpy())
    np.testing.assert_array_equal(variances, expected.explained_variance_.astype(np.float32))
    np.testing.assert_array_equal(directions, expected.components_.astype(np.float32))


def test_an_image_within_the_components_comes_back():
    """Without the two scalings, decoder after encoder is the projection on the components."""
    images, _ = images_of([100.0, 30.0, 10.0])
    found = components_of(images, False, 64, "data")._replace(variances=torch.ones(64))
    inward, outward = ToComponents(found), FromComponents(found, Shape(1, 12, 4, 8))
    image = images[:5]
    coefficients = inward(image) / (inward.basis.norm(dim=0)[0] * outward.basis.norm(dim=1)[0])
    projected = (image.flatten(1) - found.mean) @ found.directions.T @ found.directions + found.mean
    torch.testing.assert_close(outward(coefficients).flatten(1), projected, atol=1e-4, rtol=1e-4)


def test_what_has_no_components_is_refused_in_a_sentence():
    with pytest.raises(Refused, match="images that are all the same"):
        components_of(torch.ones(20, 1, 5, 5), False, None, "data")
    with pytest.raises(Refused, match=r"network.components: found 30, but 20 training rows of 25 pixels have 19"):
        components_of(torch.rand(20, 1, 5, 5), False, 30, "data")
