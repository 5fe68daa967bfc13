"""The dependence measures against numpy in double precision, and the values they must have."""

import numpy as np
import pytest
import torch

from auxvae.losses.dependence import correlations, powers, r0, r1

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(500, 4)), RNG.normal(size=(500, 3))
A[:, 0] = B[:, 0] ** 3 + 0.1 * A[:, 0]


def tensor(a):
    return torch.tensor(a, dtype=torch.float64)


def exact_r0(a, b, degree):
    a, b = (a - a.mean(0)) / a.std(0), (b - b.mean(0)) / b.std(0)
    d = a.shape[1]
    return np.mean([abs(np.corrcoef(a**p, b**q, rowvar=False)[:d, d:])
                    for p in range(1, degree + 1) for q in range(1, degree + 1)], axis=0)  # fmt: skip


def test_correlations_are_those_of_numpy():
    np.testing.assert_allclose(correlations(tensor(A), tensor(B)), np.corrcoef(A, B, rowvar=False)[:4, 4:], atol=1e-7)


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_r0_is_the_mean_of_absolute_correlations_of_powers(degree):
    np.testing.assert_allclose(r0(tensor(A), tensor(B), degree), exact_r0(A, B, degree), atol=1e-6)
    released = r0(tensor(A), tensor(B), degree, normalise=False)
    np.testing.assert_allclose(released, degree**2 * exact_r0(A, B, degree), atol=1e-5)


@pytest.mark.parametrize("degree", [1, 3])
def test_r1_is_zero_for_the_factor_itself_and_two_for_its_mirror_image_at_degree_one(degree):
    same = r1(tensor(B), 3 * tensor(B) + 1, degree)
    np.testing.assert_allclose(same, 0, atol=1e-6)
    mirrored = r1(tensor(B), -tensor(B), 1)
    np.testing.assert_allclose(mirrored, 2, atol=1e-6)
    assert (r1(tensor(A[:, 1:]), tensor(B), degree).numpy() > 0.7).all()


def test_powers_see_what_a_correlation_does_not():
    square = tensor(B[:, :1]) ** 2
    assert r0(square, tensor(B[:, :1]), 1).item() < 0.2
    assert r0(square, tensor(B[:, :1]), 2).item() > 0.3


@pytest.mark.parametrize("degree", [1, 3])
def test_a_dead_latent_gives_zero_and_finite_gradients(degree):
    dead = torch.full((64, 2), 0.3, dtype=torch.float32, requires_grad=True)
    value = r0(dead, torch.randn(64, 2, generator=torch.Generator().manual_seed(0)), degree).sum()
    value.backward()
    assert abs(value.item()) < 1e-3
    assert dead.grad.isfinite().all()


def test_powers_are_standardised():
    raised = powers(tensor(A), 3)
    np.testing.assert_allclose(raised.mean(1), 0, atol=1e-10)
    np.testing.assert_allclose(raised.var(1, unbiased=False), 1, atol=1e-6)
