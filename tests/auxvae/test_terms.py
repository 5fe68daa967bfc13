"""Every term: against an independent double-precision reference, and under vmap as in a loop, with gradients."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch.distributions import Normal, kl_divergence

from auxvae.kernels import features
from auxvae.latents import Mmd
from auxvae.likelihoods import Gaussian as GaussianLikelihood
from auxvae.likelihoods import Poisson
from auxvae.methods import METHODS
from auxvae.networks import Posterior, build
from auxvae.objective import Objective
from auxvae.priors import Laplace, conditioned
from auxvae.second import SECOND
from auxvae.seen import Options, Seen
from auxvae.terms import TERMS
from tests.conftest import study_of

B, D, PAST, PIXELS = 48, 7, 16, 6
TOLD = ((), (0,), (0, 1, 2), tuple(range(D)))  # how many latents are told, run by run
OPTIONS = {
    "default": Options(Poisson(0.0)),
    "released": Options(Poisson(0.0), 3, 1, False, True),
    "degree one": Options(GaussianLikelihood(2.0), 1, 1, mmd=Mmd("rbf", 4.0, width=0.7)),
    "hsic, pairs drawn": Options(Poisson(0.0), dependence="hsic", mmd=Mmd("rational_quadratic", "median", pairs=5)),
    "blocks": Options(Poisson(0.0), mmd=Mmd("laplace", "prior", block=12)),
    "independent, at rest": Options(Poisson(0.0), independent=True, cooling=50.0, gated=True),
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
    return Seen(
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


def double(*tensors):
    return [each.detach().double().cpu().numpy() for each in tensors]


def exact(name, o, seen):
    """The same from the equations, in numpy or torch.distributions, without the package's measures."""
    x, image, u, told = double(seen.images, seen.image, seen.u, seen.told)
    mu, logv, z = double(*seen.posterior)
    if name == "reconstruction":
        return 0.5 * ((x - image) ** 2).sum((1, 2, 3)).mean()
    if name in ("kl", "kl_told", "kl_free", "capacity"):
        every, done = reference_kl(seen), float(seen.progress)
        return {
            "kl": every.sum(1).mean(),
            "kl_told": (told * every).sum(1).mean(),
            "kl_free": ((1 - told) * every).sum(1).mean() * o.cooling ** (1 - min(1, max(0, 2.5 * (done - 0.5)))),
            "capacity": abs(every.sum(1).mean() - o.capacity * min(1, 3 * done)),
        }[name]
    if name == "regression":
        return 0.5 * (told * (mu - u) ** 2).sum(1).mean()
    if "mean" in name or "samples" in name:
        c = np.cov(mu.T, bias=True)
        off = (c**2).sum() - (np.diag(c) ** 2).sum()
        added = np.exp(logv).mean(0) if "samples" in name else 0
        return off if "covariance" in name else ((np.diag(c) + added - 1) ** 2).sum()
    if name == "total_correlation":
        log_q = -0.5 * ((z[:, None] - mu) ** 2 / np.exp(logv) + logv + np.log(2 * np.pi))
        n = math.log(B)
        return (logsumexp(log_q.sum(2), 1) - n - (logsumexp(log_q, 1) - n).sum(1)).mean()
    if "mmd" in name:
        risen = float(seen.progress) if o.gated else 1
        return risen * reference_mmd(name, o, seen)
    return reference_dependence(name, o, u, told, mu, z)


def reference_kl(seen):
    mean, logv, m, v = (torch.tensor(each) for each in double(*seen.posterior[:2], *seen.prior))
    parts = [
        kl_divergence(Normal(mean[:, j], torch.exp(logv[:, j] / 2)), Normal(m[:, j], v[j].sqrt())) for j in range(D)
    ]
    return torch.stack(parts, 1).numpy()


def reference_mmd(name, o, seen):
    """Sums over pairs of rows, one kernel value at a time."""
    free, z, past, y = double(1 - seen.told, seen.posterior.sample, seen.past, seen.drawn)
    live = free * (np.clip(1 - 2 * np.exp(double(seen.posterior.log_variance)[0]).mean(0), 0, 1) if o.gated else 1)
    n = len(z)
    if name == "mmd_pairs":
        z, past = (free * each + (1 - free) * (each - 0.5) * math.sqrt(12) for each in (z, past))
    if name == "mmd":
        z, past, y = z * live, past * live, y * live
    every = np.concatenate([z, past])
    if name != "mmd":
        k = lambda a, b: np.exp(-0.5 * ((a[:, None] - b) / o.mmd.width) ** 2)  # noqa: E731
        alone = [(k(every[:, j], every[:, j]), k(y[:, j], y[:, j]), k(every[:, j], y[:, j])) for j in range(D)]
        if name == "mmd_marginal":
            each = [unbiased(zz, 0 * yy, zy) + yy.mean() for zz, yy, zy in alone]
            return float((live * each).sum())
        alone = [
            (
                zz - zz.mean(0) - zz.mean(1)[:, None] + zz.mean(),
                yy - yy.mean(0) - yy.mean(1)[:, None] + yy.mean(),
                zy - zy.mean(0) - zy.mean(1)[:, None] + zy.mean(),
            )
            for zz, yy, zy in alone
        ]
        weight = np.triu(live[:, None] * live + (1 - free)[:, None] * live + (1 - free) * live[:, None], 1)
        total = 0.0
        for i, j in seen.pairs.T.tolist():
            zz, yy, zy = (a * b for a, b in zip(alone[i], alone[j], strict=True))
            total += weight[i, j] * (unbiased(zz, 0 * yy, 0 * zy) if o.independent else unbiased(zz, yy, zy))
        chosen = weight[tuple(seen.pairs.tolist())].sum()
        return total / chosen * weight.sum() if chosen else 0.0
    squared = lambda a, b: ((a[:, None] - b) ** 2).sum(2)  # noqa: E731
    base = {
        "prior": 2 * float((seen.variance.cpu().numpy() * live**2).sum()),
        "median": torch.tensor(squared(z, y)).flatten().median().item(),
    }
    b = base.get(o.mmd.bandwidth, o.mmd.bandwidth)
    forms = {
        "imq": lambda d, s: s * b / (s * b + d),
        "rbf": lambda d, s: np.exp(-d / (s * b)),
        "laplace": lambda d, s: np.exp(-np.sqrt(d / (s * b))),
        "rational_quadratic": lambda d, s: (1 + d / (2 * s * b)) ** -s,
    }
    k = lambda a, c: np.mean([forms[o.mmd.kernel](squared(a, c), s) for s in o.mmd.scales], 0)  # noqa: E731
    if o.mmd.block:
        cuts = [slice(i, i + o.mmd.block) for i in range(0, n, o.mmd.block)]
        return np.mean([unbiased(k(z[c], z[c]), k(y[c], y[c]), k(z[c], y[c])) for c in cuts])
    zz, yy = k(z, every), k(y[:n], y)
    off = lambda gram: (gram.sum() - np.trace(gram[:, :n])) / (n * (gram.shape[1] - 1))  # noqa: E731
    return off(zz) + off(yy) - 2 * k(z, y).mean()


def unbiased(zz, yy, zy):
    off = lambda gram: (gram.sum() - np.trace(gram)) / (len(gram) * (len(gram) - 1))  # noqa: E731
    return off(zz) + off(yy) - 2 * zy.mean()


def rho(a, b):
    a, b = a - a.mean(), b - b.mean()
    return 0.0 if a.std() * b.std() == 0 else float((a * b).mean() / (a.std() * b.std()))


def unit(a):
    return (a - a.mean()) / a.std()


def reference_hsic(a, b):
    """Normalised HSIC of two columns, by centred Gram matrices."""
    centre = lambda k: k - k.mean(0) - k.mean(1)[:, None] + k.mean()  # noqa: E731
    k, m = (centre(np.exp(-0.5 * (unit(x)[:, None] - unit(x)) ** 2)) for x in (a, b))
    return (k * m).sum() / math.sqrt((k * k).sum() * (m * m).sum())


def reference_dependence(name, o, u, told, mu, z):
    known = [j for j in range(D) if told[j]]
    free = [j for j in range(D) if not told[j]]
    fold = np.mean if o.normalise else np.sum
    if o.dependence == "hsic":
        r0 = lambda a, b, k: reference_hsic(a, b)  # noqa: E731
        r1 = lambda a, b, k: 1 - reference_hsic(a, b)  # noqa: E731
    else:
        powers = lambda a, k: [unit(a) ** p for p in range(1, k + 1)]  # noqa: E731
        r0 = lambda a, b, k: fold([abs(rho(p, q)) for p in powers(a, k) for q in powers(b, k)])  # noqa: E731
        r1 = lambda a, b, k: fold([1 - rho(p, q) for p, q in zip(powers(a, k), powers(b, k), strict=True)])  # noqa: E731
    if name == "explicitness":
        return sum(r1(z[:, j], u[:, j], o.aux_degree) for j in known)
    if name == "intra":
        return sum(r0(z[:, j], u[:, k], o.aux_degree) for j in known for k in known if j != k)
    total = sum(r0(mu[:, i], u[:, k], o.degree) for i in free for k in known)
    if o.interactions:
        pairs = [(k, m) for k in known for m in known if k < m]
        total += sum(abs(rho(mu[:, i], u[:, k] * u[:, m])) for i in free for k, m in pairs)
    return total / max(1, len(free))


@pytest.mark.parametrize("told", TOLD, ids=len)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", ALONE)
def test_every_term_equals_its_equation(name, options, told, dtype, device):
    if name == "mmd" and len(told) == D:
        pytest.skip("no latent is left to compare")
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
    tolds = [t for t in TOLD if len(t) < D] if name == "mmd" else [(0, 1)] * 4 if name in PLAYED else TOLD
    runs = [sample(seed, told, dtype, device, o) for seed, told in enumerate(tolds)]
    seconds = [second_of(name, seed).to(device, dtype) for seed in range(len(runs))] if name in PLAYED else []

    def of(weights, tensors):
        prior, posterior = type(runs[0].prior)(*tensors["prior"]), Posterior(*tensors["posterior"])
        seen = Seen(**{**tensors, "prior": prior, "posterior": posterior})
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
    """Codes of covariance [[2, 1], [1, 1]] exactly: off-diagonal 2, diagonal 1, and with a posterior variance of 1, 5."""
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
    told = {"coverages": ["two"]} if METHODS[method].told else {}
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
    objective = Objective.of(
        run, Poisson(0.0), factors, torch.rand(64, len(run.told), generator=g), torch.device("cpu")
    )
    u = torch.rand(16, len(run.told), generator=g)
    images = 20 * torch.rand(16, 1, 33, 33, generator=g)
    values, codes = objective.values(network, images, u, objective.draw("latents", 0, u), 0.2)
    (values @ objective.weights).backward()
    assert math.isfinite(float(values.detach().sum()))
    assert codes.shape == (16, 10) and not codes.requires_grad
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, parameter_name
