"""Every prior: samples of its density, of mean 0 and variance 1; a user's own is tried before it is trusted."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import cumulative_trapezoid

from auxvae.config.latents import PriorSpec
from auxvae.data.randomness import generator
from auxvae.models.prior_building import build, checked_samples
from auxvae.models.prior_checks import prior_faults, residual_prior
from auxvae.models.priors import Conditioned, Laplace
from foundation.faults import Refused
from foundation.files import digest_file
from tests.conftest import study_of

TABLE = torch.randn(3000, 2, generator=generator(0, "table")) @ torch.tensor([[1.0, 0.8], [0.0, 0.6]]) + 5
SPECS = {
    "normal": PriorSpec("normal"),
    "uniform": PriorSpec("uniform"),
    "laplace": PriorSpec("laplace"),
    "mixture": PriorSpec("mixture", components=3, std=0.4),
    "grid": PriorSpec("grid", levels=4),
    "product": PriorSpec("product", of=(PriorSpec("uniform"), PriorSpec("laplace"))),
    "blocks": PriorSpec("blocks", of=(PriorSpec("mixture", latents=2), PriorSpec("normal", latents=2))),
    "empirical": PriorSpec("empirical"),
}
DENSE = [name for name, spec in SPECS.items() if name == "uniform" or spec.has_density()]


def prior_of(name):
    return build(SPECS[name], 2 if name == "empirical" else 4, lambda names: TABLE, 0)


def drawn(prior, rows, index=0):
    return prior.sample(torch.zeros(rows, 0), generator(3, "prior", index))


@pytest.mark.parametrize("name", SPECS)
def test_samples_have_mean_0_and_variance_1_and_an_address(name):
    prior = prior_of(name)
    samples = drawn(prior, 40_000)
    assert samples.shape == (40_000, prior.dimensions)
    torch.testing.assert_close(samples.mean(0), torch.zeros(prior.dimensions), atol=0.03, rtol=0)
    torch.testing.assert_close(samples.var(0), torch.ones(prior.dimensions), atol=0.04, rtol=0)
    assert torch.equal(samples, drawn(prior, 40_000)) and not torch.equal(samples, drawn(prior, 40_000, 1))
    torch.testing.assert_close(checked_samples(prior, SPECS[name], 0).var(0), samples.var(0), atol=0.1, rtol=0)


@pytest.mark.parametrize("name", DENSE)
def test_samples_follow_their_density(name):
    """Kolmogorov-Smirnov of every latent against its density, integrated on a grid while the others stay at 0."""
    prior, grid = prior_of(name), torch.linspace(-9, 9, 18_001, dtype=torch.float64)
    samples = drawn(prior, 5000).double().numpy()
    for j in range(prior.dimensions):
        line = torch.zeros(len(grid), prior.dimensions, dtype=torch.float64)
        line[:, j] = grid
        density = prior.log_prob(line).exp().numpy()
        cumulative = cumulative_trapezoid(density, grid.numpy(), initial=0)
        found = stats.kstest(samples[:, j], lambda x, c=cumulative: np.interp(x, grid.numpy(), c / c[-1]))
        assert found.pvalue > 1e-3, (j, found)


@pytest.mark.parametrize("name", DENSE)
def test_densities_integrate_to_one(name):
    spec = SPECS[name].of[0] if SPECS[name].of else SPECS[name]
    prior, grid = build(spec, 1, lambda names: TABLE, 0), torch.linspace(-30, 30, 60_001, dtype=torch.float64)
    assert np.trapezoid(prior.log_prob(grid[:, None]).exp().numpy(), grid.numpy()) == pytest.approx(1, abs=1e-3)


def test_a_prior_without_a_density_says_so():
    with pytest.raises(NotImplementedError, match="Grid has no density"):
        prior_of("grid").log_prob(torch.zeros(1, 4))


def test_the_empirical_prior_keeps_the_dependence_of_the_factors():
    wanted = np.corrcoef(TABLE.numpy().T)[0, 1]
    assert np.corrcoef(drawn(prior_of("empirical"), 20_000).numpy().T)[0, 1] == pytest.approx(wanted, abs=0.02)


def test_a_grid_takes_its_levels_alone():
    assert len(drawn(prior_of("grid"), 1000).unique()) == 4


def test_told_latents_are_centred_on_their_factors():
    u = torch.rand(20_000, 3, generator=generator(0, "u"))
    samples = Conditioned(3, 0.2).sample(u, generator(0, "z"))
    torch.testing.assert_close((samples - u).var(0), torch.full((3,), 0.04), atol=2e-3, rtol=0)
    assert abs(float((samples - u).mean())) < 3e-3


OWN = """
import torch

from auxvae.models.priors import Prior


class Ring(Prior):
    def sample(self, u, source):
        {body}
"""
GOOD = "return torch.rand(len(u), self.dimensions, generator=source)"
PROGRAMS = {
    "wrong shape": (
        "return torch.rand(len(u), self.dimensions + 1, generator=source)",
        "one row of 3 numbers for each row",
    ),
    "wrong rows": ("return torch.rand(7, self.dimensions, generator=source)", "one row of 3 numbers for each row"),
    "no numbers": ("return torch.full((len(u), self.dimensions), float('nan'))", "samples that are no numbers"),
    "no width": ("return torch.ones(len(u), self.dimensions)", "latents that do not vary"),
    "no tensor": ("return [0.0] * self.dimensions", "found a list that is no torch tensor"),
    "its own dice": ("return torch.rand(len(u), self.dimensions)", "other samples on a second call"),
    "an exit": ("raise SystemExit(3)", "a program that fails (SystemExit: 3)"),
    "an error": ("raise ValueError('out of luck')", "a program that fails (ValueError: out of luck)"),
}


def own(folder, body, name="Ring"):
    path = folder / "mine.py"
    path.write_text(OWN.format(body=body))
    return PriorSpec("file", path=str(path), name=name, sha256=digest_file(path))


def test_a_prior_of_ones_own_is_sampled(tmp_path):
    prior = build(own(tmp_path, GOOD), 3, lambda names: TABLE, 0)
    assert drawn(prior, 5).shape == (5, 3)


@pytest.mark.parametrize("case", PROGRAMS)
def test_a_bad_prior_of_ones_own_is_refused(case, tmp_path):
    body, sentence = PROGRAMS[case]
    spec = own(tmp_path, body)
    with pytest.raises(Refused) as refused:
        checked_samples(build(spec, 3, lambda names: TABLE, 0), spec, 0)
    assert sentence in str(refused.value.faults[0])


def test_a_class_that_is_not_there_and_a_file_that_changed_are_refused(tmp_path):
    with pytest.raises(Refused, match="has no attribute 'Rung'"):
        build(own(tmp_path, GOOD, "Rung"), 3, lambda names: TABLE, 0)
    spec = own(tmp_path, GOOD)
    own(tmp_path, GOOD + "  # changed")
    with pytest.raises(Refused, match="declared with another file"):
        build(spec, 3, lambda names: TABLE, 0)


def test_the_bytes_of_a_file_are_part_of_the_run(tmp_path, config):
    spec = own(tmp_path, GOOD)
    config["runs"] = [{"method": "ae_mmd", "prior": {"kind": "file", "path": spec.path, "name": "Ring"}}]
    before = study_of(config)[1].runs[0]
    assert before.prior.sha256 == spec.sha256
    own(tmp_path, GOOD + "  # changed")
    assert study_of(config)[1].runs[0].id != before.id


def test_the_prior_of_a_run_covers_what_is_not_told(tiny):
    factors = {name: torch.rand(500, generator=generator(0, name)) for name in tiny.runs[0].dataset.factors}
    for run in tiny.runs:
        prior, variance = residual_prior(run, factors)
        assert prior.dimensions == run.network.latents - len(run.aux)
        assert variance[: len(run.aux)].abs().max() == 0 if run.aux else variance.min() > 0
        assert math.isfinite(float(variance.sum()))


@pytest.mark.parametrize("body", ["return torch.zeros(len(u))", "return torch.zeros(len(u), 2)"])
def test_a_bad_prior_inside_another_is_refused_in_a_sentence(body, tmp_path, config):
    spec = own(tmp_path, body)
    part = {"kind": "file", "path": spec.path, "name": "Ring"}
    for prior in ({"kind": "product", "of": ["normal", part]}, {"kind": "blocks", "of": [{**part, "latents": 10}]}):
        config["runs"] = [{"method": "ae_mmd", "prior": prior}]
        [fault] = prior_faults(study_of(config)[1].runs, lambda run: {})
        assert "numbers for each row of u" in str(fault)


def test_a_prior_without_a_density_is_refused_for_a_divergence(tmp_path, config):
    spec = own(tmp_path, GOOD)
    config["runs"] = [{"method": "vae", "prior": {"kind": "file", "path": spec.path, "name": "Ring"}}]
    [fault] = prior_faults(study_of(config)[1].runs, lambda run: {})
    assert "Ring has no density" in str(fault) and "log_prob(z) gives one finite number" in str(fault)


def test_a_divergence_beside_an_mmd_with_the_same_prior_is_refused_too(tmp_path, config):
    spec = own(tmp_path, GOOD)
    prior = {"kind": "file", "path": spec.path, "name": "Ring"}
    config["runs"] = [{"method": method, "prior": prior} for method in ("vae", "ae_mmd")]
    [fault] = prior_faults(study_of(config)[1].runs, lambda run: {})
    assert "Ring has no density" in str(fault)


def test_a_prior_of_ones_own_sees_the_told_factors(tmp_path, config):
    spec = own(tmp_path, "return u[:, :1] + torch.rand(len(u), self.dimensions, generator=source)")
    config["runs"] = [
        {"method": "aux_mmd", "coverages": ["two"], "prior": {"kind": "file", "path": spec.path, "name": "Ring"}}
    ]
    assert prior_faults(study_of(config)[1].runs, lambda run: {}) == []


def test_no_laplace_sample_is_infinite(monkeypatch):
    """The generator gives 0 once in 2^24 numbers."""
    monkeypatch.setattr(torch, "rand", lambda *shape, generator: torch.zeros(shape))
    samples = Laplace(2).sample(torch.zeros(3, 0), generator(0, "x"))
    assert samples.isfinite().all() and samples.abs().min() > 8
