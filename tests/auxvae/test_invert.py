"""`invert`: exact posteriors of a linear decoder, diagnostics of chains, and the command on a small run."""

import math

import numpy as np
import pytest
import torch

from auxvae.analysis.ascent import factors_at, maximum
from auxvae.analysis.blending import blended, shifted
from auxvae.analysis.hamiltonian import Numbers, sampled
from auxvae.data.likelihoods import Counts, Gaussian, Poisson
from auxvae.metrics.convergence import effective_draws, split_rhat
from auxvae.models.latent_prior import QUANTILES, REACH, LatentPrior, Marginals
from auxvae.models.priors import Normal

IMAGES, LATENTS, PIXELS, CHAINS = 6, 5, 40, 4


def sources(count, first=0):
    return [torch.Generator().manual_seed(first + i) for i in range(count)]


class Linear:
    """x = G z + noise of standard deviation 1, z of N(0, 1): a posterior that is known exactly."""

    def __init__(self, images=IMAGES, seed=0):
        g = torch.Generator().manual_seed(seed)
        scales = torch.tensor([30.0, 10.0, 3.0, 1.0, 0.0])  # from tightly constrained to not at all
        self.decoder = torch.randn(PIXELS, LATENTS, generator=g) * scales
        self.z = torch.randn(images, LATENTS, generator=g)
        self.x = self.z @ self.decoder.T + torch.randn(images, PIXELS, generator=g)
        precision = (self.decoder.T @ self.decoder).double() + torch.eye(LATENTS)
        self.covariance = torch.linalg.inv(precision)
        self.mean = (self.x @ self.decoder).double() @ self.covariance

    def __call__(self, z):
        away = self.x[:, None] - z @ self.decoder.T
        return -0.5 * away.square().sum(-1) - 0.5 * z.square().sum(-1)

    def inverted(self, draws, warm_up=300):
        """The maximum, and chains from states about it."""
        count = len(self.x)
        start = torch.randn(count, 3, LATENTS, generator=torch.Generator().manual_seed(9))
        widths = torch.full((count, LATENTS), 0.1)
        top = maximum(self, start, widths)
        factor = factors_at(self, top.z[:, None], widths)[:, 0]
        begin = top.z[:, None] + 0.1 * torch.randn(count, CHAINS, LATENTS, generator=torch.Generator().manual_seed(1))
        numbers = Numbers.of(sources(count), warm_up + draws, CHAINS, LATENTS)
        return top, factor, sampled(self, begin, factor, warm_up, numbers)


@pytest.fixture(scope="module")
def linear():
    model = Linear()
    return model, *model.inverted(1500)


def test_the_maximum_and_its_curvature_are_exact_where_the_decoder_is_linear(linear):
    model, top, factor, _ = linear
    std = model.covariance.diagonal().sqrt()
    assert ((top.z.double() - model.mean) / std).abs().max() < 0.01
    assert (top.agreeing == 3).all()
    ratio = factor.double() @ factor.double().mT / std.outer(std)
    assert (ratio - model.covariance / std.outer(std)).abs().max() < 0.02


def test_draws_have_the_exact_mean_and_covariance(linear):
    model, _, _, chains = linear
    z = chains.draws.flatten(1, 2).double()
    std = model.covariance.diagonal().sqrt()
    effective = effective_draws(chains.draws.movedim(3, 1).double().numpy())
    assert effective.min() > 2000
    error = ((z.mean(1) - model.mean) / std).abs().numpy()
    assert (error < 4.5 / np.sqrt(effective)).all()
    for each in z:
        away = (torch.cov(each.T) - model.covariance) / std.outer(std)
        assert away.abs().max() < 0.12
    assert chains.acceptance.min() > 0.6


def test_chains_converge_and_do_not_depend_on_the_images_beside(linear):
    model, top, factor, chains = linear
    assert split_rhat(chains.draws.movedim(3, 1).double().numpy()).max() < 1.01
    alone = Linear()
    alone.x = model.x[2:3]
    numbers = Numbers.of(sources(1, 2), 30, CHAINS, LATENTS)
    both = Numbers.of(sources(IMAGES), 30, CHAINS, LATENTS)
    begin = top.z[:, None].expand(-1, CHAINS, -1)
    one = sampled(alone, begin[2:3], factor[2:3], 10, numbers).draws[0]
    torch.testing.assert_close(one, sampled(model, begin, factor, 10, both).draws[2], rtol=0, atol=1e-3)


def test_ranks_of_the_truth_are_uniform_where_prior_and_decoder_are_right():
    """Simulation-based calibration (Talts et al. 2018): of images sampled from the model itself."""
    model = Linear(images=300, seed=3)
    draws = model.inverted(150)[2].draws[:, :, ::3].flatten(1, 2)
    ranks = (draws < model.z[:, None]).float().mean(1)  # (300, latents), uniform in [0, 1]
    for latent in ranks.T:
        counts = torch.histc(latent, 10, 0, 1)
        assert ((counts - 30).square() / 30).sum() < 29.7  # chi-square of 9 degrees of freedom: 0.0005
    covered = ((ranks > 0.16) & (ranks < 0.84)).float().mean(0)
    assert (covered - 0.68).abs().max() < 4 * math.sqrt(0.68 * 0.32 / 300)


def test_a_posterior_of_two_hills_does_not_pass_for_converged():
    def hills(z):
        return torch.logsumexp(torch.stack([-0.5 * ((z - at) / 0.1).square().sum(-1) for at in (-2, 2)]), 0)

    begin = torch.tensor([-2.0, -2.0, 2.0, 2.0])[None, :, None].expand(1, 4, 2)
    factor = 0.1 * torch.eye(2)[None]
    chains = sampled(hills, begin.contiguous(), factor, 100, Numbers.of(sources(1), 400, 4, 2))
    assert split_rhat(chains.draws.movedim(3, 1).double().numpy()).min() > 1.5


# Diagnostics of chains against what they are of processes that are known.


def autoregressive(rho, chains=4, draws=4000, seed=0):
    noise = np.random.default_rng(seed).standard_normal((8, chains, draws))
    values = np.empty_like(noise)
    values[..., 0] = noise[..., 0]
    for t in range(1, draws):
        values[..., t] = rho * values[..., t - 1] + math.sqrt(1 - rho**2) * noise[..., t]
    return values


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, -0.5])
def test_effective_draws_are_those_of_an_autoregressive_process(rho):
    exact = 16000 * (1 - rho) / (1 + rho)
    assert effective_draws(autoregressive(rho)).mean() == pytest.approx(exact, rel=0.1)


def test_rhat_is_one_of_one_distribution_and_larger_where_chains_differ_or_drift():
    values = autoregressive(0.5)
    assert np.abs(split_rhat(values) - 1).max() < 0.01
    apart = values + np.arange(4)[:, None]
    assert split_rhat(apart).min() > 1.3
    assert split_rhat(values + np.linspace(0, 3, 4000)).min() > 1.1
    assert np.isinf(split_rhat(np.repeat(np.arange(4.0)[None, :, None], 100, 2))).all()
    assert (effective_draws(np.zeros((1, 4, 100))) > 0).all()


# The prior of latents, and sources that are added.


@pytest.mark.parametrize("values", ["uniform", "skewed", "sparse"])
def test_the_density_of_auxiliary_latents_is_one_density_and_that_of_the_rows(values):
    g = torch.Generator().manual_seed(0)
    u = {"uniform": lambda: torch.rand(2000, 1, generator=g), "skewed": lambda: torch.rand(2000, 1, generator=g) ** 3,
         "sparse": lambda: torch.rand(20, 1, generator=g)}[values]()  # fmt: skip
    prior, z = Marginals(u, 1 / len(u)), torch.linspace(-2, 3, 20001)[:, None]
    density = prior.log_prob(z).exp()
    assert float(density.sum() * (z[1] - z[0])) == pytest.approx(1, abs=1e-3)
    mean = float((density * z[:, 0]).sum() * (z[1] - z[0]))
    assert mean == pytest.approx(float(u.mean()), abs=0.01 + 0.1 / math.sqrt(len(u)))
    inside = density[(z[:, 0] > 0.1) & (z[:, 0] < 0.9)]
    if values == "uniform":
        assert (inside - 1).abs().max() < 0.35  # what 2,000 rows allow
    assert prior.log_prob(torch.tensor([[1.5]])) < prior.log_prob(torch.tensor([[0.5]])) - 5


def test_a_flat_density_has_no_ripple():
    n = 100 * QUANTILES
    u = ((torch.arange(n) + 0.5) / n)[:, None]
    density = Marginals(u, 1e-8).log_prob(torch.linspace(0.1, 0.9, 3001)[:, None]).exp()
    assert (density - 1).abs().max() < 0.1


def test_residual_latents_have_their_own_prior_beside():
    u = torch.rand(500, 2, generator=torch.Generator().manual_seed(0))
    both, z = (
        LatentPrior(Marginals(u, 1 / 500), Normal(3)),
        torch.randn(7, 5, generator=torch.Generator().manual_seed(1)),
    )
    expected = Marginals(u, 1 / 500).log_prob(z[:, :2]) + Normal(3).log_prob(z[:, 2:])
    torch.testing.assert_close(both.log_prob(z), expected)
    alone = LatentPrior(Marginals(u, 1 / 500), None)
    torch.testing.assert_close(alone.log_prob(z[:, :2]), Marginals(u, 1 / 500).log_prob(z[:, :2]))


def test_normal_latents_stand_for_the_same_distribution():
    """p(z) |dz/dw| is the density of w, and w of z of w is w."""
    u = torch.rand(3000, 2, generator=torch.Generator().manual_seed(0)) ** torch.tensor([1.0, 3.0])
    prior, w = LatentPrior(Marginals(u, 1 / 3000), Normal(1)), torch.linspace(-4, 4, 161)[:, None].repeat(1, 3)
    torch.testing.assert_close(prior.to_normal(prior.of_normal(w)), w, rtol=0, atol=2e-3)
    w.requires_grad_()
    slopes = torch.autograd.grad(prior.of_normal(w).sum(), w)[0]
    expected = prior.log_prob(prior.of_normal(w)) + slopes.log().sum(1)
    torch.testing.assert_close(prior.log_prob_normal(w), expected, rtol=0, atol=0.02)
    far = prior.to_normal(torch.tensor([[-50.0, 50.0, 7.0]]))
    torch.testing.assert_close(far, torch.tensor([[-REACH, REACH, 7.0]]))


def images(low, high, seed):
    return low + (high - low) * torch.rand(3, 1, 9, 9, generator=torch.Generator().manual_seed(seed)) ** 3


OFFSETS = torch.tensor([[0, 1], [-2, 3], [4, -4]])


@pytest.mark.parametrize(
    "likelihood", [Poisson(0.0), Poisson(20.0), Counts(5.0), Gaussian(3.0)], ids=["dark", "sky", "counts", "gaussian"]
)
def test_two_sources_add_up_in_photons_over_one_sky(likelihood):
    first, second = (likelihood.best(images(0, 900, seed)) for seed in (1, 2))
    exact = likelihood.best(images(0, 900, 1) + shifted(images(0, 900, 2), OFFSETS))
    torch.testing.assert_close(blended(likelihood, first, second, OFFSETS), exact, rtol=0, atol=0.02)
    dark = likelihood.best(torch.zeros(3, 1, 9, 9))
    torch.testing.assert_close(blended(likelihood, first, dark, OFFSETS), first, rtol=0, atol=0.02)


def test_a_moved_image_leaves_what_it_does_not_cover_dark():
    for image, moved, (down, right) in zip(images(1, 2, 0), shifted(images(1, 2, 0), OFFSETS), OFFSETS, strict=True):
        expected = np.zeros((9, 9))
        for y in range(9):
            for x in range(9):
                if 0 <= y - down < 9 and 0 <= x - right < 9:
                    expected[y, x] = image[0, y - down, x - right]
        np.testing.assert_allclose(moved[0], expected)


def test_gradients_pass_through_the_sum_of_two_sources():
    likelihood, second = Poisson(2.0), images(3, 40, 2)
    first = images(3, 40, 1).requires_grad_()
    (slope,) = torch.autograd.grad(blended(likelihood, first, second, OFFSETS).sum(), first)
    step = 0.05
    rise = blended(likelihood, first + step, second, OFFSETS) - blended(likelihood, first - step, second, OFFSETS)
    torch.testing.assert_close(slope, rise / (2 * step), rtol=0.02, atol=0.02)
