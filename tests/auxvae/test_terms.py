"""Every term: against an independent double-precision reference, and under vmap as in a loop, with gradients."""

import math
import pkgutil

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree

from auxvae.config.diffusion import Diffusion
from auxvae.config.latents import Mmd
from auxvae.config.networks import COMPANIONS
from auxvae.config.settings import Settings
from auxvae.config.terms import TERMS
from auxvae.data.likelihoods import Counts, Poisson
from auxvae.data.likelihoods import Gaussian as GaussianLikelihood
from auxvae.losses.inputs import Denoised, Scalars, TermInputs, TermSettings
from auxvae.losses.kernels import features
from auxvae.losses.moments import moments
from auxvae.losses.queue import Queue
from auxvae.models.model import Posterior, draws_at
from auxvae.models.priors import Laplace, conditioned
from tests.auxvae.equations import exact
from tests.auxvae.models import NETWORKS, PLAIN, ROWS, any_batch, model_of, run_of

B, D, QUEUE, PIXELS = 48, 7, 16, 6
AUX = ((), (0,), (0, 1, 2), tuple(range(D)))  # which latents are auxiliary, run by run
POISSON = Poisson(0.0)
FIXED = {
    "default": TermSettings(POISSON, Settings(aux_degree=2), Mmd()),
    "sums": TermSettings(POISSON, Settings(normalise=False, interactions=True, degree=2), Mmd()),
    "published": TermSettings(POISSON, Settings(aux_degree=3, correlation="absolute"), Mmd()),
    "released": TermSettings(POISSON, Settings(normalise=False, interactions=True, correlation="absolute"), Mmd()),
    "degree one": TermSettings(
        GaussianLikelihood(2.0), Settings(degree=1, correlation="absolute"), Mmd(kernel="rbf", bandwidth=4.0)
    ),
    "hsic, some pairs": TermSettings(
        POISSON, Settings(), Mmd(kernel="rational_quadratic", bandwidth="median", pairs=5), dependence="hsic"
    ),
    "blocks": TermSettings(POISSON, Settings(), Mmd(kernel="laplace", block=12)),
    "counts": TermSettings(Counts(3.0), Settings(diffusion=Diffusion(free_bits=1.0, warm_up=0.9)), Mmd()),
    "denoiser first": TermSettings(
        Counts(3.0), Settings(diffusion=Diffusion(learning="first", start=0.3, warm_up=0.6)), Mmd()
    ),
    "independent, gated": TermSettings(POISSON, Settings(), Mmd(), prior_independent=True, gated=True),
}
COMPANION = {
    "density_ratio": "discriminator",
    "discriminator": "discriminator",
    "critics": "critics",
    "inter_infonce": "embeddings",
    "infonce_critic": "embeddings",
    "inter_odds": "discriminator",
    "inter_discriminator": "discriminator",
    "vae_of_u": "factor_vae_of_u",
}
FUNCTIONS = {name: pkgutil.resolve_name(term.function) for name, term in TERMS.items()}
ALONE = [name for name in TERMS if name not in COMPANION]
MINE = TermSettings(POISSON, Settings(), Mmd(), dependence="mine")
BY_CRITICS = ("explicitness", "intra", "inter")  # the terms that measure dependence by MINE


def inputs_of(seed, aux, dtype, device, fixed=FIXED["default"], companion=None):
    """Random inputs of a term; the queue is filled in part."""
    g = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.rand(shape, generator=g, dtype=torch.float64).to(device, dtype)  # noqa: E731
    is_aux = torch.zeros(D).index_fill(0, torch.tensor(aux, dtype=torch.long), 1).to(device, dtype)
    u = draw(B, D) * is_aux
    mean, log_variance = 2 * draw(B, D) - 1, draw(B, D) - 2
    noise = draw(B, D) - 0.5
    size = 0 if fixed.mmd.block else QUEUE
    samples = 3 * (draw(B + size, D) - 0.5) * (1 - is_aux)
    pairs = torch.triu_indices(D, D, 1)
    chosen = pairs if fixed.mmd.pairs == "all" else pairs[:, torch.randperm(pairs.shape[1], generator=g)[:5]]
    width = 0.7 + 0.3 * draw()
    return TermInputs(
        images=20 * draw(B, 1, PIXELS, PIXELS),
        aux=u,
        is_aux=is_aux,
        owner=torch.arange(D, device=device, dtype=dtype),
        prior=conditioned(u, is_aux, 0.1 * draw() + 0.01),
        posterior=Posterior(mean, log_variance, mean + (0.5 * log_variance).exp() * noise),
        reconstruction=20 * draw(B, 1, PIXELS, PIXELS),
        noise=noise,
        prior_samples=samples,
        shuffle=torch.rand(B, D, generator=g).argsort(0).to(device),
        pairs=chosen.to(device),
        queue=Queue(draw(size, D), torch.tensor(size).to(device)),
        prior_variance=0.75 * (1 - is_aux),
        prior_features=features(samples, width).mean(0),
        factor_moments=moments(u, 3),
        product_moments=moments(torch.stack([u[:, k] * u[:, m] for k, m in pairs.T], 1), 1),
        earlier=Queue(draw(QUEUE, 2 * D), torch.tensor(QUEUE - 3).to(device)),
        scalars=Scalars(25 * draw(), 1 + 50 * draw(), 0.3 * draw(), 0.7 + 0.3 * draw(), width, 0.1 + draw()),
        progress=draw(),
        precision=0.5 + draw(B),
        companion=companion,
        denoised=Denoised(100 * draw(), 90 * draw()),
    )


@pytest.mark.parametrize("aux", AUX, ids=len)
@pytest.mark.parametrize("settings", FIXED)
@pytest.mark.parametrize("name", ALONE)
def test_every_term_equals_its_equation(name, settings, aux, device):
    """In double precision; the kernels of single latents are the cosine sums that losses.kernels defines."""
    inputs, fixed = inputs_of(3, aux, torch.float64, device, FIXED[settings]), FIXED[settings]
    value = FUNCTIONS[name](inputs, fixed)
    assert value.shape == ()
    assert float(value) == pytest.approx(exact(name, fixed, inputs), rel=1e-6, abs=1e-9)


def companion_of(name, seed):
    """The companion network of a term, for D latents and two auxiliary variables, with random weights."""
    network = pkgutil.resolve_name(COMPANIONS[COMPANION.get(name, "critics")])(D, 2, 32)
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(-0.3, 0.3, generator=g)
    return network


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", [*COMPANION, *BY_CRITICS])
def test_every_term_with_a_companion_network_equals_its_equation(name, seed, device):
    """In double precision; the equations multiply out the network's layers, and take MINE one pair at a time."""
    network = companion_of(name, seed).to(device, torch.float64)
    inputs = inputs_of(seed, (0, 1), torch.float64, device, MINE, network)
    value = float(FUNCTIONS[name](inputs, MINE).detach())
    assert value == pytest.approx(exact(name, MINE, inputs), rel=1e-6, abs=1e-9)
    assert abs(value) > 1e-6  # a term of 0 would say nothing of its equation


class WithCompanion(torch.nn.Module):
    """A term with its companion network as a parameter, for vmap over networks."""

    def __init__(self, name, fixed, companion):
        super().__init__()
        self.name, self.fixed, self.companion = name, fixed, companion

    def forward(self, inputs):
        return FUNCTIONS[self.name](inputs._replace(companion=self.companion), self.fixed)


@pytest.mark.parametrize("settings", FIXED)
@pytest.mark.parametrize("name", TERMS)
def test_every_term_is_the_same_under_vmap_over_runs_as_in_a_loop(name, settings, dtype, device):
    """Codes, factors, coverages, continuous settings and the weights of companion networks differ from run to run."""
    fixed = FIXED[settings]
    runs = [
        inputs_of(seed, aux, dtype, device, fixed)
        for seed, aux in enumerate([(0, 1)] * 4 if name in COMPANION else AUX)
    ]
    networks = [companion_of(name, seed).to(device, dtype) for seed in range(len(runs))] if name in COMPANION else []
    term = WithCompanion(name, fixed, networks[0] if networks else None)

    def value(weights, posterior, inputs):
        return torch.func.functional_call(term, weights, (inputs._replace(posterior=posterior),))

    weights = [{f"companion.{k}": v.detach() for k, v in each.named_parameters()} for each in networks]
    weights = weights or [{} for _ in runs]
    stack = lambda *leaves: leaves[0] if leaves[0] is None else torch.stack(leaves)  # noqa: E731
    stacked_weights, stacked = (pytree.tree_map(stack, *each) for each in (weights, runs))
    axes = pytree.tree_map(lambda leaf: None if leaf is None else 0, stacked)
    together, pull = torch.func.vjp(
        lambda p: torch.func.vmap(value, (0, 0, axes))(stacked_weights, p, stacked), stacked.posterior
    )
    (gradients,) = pull(torch.ones_like(together))
    for i, (w, inputs) in enumerate(zip(weights, runs, strict=True)):
        alone, pull = torch.func.vjp(lambda p, w=w, inputs=inputs: value(w, p, inputs), inputs.posterior)
        torch.testing.assert_close(together[i], alone, rtol=1e-4, atol=1e-5)
        for batched, single in zip(gradients, pull(torch.ones_like(alone))[0], strict=True):
            torch.testing.assert_close(batched[i], single, rtol=1e-3, atol=1e-5)


def test_a_posterior_equal_to_the_prior_costs_nothing(dtype, device):
    inputs = inputs_of(0, (0, 1), dtype, device)
    posterior = Posterior(inputs.prior.mean, inputs.prior.variance.log().expand(B, D), inputs.prior.mean)
    assert float(FUNCTIONS["kl"](inputs._replace(posterior=posterior), FIXED["default"])) == pytest.approx(0, abs=1e-5)


def test_the_divergence_from_a_prior_without_closed_form_is_its_expectation():
    """KL(N(m, s^2) || Laplace) by quadrature, against the mean over many samples of the posterior."""
    rows, m, s = 200_000, 0.4, 0.7
    noise = torch.randn(rows, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean, log_variance = torch.full_like(noise, m), torch.full_like(noise, 2 * math.log(s))
    inputs = inputs_of(0, (), torch.float64, torch.device("cpu"))._replace(
        is_aux=torch.zeros(1).double(),
        posterior=Posterior(mean, log_variance, mean + s * noise),
        prior=conditioned(torch.zeros_like(noise), torch.zeros(1).double(), torch.tensor(1.0).double()),
    )
    grid = np.linspace(m - 10 * s, m + 10 * s, 20_001)
    q = np.exp(-0.5 * ((grid - m) / s) ** 2) / (s * math.sqrt(2 * math.pi))
    log_p = -np.sqrt(2) * np.abs(grid) - 0.5 * np.log(2)
    expected = np.trapezoid(q * (np.log(np.maximum(q, 1e-300)) - log_p), grid)
    value = float(FUNCTIONS["kl"](inputs, FIXED["default"]._replace(density=Laplace(1))))
    assert value == pytest.approx(expected, abs=0.005)


def test_total_correlation_is_that_of_a_gaussian():
    """Means with correlation r under unit noise: the aggregate is Gaussian with correlation r / 2."""
    n, r = 3000, 0.9
    g = torch.Generator().manual_seed(0)
    a, b, *noise = (torch.randn(n, generator=g) for _ in range(4))
    mean = torch.stack([a, r * a + math.sqrt(1 - r**2) * b], 1)
    posterior = Posterior(mean, torch.zeros(n, 2), mean + torch.stack(noise, 1))
    inputs = inputs_of(0, (), torch.float32, torch.device("cpu"))._replace(posterior=posterior)
    value = float(FUNCTIONS["total_correlation"](inputs, FIXED["default"]))
    assert value == pytest.approx(-0.5 * math.log(1 - (r / 2) ** 2), abs=0.015)


@pytest.mark.parametrize("copies", [2, 3])
def test_the_covariance_terms_of_codes_with_a_given_covariance(copies):
    """Codes of covariance [[2, 1], [1, 1]]: off-diagonal 2, diagonal 1, and with a posterior variance of 1, 5."""
    basis = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    mean = (basis @ torch.tensor([[1.0, 1.0], [1.0, 0.0]])).repeat(copies, 1)
    inputs = inputs_of(0, (), torch.float32, torch.device("cpu"))._replace(posterior=Posterior(mean, 0 * mean, mean))
    value = lambda name: float(FUNCTIONS[name](inputs, FIXED["default"]))  # noqa: E731
    assert [value("covariance_of_means"), value("variance_of_means")] == [2, 1]
    assert [value("covariance_of_samples"), value("variance_of_samples")] == [2, 5]


@pytest.mark.parametrize("name", COMPANION)
def test_adversaries_move_their_own_weights_only(name):
    """The model's term leaves the companion network alone, the companion's term leaves the codes alone."""
    network = companion_of(name, 0)
    inputs = inputs_of(1, (0, 1), torch.float32, torch.device("cpu"), companion=network)
    z = inputs.posterior.sample.requires_grad_()
    FUNCTIONS[name](inputs._replace(posterior=inputs.posterior._replace(sample=z)), FIXED["default"]).backward()
    moved = {p.grad is not None for p in network.parameters()}
    of_model = name in ("density_ratio", "inter_infonce", "inter_odds")
    assert (z.grad is not None, moved) == ((True, {False}) if of_model else (False, {True}))


def test_the_floor_of_a_known_noise_is_half_a_nat_per_pixel():
    g = torch.Generator().manual_seed(1)
    truth = torch.full((400, 1, 33, 33), 80.0)
    for kind, images in (
        (Poisson(4.0), torch.poisson(truth + 4, generator=g) - 4),
        (GaussianLikelihood(3.0), truth + 3 * torch.randn(truth.shape, generator=g)),
    ):
        nats = kind.nats(kind.to_scale(images), kind.to_scale(truth)).mean() / 33**2
        assert float(nats) == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", PLAIN)
def test_gradients_of_every_method_reach_every_parameter(method, name, config):
    run = run_of(method, config, network={"name": name, "width": 8})
    model = model_of(run)
    loss = model.loss(any_batch(run, 16), draws_at(model.draw(0, "latents", 0, 1, 16), 0), torch.tensor(0.2))
    sum(run.weights[term] * value for term, value in loss.terms.items()).backward()
    assert all(math.isfinite(float(value.detach())) for value in loss.terms.values())
    assert loss.codes.mean.shape == (16, 10) and not loss.codes.mean.requires_grad
    for parameter_name, parameter in model.network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, parameter_name


def test_moments_without_auxiliary_variables_are_those_of_all_rows(config):
    """They are taken of two rows: of all training rows, products of many latents would fill the memory."""
    model = model_of(run_of("vae", config))
    none = torch.zeros(ROWS, 10, dtype=torch.float64)
    torch.testing.assert_close(model.factor_moments, moments(none, 3), check_dtype=False)
    torch.testing.assert_close(model.product_moments, moments(torch.zeros(ROWS, 45), 1), check_dtype=False)
