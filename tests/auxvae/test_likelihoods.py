"""Scales are undone by their inverses; the published loss is its formula."""

import numpy as np
import pytest
import torch
from scipy.stats import poisson

from auxvae.data.anscombe import anscombe, expectation, unbiased_inverse
from auxvae.data.likelihoods import Bernoulli, Counts, Gaussian, Log10, Poisson, likelihood
from foundation.faults import Refused

COUNTS = torch.poisson(torch.full((5, 1, 8, 8), 6.0), generator=torch.Generator().manual_seed(0))
KINDS = {
    "poisson": Poisson(0.0),
    "poisson over a sky": Poisson(3.0),
    "gaussian": Gaussian(2.0),
    "gaussian per image": Gaussian(2.0, torch.arange(1.0, 6)),
    "log10": Log10(0.0, 40.0),
}
EXACT = {"counts": Counts(0.0), "counts over a sky": Counts(3.0)}
MEANS = torch.cat([torch.zeros(1), torch.logspace(-2, 4, 61, dtype=torch.float64)])


def simulated(kind, mean, rows=200_000):
    """Counts of the noise of a likelihood around a mean, (rows, means), in double precision."""
    g = torch.Generator().manual_seed(5)
    if isinstance(kind, Gaussian):
        return mean + kind.sigma * torch.randn(rows, len(mean), generator=g, dtype=torch.float64)
    return torch.poisson((mean + kind.sky).expand(rows, -1), generator=g) - kind.sky


@pytest.mark.parametrize("kind", (KINDS | EXACT).values(), ids=KINDS | EXACT)
def test_the_photons_of_the_best_reconstruction_are_the_truth(kind):
    """A decoder that says what it is best to say is unbiased, at any brightness; of log10 it is the scale's inverse."""
    best = kind.best(MEANS) if kind.best(MEANS) is not None else kind.to_scale(MEANS.clone())
    torch.testing.assert_close(kind.to_counts(best), MEANS, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(kind.to_counts(best.float()).double(), MEANS, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_an_image_explains_itself_best(kind):
    scaled = kind.to_scale(COUNTS)
    assert kind.nats(scaled, scaled).abs().max() == 0
    assert (kind.nats(scaled, scaled + 0.1) > 0).all()


@pytest.mark.parametrize("kind", EXACT.values(), ids=EXACT)
def test_the_rate_of_an_image_explains_it_best(kind):
    scaled, own = kind.to_scale(COUNTS), kind.best(COUNTS)
    assert kind.nats(scaled, own).abs().max() < 1e-4
    assert (kind.nats(scaled, own + 0.1) > 1e-3).all() and (kind.nats(scaled, own - 0.1) > 1e-3).all()


@pytest.mark.parametrize("kind", EXACT.values(), ids=EXACT)
def test_counts_have_the_poisson_likelihood_less_the_largest_that_it_can_be(kind):
    g = torch.Generator().manual_seed(1)
    counts = torch.poisson(torch.logspace(-2, 4, 64).view(1, 1, 8, 8).expand(5, -1, -1, -1), generator=g)
    y = 30 * torch.randn(counts.shape, generator=g).cumsum(-1).double()
    rate = ((torch.nn.functional.softplus(y) + 1e-3) / 2).square()
    log_p = lambda r: torch.distributions.Poisson(r, validate_args=False).log_prob(counts.double())  # noqa: E731
    expected = (log_p(counts.double().clamp(min=1e-300)) - log_p(rate)).sum((1, 2, 3))
    images = kind.to_scale(counts - kind.sky)
    torch.testing.assert_close(kind.nats(images.double(), y), expected, rtol=1e-5, atol=1e-3)
    y.requires_grad_()
    kind.nats(images, y.float()).sum().backward()
    assert bool(y.grad.isfinite().all())
    torch.testing.assert_close(kind.to_counts(y.detach()), rate - kind.sky)


@pytest.mark.parametrize("name", ["poisson", "poisson over a sky", "counts", "counts over a sky", "gaussian"])
def test_no_reconstruction_is_expected_below_the_floor(name):
    """By simulated counts: a step to either side of the best costs, and none gains; 2 sqrt(m + 3/8) lay beside it."""
    kind = (KINDS | EXACT)[name]
    mean = torch.tensor([0.05, 0.3, 1.0, 3.0, 10.0, 80.0], dtype=torch.float64)
    counts, best = kind.to_scale(simulated(kind, mean)), kind.best(mean)

    def pixel(y):
        """Mean nats of each pixel, (means,), and the error of the mean."""
        nats = kind.nats(counts.reshape(-1, 1, 1, 1), y.expand(counts.shape).reshape(-1, 1, 1, 1))
        return nats.view(counts.shape)

    for step in (-0.1, 0.1):
        lead = pixel(best + step) - pixel(best)
        assert bool((lead.mean(0) > 4 * lead.std(0) / len(lead) ** 0.5).all())


def test_the_expectation_of_the_root_is_that_of_its_definition():
    """Against sums over the counts by scipy, within the table, beyond it and where they meet."""
    for m in (0.0, 1e-3, 0.1, 1.0, 7.3, 60.0, 255.9, 256.1, 700.0, 3000.0):
        c = np.arange(0, 6000)
        expected = float((poisson.pmf(c, m) * 2 * np.sqrt(c + 0.375)).sum())
        mean = torch.tensor(m, dtype=torch.float64)
        assert float(expectation(mean)) == pytest.approx(expected, abs=2e-9)
        assert float(unbiased_inverse(torch.tensor([expected], dtype=torch.float64))) == pytest.approx(m, abs=1e-6)


def test_photons_are_unbiased_where_the_algebraic_inverse_lost_a_quarter_in_each_pixel():
    """A decoder that outputs the mean of simulated counts on the scale, from 0.01 to 10,000 photons."""
    mean = torch.logspace(-2, 4, 25, dtype=torch.float64)
    counts = simulated(KINDS["poisson"], mean)
    scaled = anscombe(counts).mean(0)
    error = (anscombe(counts).std(0) / len(counts) ** 0.5) * 0.5 * scaled  # of the photons, from the finite sample
    photons = KINDS["poisson"].to_counts(scaled)
    assert bool(((photons - mean).abs() < 4 * error + 1e-6).all())
    algebraic = (scaled / 2).square() - 0.375
    assert bool((algebraic - mean)[mean > 4].mean() < -0.2)


def test_noise_that_differs_from_image_to_image_hides_no_flux():
    """Two images that differ in flux alone, each with noise in proportion to it, are not the same to the network."""
    faint, bright = COUNTS[:1], 4 * COUNTS[:1]
    kind = likelihood("noise", None, {"kind": "gaussian"}, torch.tensor([1.0, 4.0]), (0, 1))
    scaled = kind.to_scale(torch.cat([faint, bright]))
    torch.testing.assert_close(scaled[1], 4 * scaled[0])
    torch.testing.assert_close(kind.to_counts(scaled), torch.cat([faint, bright]))


def test_nats_are_in_the_noise_of_each_image():
    sigma, training = torch.tensor([1.0, 4.0, 0.5]), torch.tensor([2.0, 3.0])
    kind = likelihood("noise", None, {"kind": "gaussian"}, sigma, (0, 1), training)
    images, other = torch.rand(2, 3, 1, 4, 4)
    nats = kind.precision * kind.nats(kind.to_scale(images), kind.to_scale(other))
    expected = 0.5 * ((images - other) / sigma.view(-1, 1, 1, 1)).square().sum((1, 2, 3))
    torch.testing.assert_close(nats, expected)
    assert kind.sigma == pytest.approx(6.5**0.5)


def test_one_sigma_leaves_no_trace_of_images():
    """Where all images have the same noise, scale and precision are those of that noise, to the last bit."""
    sigma = torch.full((7,), 1.1, dtype=torch.float64)
    kind = likelihood("noise", None, {"kind": "gaussian"}, sigma, (0, 1))
    images = 100 * torch.rand(7, 1, 9, 9)
    assert kind.precision is None and torch.equal(kind.to_scale(images), images / sigma.float().view(-1, 1, 1, 1))


def test_counts_are_refused_where_there_are_fewer_than_none():
    made = likelihood("counts", None, {"kind": "poisson", "sky": 2.0}, None, (-2.0, 9))
    assert isinstance(made, Counts) and made.sky == 2
    with pytest.raises(Refused, match="no fewer photons than none"):
        likelihood("counts", None, {"kind": "none"}, None, (-3.0, 1))


def test_the_published_loss_is_its_formula():
    x, y = torch.rand(3, 1, 4, 4), torch.rand(3, 1, 4, 4)
    x[0, 0, 0, 0] = 0
    expected = ((np.log10(y.double() + 1e-10) - np.log10(x.double() + 1e-10)) ** 2).sum((1, 2, 3))
    torch.testing.assert_close(Log10(0.0, 1.0).nats(x, y).double(), expected, rtol=1e-4, atol=1e-4)


def test_a_likelihood_follows_from_the_noise_of_the_store():
    made = likelihood("noise", None, {"kind": "poisson", "sky": 2.0}, None, (0, 1))
    assert isinstance(made, Poisson) and made.sky == 2
    assert isinstance(likelihood("poisson", None, {"kind": "none"}, None, (0, 9)), Poisson)
    made = likelihood("noise", None, {"kind": "gaussian"}, torch.ones(5), (0, 1))
    assert made.to_scale(COUNTS).shape == COUNTS.shape
    with pytest.raises(Refused, match="the noise must be known"):
        likelihood("noise", None, {"kind": "none"}, None, (0, 1))


def test_the_bernoulli_loss_is_the_cross_entropy():
    g = torch.Generator().manual_seed(0)
    x, y = torch.rand(3, 2, 4, 4, generator=g), torch.rand(3, 2, 4, 4, generator=g)
    wanted = -torch.distributions.Bernoulli(probs=y, validate_args=False).log_prob(x.round()).sum((1, 2, 3))
    torch.testing.assert_close(Bernoulli().nats(x.round(), y), wanted)
    assert Bernoulli().nats(x.round(), x.round()).abs().max() == 0


def test_images_that_are_no_probabilities_are_refused():
    assert isinstance(likelihood("bernoulli", None, {"kind": "none"}, None, (0.0, 1.0)), Bernoulli)
    with pytest.raises(Refused, match=r"images must lie in \[0, 1\]"):
        likelihood("bernoulli", None, {"kind": "none"}, None, (0.0, 255.0))


@pytest.mark.parametrize("name", ["poisson", "counts"])
@pytest.mark.parametrize("least", [-1.0, -100.0])
def test_a_poisson_likelihood_refuses_pixels_below_none(name, least):
    """Where the noise of a data set says nothing of its sky; ringing a little below 0 is let pass."""
    with pytest.raises(Refused, match="there are no fewer photons than none"):
        likelihood(name, None, {"kind": "none"}, None, (least, 500.0))
    assert likelihood(name, None, {"kind": "none"}, None, (-0.01, 500.0)).sky == 0
