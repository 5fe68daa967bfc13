"""Scales are undone by their inverses; the published loss is its formula."""

import numpy as np
import pytest
import torch

from auxvae.data.likelihoods import Bernoulli, Gaussian, Log10, Poisson, likelihood
from foundation.faults import Refused

COUNTS = torch.poisson(torch.full((5, 1, 8, 8), 6.0), generator=torch.Generator().manual_seed(0))
KINDS = {
    "poisson": Poisson(0.0),
    "poisson over a sky": Poisson(3.0),
    "gaussian": Gaussian(2.0),
    "gaussian per image": Gaussian(torch.arange(1.0, 6).view(-1, 1, 1, 1)),
    "log10": Log10(0.0, 40.0),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_counts_come_back(kind):
    torch.testing.assert_close(kind.to_counts(kind.to_scale(COUNTS)), COUNTS, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_an_image_explains_itself_best(kind):
    scaled = kind.to_scale(COUNTS)
    assert kind.nats(scaled, scaled).abs().max() == 0
    assert (kind.nats(scaled, scaled + 0.1) > 0).all()


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
