"""Every term: against an independent double-precision reference, and under vmap as in a loop, with gradients."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from auxvae.config.latents import Mmd
from auxvae.config.methods import METHODS
from auxvae.data.likelihoods import Gaussian as GaussianLikelihood
from auxvae.data.likelihoods import Poisson
from auxvae.losses.inputs import TermInputs, TermSettings
from auxvae.losses.kernels import features
from auxvae.losses.objective import Objective
from auxvae.losses.terms import TERMS
from auxvae.models.autoencoder import Posterior, build
from auxvae.models.critics import SECOND
from auxvae.models.priors import Laplace, conditioned
from tests.auxvae.equations import exact
from tests.conftest import study_of

B, D, PAST, PIXELS = 48, 7, 16, 6
TOLD = ((), (0,), (0, 1, 2), tuple(range(D)))  # how many latents are told, run by run
OPTIONS = {
    "default": TermSettings(Poisson(0.0)),
    "released": TermSettings(Poisson(0.0), 3, 1, False, True),
    "degree one": TermSettings(GaussianLikelihood(2.0), 1, 1, mmd=Mmd("rbf", 4.0, width=0.7)),
    "hsic, pairs drawn": TermSettings(
        Poisson(0.0), dependence="hsic", mmd=Mmd("rational_quadratic", "median", pairs=5)
    ),
    "blocks": TermSettings(Poisson(0.0), mmd=Mmd("laplace", "prior", block=12)),
    "independent, at rest": TermSettings(Poisson(0.0), independent=True, cooling=50.0, gated=True),
}
PLAYED = {
    "density_ratio": "discriminator",
    "discriminator": "discriminator",
    "critics": "critics",
    "vae_of_u": "factor_vae_of_u",
}
ALONE = [name for name in TERMS if name not in PLAYED]


def sample(seed, told, dtype, device, options=OPTIONS["default"], second=None):
    """What a term sees, made of random tensors."""
    g = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.rand(shape, generator=g, dtype=torch.float64).to(device, dtype)  # noqa: E731
    mask = torch.zeros(D).index_fill(0, torch.tensor(told, dtype=torch.long), 1).to(device, dtype)
    u = draw(B, D) * mask
    mean, log_variance = 2 * draw(B, D) - 1, draw(B, D) - 2
    noise = draw(B, D) - 0.5
    past = draw(0 if options.mmd.block else PAST, D)
    drawn = 3 * (draw(B + len(past), D) - 0.5) * (1 - mask)
    pairs = torch.triu_indices(D, D, 1)
    chosen = pairs if options.mmd.pairs == "all" else pairs[:, torch.randperm(pairs.shape[1], generator=g)[:5]]
    return TermInputs(
        images=20 * draw(B, 1, PIXELS, PIXELS),
        u=u,
        told=mask,
        prior=conditioned(u, mask, 0.1 * draw() + 0.01),
        posterior=Posterior(mean, log_variance, mean + (0.5 * log_variance).exp() * noise),
        image=20 * draw(B, 1, PIXELS, PIXELS),
        noise=noise,
        drawn=drawn,
        shuffle=torch.rand(B, D, generator=g).argsort(0).to(device),
        pairs=chosen.to(device),
        past=past,
        variance=0.75 * (1 - mask),
        expected=features(drawn, options.mmd.width).mean(0),
        progress=draw(),
        second=second,
    )


@pytest.mark.parametrize("told", TOLD, ids=len)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", ALONE)
def test_every_term_equals_its_equation(name, options, told, dtype, device):
    seen = sample(3, told, dtype, device, OPTIONS[options])
    found = TERMS[name](seen, OPTIONS[options])
    assert found.shape == ()
    loose = name in ("mmd_marginal", "mmd_pairs") or options.startswith("hsic")  # features stand for a kernel there
    tight = dtype == torch.float64 and not loose
    relative = 1e-6 if tight else 2e-3 if loose else 2e-4
    assert float(found) == pytest.approx(exact(name, OPTIONS[options], seen), rel=relative, abs=2e-3 if loose else 2e-5)


def second_of(name, seed):
    network = SECOND[PLAYED[name]](D, 2, 32)
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(-0.3, 0.3, generator=g)
    return network


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", TERMS)
def test_every_term_is_the_same_under_vmap_over_runs_as_in_a_loop(name, options, dtype, device):
    """Codes, factors, coverages and the weights of second networks differ from run to run."""
    o = OPTIONS[options]
    tolds = [(0, 1)] * 4 if name in PLAYED else TOLD
    runs = [sample(seed, told, dtype, device, o) for seed, told in enumerate(tolds)]
    seconds = [second_of(name, seed).to(device, dtype) for seed in range(len(runs))] if name in PLAYED else []

    def of(weights, tensors):
        prior, posterior = type(runs[0].prior)(*tensors["prior"]), Posterior(*tensors["posterior"])
        seen = TermInputs(**{**tensors, "prior": prior, "posterior": posterior})
        if name not in PLAYED:
            return TERMS[name](seen, o)
        return torch.func.functional_call(Term(name, seen, o, seconds[0]), weights)

    flat = [{**run._asdict(), "prior": tuple(run.prior), "posterior": tuple(run.posterior)} for run in runs]
    for each in flat:
        del each["second"]
    weights = [{f"second.{k}": v.detach() for k, v in network.named_parameters()} for network in seconds]
    weights = weights or [{} for _ in flat]
    together = [torch.utils._pytree.tree_map(lambda *leaves: torch.stack(leaves), *each) for each in (weights, flat)]
    looped = [
        torch.func.vjp(lambda p, t=t, w=w: of(w, {**t, "posterior": p}), t["posterior"])
        for w, t in zip(weights, flat, strict=True)
    ]
    values, back = torch.func.vjp(
        lambda p: torch.func.vmap(of)(together[0], {**together[1], "posterior": p}), together[1]["posterior"]
    )
    torch.testing.assert_close(values, torch.stack([v for v, _ in looped]), rtol=1e-4, atol=1e-5)
    gradients = back(torch.ones_like(values))[0]
    for k, gradient in enumerate(gradients):
        alone = [pull(torch.ones_like(v))[0][k] for v, pull in looped]
        torch.testing.assert_close(gradient, torch.stack(alone), rtol=1e-3, atol=1e-5)


class Term(torch.nn.Module):
    """A term with its second network as a parameter, for vmap over networks."""

    def __init__(self, name, seen, options, second):
        super().__init__()
        self.name, self.seen, self.options, self.second = name, seen, options, second

    def forward(self):
        return TERMS[self.name](self.seen._replace(second=self.second), self.options)


def test_a_posterior_equal_to_the_prior_costs_nothing(dtype, device):
    seen = sample(0, (0, 1), dtype, device)
    posterior = Posterior(seen.prior.mean, seen.prior.variance.log().expand(B, D), seen.prior.mean)
    assert float(TERMS["kl"](seen._replace(posterior=posterior), OPTIONS["default"])) == pytest.approx(0, abs=1e-5)


def test_the_divergence_from_a_prior_without_closed_form_is_its_expectation():
    """KL(N(m, s^2) || Laplace) by quadrature, against the mean over many samples of the posterior."""
    rows, m, s = 200_000, 0.4, 0.7
    noise = torch.randn(rows, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean, log_variance = torch.full_like(noise, m), torch.full_like(noise, 2 * math.log(s))
    seen = sample(0, (), torch.float64, torch.device("cpu"))._replace(
        told=torch.zeros(1).double(),
        posterior=Posterior(mean, log_variance, mean + s * noise),
        prior=conditioned(torch.zeros_like(noise), torch.zeros(1).double(), torch.tensor(1.0).double()),
    )
    grid = np.linspace(m - 10 * s, m + 10 * s, 20_001)
    q = np.exp(-0.5 * ((grid - m) / s) ** 2) / (s * math.sqrt(2 * math.pi))
    log_p = -np.sqrt(2) * np.abs(grid) - 0.5 * np.log(2)
    wanted = np.trapezoid(q * (np.log(np.maximum(q, 1e-300)) - log_p), grid)
    found = float(TERMS["kl"](seen, OPTIONS["default"]._replace(density=Laplace(1))))
    assert found == pytest.approx(wanted, abs=0.005)


def test_total_correlation_is_that_of_a_gaussian():
    """Means with correlation r under unit noise: the aggregate is Gaussian with correlation r / 2."""
    n, r = 3000, 0.9
    g = torch.Generator().manual_seed(0)
    a, b, *noise = (torch.randn(n, generator=g) for _ in range(4))
    mean = torch.stack([a, r * a + math.sqrt(1 - r**2) * b], 1)
    posterior = Posterior(mean, torch.zeros(n, 2), mean + torch.stack(noise, 1))
    seen = sample(0, (), torch.float32, torch.device("cpu"))._replace(posterior=posterior)
    found = float(TERMS["total_correlation"](seen, OPTIONS["default"]))
    assert found == pytest.approx(-0.5 * math.log(1 - (r / 2) ** 2), abs=0.015)


@pytest.mark.parametrize("weights", [2, 3])
def test_the_covariance_terms_of_known_codes(weights):
    """Codes of covariance [[2, 1], [1, 1]]: off-diagonal 2, diagonal 1, and with a posterior variance of 1, 5."""
    basis = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    mean = (basis @ torch.tensor([[1.0, 1.0], [1.0, 0.0]])).repeat(weights, 1)
    seen = sample(0, (), torch.float32, torch.device("cpu"))._replace(posterior=Posterior(mean, 0 * mean, mean))
    of = lambda name: float(TERMS[name](seen, OPTIONS["default"]))  # noqa: E731
    assert [of("covariance_of_means"), of("variance_of_means")] == [2, 1]
    assert [of("covariance_of_samples"), of("variance_of_samples")] == [2, 5]


def test_players_move_their_own_weights_only():
    """The model's term leaves the second network alone, the second network's term leaves the codes alone."""
    for name, network in PLAYED.items():
        second = second_of(name, 0)
        seen = sample(1, (0, 1), torch.float32, torch.device("cpu"), second=second)
        z = seen.posterior.sample.requires_grad_()
        TERMS[name](seen._replace(posterior=seen.posterior._replace(sample=z)), OPTIONS["default"]).backward()
        moved = [p.grad is not None for p in second.parameters()]
        assert (z.grad is None, all(moved), any(moved)) == (
            (False, False, False) if name == "density_ratio" else (True, True, True)
        ), network


def test_the_floor_of_a_known_noise_is_half_a_nat_per_pixel():
    g = torch.Generator().manual_seed(1)
    truth = torch.full((400, 1, 33, 33), 80.0)
    for kind, seen in (
        (Poisson(4.0), torch.poisson(truth + 4, generator=g) - 4),
        (GaussianLikelihood(3.0), truth + 3 * torch.randn(truth.shape, generator=g)),
    ):
        nats = kind.nats(kind.to_scale(seen), kind.to_scale(truth)).mean() / 33**2
        assert float(nats) == pytest.approx(0.5, rel=0.01)


def run_of(method, config, **settings):
    """The only run of a method in the tiny study."""
    told = {"coverages": ["two"]} if METHODS[method].needs_aux else {}
    config["runs"] = [{"method": method, **told, **settings}]
    return study_of(config)[1].runs[0]


@pytest.mark.parametrize("name", ["conv4", "residual", "mlp"])
@pytest.mark.parametrize("method", METHODS)
def test_gradients_of_every_method_reach_every_parameter(method, name, config):
    run = run_of(method, config)
    run = replace(run, network=replace(run.network, name=name, width=8))
    network = build(run, 3.0, 5.0, bounded=False)
    g = torch.Generator().manual_seed(2)
    factors = {factor: torch.rand(64, generator=g) for factor in run.dataset.factors}
    objective = Objective.of(run, Poisson(0.0), factors, torch.rand(64, len(run.aux), generator=g), torch.device("cpu"))
    u = torch.rand(16, len(run.aux), generator=g)
    images = 20 * torch.rand(16, 1, 33, 33, generator=g)
    values, codes = objective.values(network, images, u, objective.draw("latents", 0, u), 0.2)
    (values @ objective.weights).backward()
    assert math.isfinite(float(values.detach().sum()))
    assert codes.mean.shape == (16, 10) and not codes.mean.requires_grad
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, parameter_name
