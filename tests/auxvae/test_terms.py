"""Every term: against an independent double-precision reference, and under vmap as in a loop, with gradients."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from auxvae.fleet import Objective
from auxvae.likelihoods import Gaussian as GaussianLikelihood
from auxvae.likelihoods import Poisson
from auxvae.methods import METHODS, default_weights
from auxvae.networks import Posterior
from auxvae.priors import PRIORS
from auxvae.spec import Run
from auxvae.terms import TERMS, Batch, Options

B, D, RUNS = 48, 7, 4
TOLD = ((), (0,), (0, 1, 2), tuple(range(D)))  # how many latents are told, run by run
OPTIONS = {
    "default": Options(Poisson(0.0)),
    "released": Options(Poisson(0.0), 3, 1, False, True),
    "degree one": Options(GaussianLikelihood(2.0), 1, 1),
}


def tensors(seed, told, dtype, device):
    g = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.rand(shape, generator=g, dtype=torch.float64).to(device, dtype)  # noqa: E731
    mask = torch.zeros(D).index_fill(0, torch.tensor(told, dtype=torch.long), 1).to(device, dtype)
    batch = Batch(20 * draw(B, 1, 6, 6), draw(B, D) * mask, mask)
    mean, log_variance = 2 * draw(B, D) - 1, draw(B, D) - 2
    sample = mean + (0.5 * log_variance).exp() * (draw(B, D) - 0.5)
    return batch, Posterior(mean, log_variance, sample), 20 * draw(B, 1, 6, 6), 0.1 * draw() + 0.01


def value(name, options, prior_name, batch, posterior, image, variance):
    prior = PRIORS[prior_name](batch.u, batch.told, variance)
    return TERMS[name](batch, prior, posterior, image, options)


def exact(name, options, prior_name, batch, posterior, image, variance):
    """The same from the equations, in numpy or torch.distributions, without the package's measures."""
    x, u, told = (t.double().cpu().numpy() for t in batch)
    mu, logv, z = (t.double().cpu().numpy() for t in posterior)
    if name == "reconstruction":
        return 0.5 * ((x - image.double().cpu().numpy()) ** 2).sum((1, 2, 3)).mean()
    if name == "kl":
        aux = prior_name == "auxiliary"
        m = torch.tensor(u * told if aux else 0 * u)
        v = torch.tensor(np.where(told * aux > 0, float(variance), 1.0)).expand(B, D)
        q = Independent(Normal(torch.tensor(mu), torch.tensor(np.exp(logv / 2))), 1)
        return float(kl_divergence(q, Independent(Normal(m, v.sqrt()), 1)).mean())
    return reference_dependence(name, options, u, told, mu, z)


def rho(a, b):
    a, b = a - a.mean(), b - b.mean()
    return 0.0 if a.std() * b.std() == 0 else float((a * b).mean() / (a.std() * b.std()))


def unit(a):
    return (a - a.mean()) / a.std()


def reference_dependence(name, o, u, told, mu, z):
    known = [j for j in range(D) if told[j]]
    free = [j for j in range(D) if not told[j]]
    r0 = lambda a, b, k: [abs(rho(unit(a) ** p, unit(b) ** q)) for p in range(1, k + 1) for q in range(1, k + 1)]  # noqa: E731
    fold = np.mean if o.normalise else np.sum
    if name == "explicitness":
        return sum(
            fold([1 - rho(unit(z[:, j]) ** p, unit(u[:, j]) ** p) for p in range(1, o.aux_degree + 1)]) for j in known
        )
    if name == "intra":
        return sum(fold(r0(z[:, j], u[:, k], o.aux_degree)) for j in known for k in known if j != k)
    total = sum(fold(r0(mu[:, i], u[:, k], o.degree)) for i in free for k in known)
    if o.interactions:
        pairs = [(k, m) for k in known for m in known if k < m]
        total += sum(abs(rho(mu[:, i], u[:, k] * u[:, m])) for i in free for k, m in pairs)
    return total / max(1, len(free))


@pytest.mark.parametrize("told", TOLD, ids=len)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("name", TERMS)
def test_every_term_equals_its_equation(name, prior, options, told, dtype, device):
    sample = tensors(3, told, dtype, device)
    found = value(name, OPTIONS[options], prior, *sample)
    tight = dtype == torch.float64
    assert found.shape == ()
    assert float(found) == pytest.approx(
        exact(name, OPTIONS[options], prior, *sample), rel=1e-6 if tight else 2e-4, abs=2e-5
    )


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", TERMS)
def test_every_term_is_the_same_under_vmap_over_runs_as_in_a_loop(name, options, dtype, device):
    runs = [tensors(seed, told, dtype, device) for seed, told in enumerate(TOLD)]

    def of(u, told, images, mean, log_variance, sample, image, variance):
        posterior = Posterior(mean, log_variance, sample)
        return value(name, OPTIONS[options], "auxiliary", Batch(images, u, told), posterior, image, variance)

    flat = [(b.u, b.told, b.images, *p, image, variance) for b, p, image, variance in runs]
    stacked = [torch.stack(each) for each in zip(*flat, strict=True)]
    wanted = (3, 4, 5, 6)
    looped = [torch.func.grad_and_value(of, argnums=wanted)(*each) for each in flat]
    gradients, values = torch.func.vmap(torch.func.grad_and_value(of, argnums=wanted))(*stacked)
    torch.testing.assert_close(values, torch.stack([v for _, v in looped]), rtol=1e-5, atol=1e-6)
    for k, gradient in enumerate(gradients):
        torch.testing.assert_close(gradient, torch.stack([g[k] for g, _ in looped]), rtol=1e-4, atol=1e-6)


def test_a_posterior_equal_to_the_prior_costs_nothing(dtype, device):
    batch, _, image, variance = tensors(0, (0, 1), dtype, device)
    prior = PRIORS["auxiliary"](batch.u, batch.told, variance)
    posterior = Posterior(prior.mean, prior.variance.log().expand(B, D), prior.mean)
    assert float(TERMS["kl"](batch, prior, posterior, image, OPTIONS["default"])) == pytest.approx(0, abs=1e-5)


def test_the_floor_of_a_known_noise_is_half_a_nat_per_pixel():
    g = torch.Generator().manual_seed(1)
    truth = torch.full((400, 1, 33, 33), 80.0)
    for kind, seen in (
        (Poisson(4.0), torch.poisson(truth + 4, generator=g) - 4),
        (GaussianLikelihood(3.0), truth + 3 * torch.randn(truth.shape, generator=g)),
    ):
        nats = kind.nats(kind.to_scale(seen), kind.to_scale(truth)).mean() / 33**2
        assert float(nats) == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_of_every_method_reach_every_parameter(method, tiny):
    from dataclasses import replace

    from auxvae.networks import build

    run: Run = next(run for run in tiny.runs if run.method in (method, "beta_vae"))
    run = replace(run, method=method, weights=default_weights(method, "default"))
    network = build(run, 3.0, 5.0, bounded=False)
    objective = Objective.of(run, Options(Poisson(0.0)), torch.device("cpu"))
    images = 20 * torch.rand(16, 1, 33, 33, generator=torch.Generator().manual_seed(2))
    values = objective.values(network, images, torch.rand(16, len(run.told)), torch.randn(16, 10))
    (values @ objective.weights).backward()
    assert math.isfinite(float(values.detach().sum()))
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
