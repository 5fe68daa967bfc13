"""Guidance and sampling: gradients of two forms agree, and linear-Gaussian models have closed forms."""

import pytest
import torch

from auxvae.models.denoiser import Denoiser
from auxvae.models.denoiser import reset as reset_denoiser
from auxvae.models.guidance import gradient, guided, guided_error, noise_ratio, sample
from auxvae.models.inference import Inference, noise
from auxvae.models.inference import reset as reset_inference
from auxvae.models.schedules import CURVES, Schedule, alpha, sigma
from tests.auxvae.models import seeded


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def inference(stamp=16, latents=3, seed=0, sees_level=False):
    return seeded(Inference(1, stamp, latents, 8, sees_level), seed)


def test_both_forms_of_the_guided_term_have_the_same_value_and_gradient():
    gradients, values = [], []
    for exact in (True, False):
        network = inference()
        x, level = normal(40, 1, 16, 16), torch.linspace(-8, 0, 40)
        mean, variance = network(x, torch.full((40,), 20.0))
        z = mean + variance.sqrt() * normal(40, 3, seed=1)
        eps = normal(40, 1, 16, 16, seed=2)
        errors = guided_error(network, z, x + noise_ratio(level) * eps, level, 0.5 * eps, exact)
        values.append(errors.detach())
        gradients.append(torch.autograd.grad(errors.mean(), [*network.parameters()], allow_unused=True))
    torch.testing.assert_close(*values)
    flat = [torch.cat([each.flatten() for each in some if each is not None]) for some in gradients]
    assert torch.cosine_similarity(*flat, dim=0) > 0.9999
    assert flat[0].norm() == pytest.approx(float(flat[1].norm()), rel=1e-3)


class LinearGaussian:
    """One pixel x ~ N(0, 1) and the exact encoder z = x + N(0, w): both networks in closed form."""

    def __init__(self, width):
        self.width = width

    def denoise(self, noisy, level):
        """E[eps|x_t]: of x_t = alpha x + sigma eps, whose variance is 1."""
        return sigma(level)[:, None, None, None] * noisy

    def infer(self, y, level):
        """q(z|y), whose mean and variance are those of x given y, and the encoder's noise beside."""
        s2 = torch.exp(-level)[:, None]
        return y.flatten(1) / (1 + s2), s2 / (1 + s2) + self.width


@pytest.mark.parametrize("level", [-6.0, -2.0, 0.0, 1.0])
@pytest.mark.parametrize("width", [0.05, 0.5])
def test_the_gain_of_guidance_is_that_of_the_law(width, level):
    model, rows = LinearGaussian(width), 400_000
    levels = torch.full((rows,), level)
    x, eps = normal(rows, 1, 1, 1), normal(rows, 1, 1, 1, seed=1)
    z = x.flatten(1) + width**0.5 * normal(rows, 1, seed=2)
    noisy = alpha(levels)[:, None, None, None] * x + sigma(levels)[:, None, None, None] * eps
    unguided = eps - model.denoise(noisy, levels)
    error = guided_error(model.infer, z, x + noise_ratio(levels) * eps, levels, unguided, True)
    gain = float((unguided.flatten(1).square().sum(1) - error.detach()).mean())
    v = 1 / (1 + torch.exp(torch.tensor(level)))  # variance of x given y is that of the noise, sigma^2
    assert gain == pytest.approx(float(v * (1 - v) / (v + width)), abs=0.012)


@pytest.mark.parametrize("width", [0.05, 0.5])
def test_half_the_integral_of_the_gain_is_the_information_of_the_latents(width):
    level = torch.linspace(-25, 25, 20_001, dtype=torch.float64)
    v = torch.sigmoid(-level)
    gains = v * (1 - v) / (v + width)
    information = 0.5 * torch.log(torch.tensor((1 + width) / width, dtype=torch.float64))
    torch.testing.assert_close(0.5 * torch.trapezoid(gains, level), information, rtol=1e-4, atol=0)


@pytest.mark.parametrize("schedule", [*CURVES])
@pytest.mark.parametrize("ancestral", [False, True])
def test_samples_of_a_gaussian_have_its_mean_and_variance(schedule, ancestral):
    mean, spread, rows = 1.5, 0.4, 20_000
    levels = Schedule(schedule, -12.0, 10.0)

    def denoise(noisy, level):
        a, s = alpha(level)[:, None, None, None], sigma(level)[:, None, None, None]
        return s * (noisy - a * mean) / (a**2 * spread**2 + s**2)

    fresh = (normal(rows, 1, 1, 1, seed=k + 2) for k in range(10**6)) if ancestral else None
    images = sample(denoise, normal(rows, 1, 1, 1, seed=1), levels, 400, fresh)
    assert float(images.mean()) == pytest.approx(mean, abs=0.02)
    assert float(images.std()) == pytest.approx(spread, rel=0.04)


def test_guided_samples_have_the_latents_that_guide_them():
    model, z = LinearGaussian(0.05), normal(2000, 1)
    denoise = guided(model.denoise, model.infer, z, 10.0, 1.0)
    images = sample(denoise, normal(2000, 1, 1, 1, seed=1), Schedule("uniform", -12.0, 10.0), 200).flatten(1)
    slope = float((images * z).mean() / (z * z).mean())
    assert slope == pytest.approx(1 / 1.05, abs=0.03)  # E[x|z]
    assert float((images - slope * z).std()) == pytest.approx((0.05 / 1.05) ** 0.5, rel=0.1)
    unguided = guided(model.denoise, model.infer, z, 10.0, 0.0)
    plain = sample(unguided, normal(2000, 1, 1, 1, seed=1), Schedule("uniform", -12.0, 10.0), 50).flatten(1)
    assert abs(float((plain * z).mean())) < 0.1


def test_ddim_is_deterministic_and_does_not_depend_on_the_batch():
    denoiser = seeded(Denoiser(1, 8))
    noise_image, schedule = normal(4, 1, 16, 16), Schedule("cosine", -8.0, 2.0)
    with torch.no_grad():
        whole = sample(denoiser, noise_image, schedule, 5)
        torch.testing.assert_close(whole, sample(denoiser, noise_image, schedule, 5), rtol=0, atol=0)
        torch.testing.assert_close(whole[2:3], sample(denoiser, noise_image[2:3], schedule, 5), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stamp", [28, 32, 33])
def test_a_denoiser_takes_any_stamp_and_starts_at_no_velocity(stamp):
    denoiser = seeded(Denoiser(2, 8))
    reset_denoiser(denoiser)
    images, level = normal(3, 2, stamp, stamp), torch.tensor([-8.0, 0.0, 2.0])
    torch.testing.assert_close(denoiser(images, level), sigma(level)[:, None, None, None] * images)


@pytest.mark.parametrize("stamp", [28, 33])
def test_an_encoder_is_linear_at_first_and_measures_its_noise(stamp):
    network = Inference(2, stamp, 3, 8, False)
    reset_inference(network)
    images = normal(50, 2, stamp, stamp)
    mean, variance = network(images)
    torch.testing.assert_close(variance, torch.ones_like(variance))
    assert mean.shape == (50, 3)
    smooth = torch.linspace(0, 1, stamp)[:, None] + torch.linspace(0, 2, stamp)
    measured = noise(smooth + 3.0 * normal(500, 2, stamp, stamp))
    assert float(measured.mean()) == pytest.approx(9, rel=0.02)


def test_an_encoder_that_does_not_see_the_level_does_not_read_it():
    images = normal(5, 1, 16, 16)
    blind, seeing = inference(), inference(sees_level=True)
    torch.testing.assert_close(blind(images, torch.full((5,), 3.0)), blind(images, torch.full((5,), -3.0)))
    one, other = seeing(images, torch.full((5,), 3.0)), seeing(images, torch.full((5,), -3.0))
    assert not torch.allclose(one[0], other[0])


def test_the_gradient_is_that_of_the_density():
    model = LinearGaussian(0.1)
    y, z, level = normal(6, 1, 1, 1), normal(6, 1, seed=1), torch.full((6,), 0.5)
    mean, variance = model.infer(y, level)
    expected = ((z - mean) / variance / (1 + torch.exp(-level))[:, None])[:, :, None, None]
    torch.testing.assert_close(gradient(model.infer, z, y, level), expected)
