"""InfoNCE and the discriminator of residual latents and auxiliary variables: what they say where it is known."""

import math
import pkgutil
from functools import cache

import pytest
import torch

from auxvae.config.latents import Mmd
from auxvae.config.networks import COMPANIONS
from auxvae.config.settings import Settings
from auxvae.config.terms import TERMS
from auxvae.data.likelihoods import Poisson
from auxvae.losses.adversarial import infonce
from auxvae.losses.inputs import TermSettings
from auxvae.losses.moments import moments
from auxvae.models.model import Posterior
from tests.auxvae.test_unbiased import AUX, LATENTS, RESIDUAL, factors, inputs_of, leaks, mean_and_error

FIXED = TermSettings(Poisson(0.0), Settings(), Mmd())
MEASURES = {  # by companion network: the model's term and the network's own
    "embeddings": ("inter_infonce", "infonce_critic"),
    "discriminator": ("inter_odds", "inter_discriminator"),
}
FUNCTIONS = {name: pkgutil.resolve_name(TERMS[name].function) for pair in MEASURES.values() for name in pair}


def companion(name, source):
    network = pkgutil.resolve_name(COMPANIONS[name])(LATENTS, AUX, 32)
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, -0.2, 0.2, generator=source)
    return network


def inputs_with(z, u, by, network, source):
    """What the terms read of residual latents (B, 2) and auxiliary variables (B, 2)."""
    codes = torch.cat([torch.zeros(len(u), AUX), z], 1)
    order = torch.rand(len(u), LATENTS, generator=source).argsort(0)
    return inputs_of(codes, u, by)._replace(posterior=Posterior(codes, codes, codes), companion=network, shuffle=order)


def pairs(rows, strength, source):
    """Gaussian z and u, (N, 2) each, of which the first columns have that correlation."""
    u, z = (torch.randn(rows, 2, generator=source) for _ in range(2))
    z[:, 0] = strength * u[:, 0] + math.sqrt(1 - strength**2) * z[:, 0]
    return z, u


STANDARD = moments(torch.cat([torch.randn(100_000, AUX), torch.zeros(100_000, RESIDUAL)], 1), 1)


@cache
def trained(name, strength, batch=128, steps=400):
    """A network that has learned to pair Gaussian columns of that correlation."""
    source = torch.Generator().manual_seed(7)
    network = companion(name, source)
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 5e-3 * (1 - step / steps)
        optimiser.zero_grad()
        inputs = inputs_with(*pairs(batch, strength, source), STANDARD, network, source)
        FUNCTIONS[MEASURES[name][1]](inputs, FIXED).backward()
        optimiser.step()
    return network


def measured(name, network, strength, source, batch=128, times=100):
    """Mean and standard error of the model's term over fresh batches."""
    batches = (pairs(batch, strength, source) for _ in range(times))
    term = FUNCTIONS[MEASURES[name][0]]
    return mean_and_error([float(term(inputs_with(z, u, STANDARD, network, source), FIXED)) for z, u in batches])


@pytest.mark.parametrize("strength", [0.6, 0.9])
@pytest.mark.parametrize("name", MEASURES)
def test_the_best_network_gives_the_mutual_information_of_a_gaussian_pair(name, strength):
    """-1/2 log(1 - rho^2): 0.22 and 0.83 nats, far below log 128 = 4.9."""
    source = torch.Generator().manual_seed(0)
    value, error = measured(name, trained(name, strength), strength, source)
    assert value == pytest.approx(-0.5 * math.log(1 - strength**2), abs=0.08 + 3 * error)


@pytest.mark.parametrize("name", MEASURES)
def test_at_independence_a_network_that_has_learned_so_gives_zero(name):
    source = torch.Generator().manual_seed(0)
    value, error = measured(name, trained(name, 0.0), 0.0, source)
    assert abs(value) < 0.02 + 3 * error


@pytest.mark.parametrize("strength", [0.0, 0.9])
def test_infonce_of_independent_rows_is_not_above_zero_whatever_the_critic(strength):
    """A critic without weights says 0, one that learned a dependence that is not there is punished for it."""
    source = torch.Generator().manual_seed(1)
    network = trained("embeddings", strength)
    value, error = measured("embeddings", network, 0.0, source)
    assert value < 3 * error
    assert strength == 0.0 or value < -0.2
    assert float(infonce(torch.full((64, 64), 3.0))) == pytest.approx(0, abs=1e-5)


def test_infonce_saturates_at_the_logarithm_of_the_batch():
    """Of 4.3 nats a batch of 8 shows log 8 = 2.1 at most, however good the critic."""
    source = torch.Generator().manual_seed(0)
    network = trained("embeddings", 0.9999, batch=8)
    value, _ = measured("embeddings", network, 0.9999, source, batch=8)
    assert 0.7 * math.log(8) < value <= math.log(8)
    assert float(infonce(1e3 * torch.eye(8))) == pytest.approx(math.log(8))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", MEASURES)
def test_the_gradient_leads_an_encoder_away_from_dependence_of_either_sign(name, sign):
    source = torch.Generator().manual_seed(0)
    network = trained(name, sign * 0.6)
    slope = torch.tensor(sign * 0.6, requires_grad=True)
    noise, u = pairs(4096 if name == "discriminator" else 512, 0.0, source)
    z = torch.stack([slope * u[:, 0] + 0.8 * noise[:, 0], noise[:, 1]], 1)
    FUNCTIONS[MEASURES[name][0]](inputs_with(z, u, STANDARD, network, source), FIXED).backward()
    assert sign * slope.grad > 0.1


@pytest.mark.parametrize("name", MEASURES)
def test_codes_at_their_prior_that_descend_it_while_the_network_learns_end_independent(name):
    """A KL divergence keeps the scale of the codes, as it does of a model; without it they could outrun the network."""
    source = torch.Generator().manual_seed(1)
    u, by = factors(2048, source)
    z = (torch.randn(2048, RESIDUAL, generator=source) + 4 * (u - 0.5)).clone().requires_grad_()
    network, steps = companion(name, source), 800
    model, adversary = torch.optim.Adam([z], 0.03), torch.optim.Adam(network.parameters(), 2e-3, betas=(0.5, 0.9))
    before, _ = leaks(z.detach(), u)
    for step in range(steps):
        model.param_groups[0]["lr"] = 0.03 * (1 - step / steps)
        taken = torch.randperm(2048, generator=source)[:128]
        inputs = inputs_with(z[taken], u[taken], by, network, source)
        values = [FUNCTIONS[each](inputs, FIXED) for each in MEASURES[name]]
        model.zero_grad(), adversary.zero_grad()
        (sum(values) + 0.05 * z[taken].square().sum(1).mean()).backward()
        model.step(), adversary.step()
    after, hsic = leaks(z.detach(), u)
    assert before > 0.4
    assert after < 0.1 and hsic < 0.02, (after, hsic)
