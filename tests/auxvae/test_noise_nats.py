"""What the noise alone costs: the mean of the nats of noisy images, given their truth, for every likelihood."""

import pytest
import torch

from auxvae.data.likelihoods import Bernoulli, Counts, Gaussian, Likelihood, Log10, Poisson
from auxvae.data.noise_nats import BY_LIKELIHOOD, LARGEST, anscombe_nats, deviance_nats, noise_nats

MEANS = (0.0, 0.02, 0.3, 1.0, 4.0, 30.0, 127.0, 129.0, 3000.0)


@pytest.mark.parametrize("kind", [Poisson, Counts])
@pytest.mark.parametrize("sky", [0.0, 2.0])
@pytest.mark.parametrize("mean", MEANS)
def test_poisson_noise_costs_what_it_is_said_to(kind, sky, mean):
    likelihood, images = kind(sky), 4000
    truth = torch.full((images, 1, 5, 5), mean)
    counts = torch.poisson(truth.double() + sky, generator=torch.Generator().manual_seed(1)).float() - sky
    best = likelihood.best(truth)
    nats = likelihood.nats(likelihood.to_scale(counts), best).double()
    expected = noise_nats(likelihood, best[:1])
    assert abs(float(nats.mean() - expected)) < 4 * float(nats.std()) / images**0.5 + 2e-3


def test_gaussian_noise_costs_half_a_nat_a_pixel_whatever_its_precision():
    sigmas = torch.tensor([1.0, 3.0]).repeat(2000)
    likelihood = Gaussian(2.0, (2.0 / sigmas).square())
    noise = torch.randn(4000, 1, 5, 5, generator=torch.Generator().manual_seed(1)) * sigmas[:, None, None, None]
    nats = likelihood.precision * likelihood.nats(likelihood.to_scale(noise), torch.zeros_like(noise))
    torch.testing.assert_close(nats.mean(), noise_nats(likelihood, noise)[0], rtol=0.02, atol=0)


@pytest.mark.parametrize("likelihood", [Bernoulli(), Log10(0.0, 1.0)], ids=lambda each: type(each).__name__)
def test_where_nobody_knows_it_is_nothing(likelihood):
    assert not noise_nats(likelihood, torch.rand(3, 1, 2, 2)).any()


@pytest.mark.parametrize("nats", [anscombe_nats, deviance_nats])
def test_sums_and_series_meet(nats):
    below, above = nats(torch.tensor([LARGEST - 1e-3, LARGEST + 1e-3], dtype=torch.float64))
    torch.testing.assert_close(below, above, rtol=1e-5, atol=0)
    torch.testing.assert_close(nats(torch.tensor([1e8])), torch.tensor([0.5], dtype=torch.float64), rtol=1e-5, atol=0)


def test_every_likelihood_has_an_entry():
    def kinds(base):
        return {base, *(each for kind in base.__subclasses__() for each in kinds(kind))}

    assert kinds(Likelihood) - {Likelihood} == {*BY_LIKELIHOOD}
