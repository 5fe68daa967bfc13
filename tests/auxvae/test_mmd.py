"""MMD: unbiased, its closed form for Gaussians, its gradient with a queue, and what it sees of a dependent pair."""

import math

import pytest
import torch

from auxvae.config.latents import Mmd
from auxvae.data.randomness import generator
from auxvae.losses import mmd
from auxvae.losses.kernels import features, kernel, squared_distances
from auxvae.losses.queue import Queue, empty_queue

NONE = empty_queue(0, 3)


def normal(rows, d, index=0):
    return torch.randn(rows, d, generator=generator(11, "mmd", index), dtype=torch.float64)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.7, 1.0), (0.0, 0.5), (-0.4, 1.6)])
def test_the_mean_over_draws_is_the_closed_form_of_two_gaussians(mean, std):
    """RBF of width h between N(m, s^2 I) and N(0, I) in d dimensions, every expectation in closed form."""
    d, h2, draws = 3, 2.0, 400
    shared = lambda a, b, m: (h2 / (h2 + a + b)) ** (d / 2) * math.exp(-d * m**2 / (2 * (h2 + a + b)))  # noqa: E731
    expected = shared(std**2, std**2, 0) + shared(1, 1, 0) - 2 * shared(std**2, 1, mean)
    settings = Mmd(kernel="rbf", bandwidth=2 * h2, scales=(1.0,))
    values = [
        mmd.joint(mean + std * normal(64, d, 2 * i), NONE, normal(64, d, 2 * i + 1), torch.ones(d).double(), settings)
        for i in range(draws)
    ]
    error = float(torch.stack(values).std()) / math.sqrt(draws)
    assert float(torch.stack(values).mean()) == pytest.approx(expected, abs=4 * error)


@pytest.mark.parametrize(
    "settings",
    [Mmd(), Mmd(kernel="laplace", bandwidth="median"), Mmd(block=16), Mmd(kernel="rational_quadratic")],
    ids=str,
)
def test_equal_distributions_give_zero_on_average(settings):
    draws = [
        mmd.joint(normal(64, 3, 2 * i), NONE, normal(64, 3, 2 * i + 1), torch.ones(3).double(), settings)
        for i in range(300)
    ]
    assert abs(float(torch.stack(draws).mean())) < 4 * float(torch.stack(draws).std()) / math.sqrt(300)


def test_features_are_the_kernel_within_their_reach():
    x = torch.linspace(0, 8, 201, dtype=torch.float64)[:, None]
    products = torch.einsum("nk,k->n", features(x)[:, 0], features(torch.zeros(1, 1).double())[0, 0])
    assert float((products - torch.exp(-0.5 * x[:, 0].square())).abs().max()) < 2e-3


def test_kernels_are_1_at_no_distance_and_positive_definite():
    z = normal(40, 3)
    for name in ("imq", "rbf", "laplace", "rational_quadratic"):
        gram = kernel(squared_distances(z, z), torch.tensor(6.0).double(), name, (0.1, 1.0, 5.0))
        torch.testing.assert_close(gram.diagonal(), torch.ones(40).double(), atol=1e-3, rtol=0)
        assert float(torch.linalg.eigvalsh(gram).min()) > -1e-6, name


VIEWS = {
    "joint": lambda z, queue, y: mmd.joint(z, queue, y, torch.ones(3).double(), Mmd()),
    "marginal": lambda z, queue, y: mmd.marginal(z, queue, features(y).mean(0)).sum(),
    "pairs": lambda z, queue, y: torch.triu(mmd.pairs(z, queue, y), 1).sum(),
    "chosen": lambda z, queue, y: mmd.chosen_pairs(z, queue, y, torch.tensor([[0, 1], [2, 2]])).sum(),
}


@pytest.mark.parametrize("view", VIEWS)
def test_a_queue_gives_the_gradient_of_one_large_batch_on_the_scale_of_the_batch(view):
    z, y = 0.5 * normal(60, 3, 1), normal(60, 3, 2)
    whole = z.clone().requires_grad_()
    (expected,) = torch.autograd.grad(VIEWS[view](whole, NONE, y), whole)
    batch = z[:20].clone().requires_grad_()
    padded = torch.cat([z[20:], torch.full((7, 3), 1e3)])  # rows that are not in use yet do not count
    (gradient,) = torch.autograd.grad(VIEWS[view](batch, Queue(padded, torch.tensor(40)), y), batch)
    torch.testing.assert_close(gradient, 3 * expected[:20])


def test_matching_by_gradient_finds_the_prior():
    """Codes moved down the three views alone end as the uniform prior's, marginals and pairs."""
    z = (
        0.3 * normal(512, 3).float() @ torch.tensor([[1.0, 0.9, 0.0], [0.0, 0.4, 0.0], [0.0, 0.0, 1.0]])
    ).requires_grad_()
    optimiser = torch.optim.Adam([z], lr=0.05)
    for i in range(150):
        y = (2 * torch.rand(512, 3, generator=generator(0, "y", i)) - 1) * math.sqrt(3)
        joint = mmd.joint(z, NONE, y, torch.ones(3), Mmd())
        loss = joint + mmd.marginal(z, NONE, features(y).mean(0)).sum() + torch.triu(mmd.pairs(z, NONE, y), 1).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    codes = z.detach()
    torch.testing.assert_close(codes.std(0), torch.ones(3), atol=0.08, rtol=0)
    assert (torch.corrcoef(codes.T) - torch.eye(3)).abs().max() < 0.08
    assert float((codes.abs() > 2.0).float().mean()) < 0.03


@pytest.mark.parametrize("d", [32, 64])
def test_one_dependent_pair_is_seen_by_the_pairs_and_not_by_the_joint_kernel(d):
    """z-score of codes whose first two latents are correlated 0.5 among d, batch 256 with a queue of 768."""

    def draw(index, r):
        z, y = normal(1024, d, index).float(), normal(1024, d, 1000 + index).float()
        z[:, 1] = r * z[:, 0] + math.sqrt(1 - r**2) * z[:, 1]
        batch, queue = z[:256], Queue(z[256:], torch.tensor(768))
        pairs = float(torch.triu(mmd.pairs(batch, queue, None), 1).sum())
        return float(mmd.joint(batch, queue, y, torch.ones(d), Mmd())), pairs

    null, dependent = (torch.tensor([draw(i, r) for i in range(12)]) for r in (0.0, 0.5))
    scores = (dependent.mean(0) - null.mean(0)) / null.std(0)
    assert scores[1] > 2 and scores[1] > 2 * scores[0], scores
