"""The bound of a score-based autoencoder is that of the distribution whose exact denoiser it has."""

import numpy as np
import pytest
import torch

from auxvae.analysis.model import TrainedModel
from auxvae.analysis.score_bound import score_bound
from auxvae.data.likelihoods import Bernoulli, Counts, Gaussian
from auxvae.data.store import Rows
from auxvae.models.schedules import sigma
from tests.auxvae.models import CPU, model_of
from tests.auxvae.test_score_runs import run_of

PIXELS, ROWS = 33**2, 600


class Exact(torch.nn.Module):
    """The denoiser of images whose pixels are standard normal."""

    def forward(self, noisy, level):
        return sigma(level)[:, None, None, None] * noisy


class Silent(torch.nn.Module):
    """An encoder that says nothing."""

    def forward(self, images, level=None):
        return torch.zeros(len(images), 4) + 0 * images.mean(), torch.ones(len(images), 4) + 0 * images.mean()


class Knowing(torch.nn.Module):
    """The exact posterior of a latent that correlates by 0.9 with a unit vector of pixels, and of three others."""

    def forward(self, images, level=None):
        seen = 1 / (1 + torch.exp(-level))  # the share of the image in the variance of a noisy one
        along = images.flatten(1).sum(1) / PIXELS**0.5
        mean = torch.stack([0.9 * along * seen, *[0 * along] * 3], 1)
        variance = torch.stack([1 - 0.81 * seen, *[1 + 0 * along] * 3], 1)
        return mean, variance


class Normal(TrainedModel):
    """Such images, times a scale."""

    def __init__(self, likelihood, scale=1.0, schedule="uniform", nats=0.0, encoder=Silent, guided_until=4.0):
        """Latents of a divergence of so many nats."""
        diffusion = {"schedule": schedule, "high": 4.0, "guided_until": guided_until}
        self.model = model_of(run_of(diffusion=diffusion))
        network = self.model.network
        network.average, network.inference, network.mean, network.std = Exact(), encoder(), 0.0, scale
        self.run, self.likelihood, self.device, self.nats = self.model.run, likelihood, CPU, nats
        images = scale * torch.randn(ROWS, 1, 33, 33, generator=torch.Generator().manual_seed(0))
        numbers = np.arange(ROWS)
        self.rows = Rows(numbers, images, {}, None, None, numbers, self.run.dataset)

    def encode(self):
        """The prior."""
        return np.zeros((ROWS, 4)), np.zeros((ROWS, 4))

    def divergence(self, mean, log_variance):
        """Of every row the same."""
        return np.full(ROWS, self.nats)


@pytest.mark.parametrize("schedule", ["uniform", "cosine"])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_the_bound_of_normal_images_is_their_entropy(scale, schedule):
    score = score_bound(Normal(Gaussian(1.0), scale, schedule, nats=2.5))
    expected = PIXELS * (0.5 + np.log(scale)) + 2.5  # nats, the constant of the normal density left out
    assert score.low - 0.5 < expected < score.high + 0.5
    assert score.value == pytest.approx(expected, abs=3) and score.se < 4


INFORMATION = -0.5 * np.log(1 - 0.81)  # nats of the latent


@pytest.mark.parametrize(("guided_until", "lost"), [(4.0, 0.0), (-8.99, INFORMATION)])
def test_a_latent_costs_no_more_than_it_tells_where_it_may_guide(guided_until, lost):
    """Of the exact posterior, on the same noise."""
    silent = score_bound(Normal(Gaussian(1.0), guided_until=guided_until)).value
    knowing = score_bound(Normal(Gaussian(1.0), nats=INFORMATION, encoder=Knowing, guided_until=guided_until)).value
    assert knowing - silent == pytest.approx(lost, abs=0.12)


def test_images_of_half_the_noise_have_as_many_nats_as_an_autoencoder_would_count():
    """The scale is that of the mean noise; the constant of each image's own is left out."""
    score = score_bound(Normal(Gaussian(1.0, torch.full((ROWS,), 4.0)), 0.5))
    assert score.value == pytest.approx(PIXELS * 0.5, abs=6)


def test_other_likelihoods_have_none():
    assert score_bound(Normal(Counts(0.0))) is None and score_bound(Normal(Bernoulli())) is None
