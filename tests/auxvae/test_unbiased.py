"""What a dependence penalty must be: 0 in expectation at independence and above it elsewhere.

The published |rho| over a batch is not: the same tests show it least at a dependence.
"""

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from torch.nn.functional import pad

from auxvae.config.latents import Mmd
from auxvae.config.settings import Settings
from auxvae.data.likelihoods import Poisson
from auxvae.losses import alignment
from auxvae.losses.inputs import Scalars, TermInputs, TermSettings
from auxvae.losses.moments import moments
from auxvae.losses.queue import Queue, empty_queue
from auxvae.losses.unbiased import hsic_of_pairs
from auxvae.models.model import Posterior

AUX, RESIDUAL = 2, 2
LATENTS = AUX + RESIDUAL
NOTHING = torch.zeros(())
UNBIASED = {
    "unbiased": TermSettings(Poisson(0.0), Settings(), Mmd()),
    "hsic": TermSettings(Poisson(0.0), Settings(), Mmd(), dependence="hsic"),
}
PUBLISHED = TermSettings(Poisson(0.0), Settings(correlation="absolute"), Mmd())
TERMS = {"inter": alignment.inter, "intra": alignment.intra}


def factors(rows, source):
    """Auxiliary variables (N, 2), uniform, and the moments that standardise them."""
    u = torch.rand(rows, AUX, generator=source)
    return u, moments(pad(torch.rand(200_000, AUX, generator=source), (0, RESIDUAL)), 3)


def inputs_of(z, u, by, earlier=None):
    """What a dependence term reads of codes (B, 4) and auxiliary variables (B, 2)."""
    is_aux = (torch.arange(LATENTS) < AUX).float()
    return TermInputs(
        images=NOTHING, aux=pad(u, (0, RESIDUAL)), is_aux=is_aux, prior=None, owner=torch.arange(LATENTS).float(),
         posterior=Posterior(z, z, z),
        reconstruction=NOTHING, noise=NOTHING, prior_samples=NOTHING, shuffle=NOTHING, pairs=NOTHING,
        queue=empty_queue(0, LATENTS), prior_variance=NOTHING, prior_features=NOTHING,
        scalars=Scalars(*[NOTHING] * 6), precision=NOTHING, factor_moments=by, product_moments=None,
        earlier=earlier or empty_queue(0, 2 * LATENTS), progress=NOTHING,
    )  # fmt: skip


def mean_and_error(values):
    values = np.array(values)
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values))


@pytest.mark.parametrize("batch", [64, 512])
@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("measure", UNBIASED)
def test_codes_drawn_independent_have_expected_value_zero(measure, term, batch):
    """Heavy-tailed codes, which batch moments scale badly; half of the time with earlier codes beside them."""
    source, values = torch.Generator().manual_seed(batch), []
    for i in range(400 if batch == 64 else 120):
        u, by = factors(batch, source) if i == 0 else (torch.rand(batch, AUX, generator=source), by)
        draw = lambda n: torch.randn(n, LATENTS, generator=source) ** 3  # noqa: E731
        older = torch.cat([draw(96), pad(torch.rand(96, AUX, generator=source), (0, RESIDUAL))], 1)
        earlier = Queue(older, torch.tensor(96 * (i % 2)))
        values.append(float(TERMS[term](inputs_of(draw(batch), u, by, earlier), UNBIASED[measure])))
    mean, error = mean_and_error(values)
    assert abs(mean) < 3 * error


def bump(u, source):
    """Residual latents that are large, with either sign, only where every factor is near its mean."""
    near = (((u - 0.5) ** 2).sum(1) < 0.03).float()
    return near[:, None] * torch.randn(len(u), RESIDUAL, generator=source)


@pytest.mark.parametrize("measure", [*UNBIASED, "published"])
def test_a_bump_costs_more_than_independence_but_not_by_the_published_penalty(measure):
    """The published penalty rewards the bump: it is lower there than for the same codes shuffled."""
    source, fixed = torch.Generator().manual_seed(0), UNBIASED.get(measure, PUBLISHED)
    _, by = factors(1, source)
    gains = []
    for _ in range(300):
        u = torch.rand(64, AUX, generator=source)
        z = bump(u, source)
        shuffled = z[torch.randperm(64, generator=source)]
        both = (inputs_of(torch.cat([u, each], 1), u, by) for each in (z, shuffled))
        dependent, independent = (float(alignment.inter(each, fixed)) for each in both)
        gains.append(dependent - independent)
    mean, error = mean_and_error(gains)
    assert mean < -5 * error if measure == "published" else mean > 5 * error


def descended(fixed, batch, start, steps, size):
    """Free codes (N, 2) after descending the inter term alone, and their factors (N, 2).

    Many more rows than a batch has: an unbiased estimate is one for rows that are drawn anew.
    """
    rows = 1024 if batch == 64 else 4096
    source = torch.Generator().manual_seed(1)
    u, by = factors(rows, source)
    z = torch.randn(rows, RESIDUAL, generator=source)
    z = (z + 4 * (u - 0.5) if start == "dependent" else z).clone().requires_grad_()
    optimiser = torch.optim.Adam([z], lr=size)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = size * (1 - step / steps)
        taken = torch.randperm(rows, generator=source)[:batch]
        inputs = inputs_of(torch.cat([u[taken], z[taken]], 1), u[taken], by)
        optimiser.zero_grad()
        alignment.inter(inputs, fixed).backward()
        optimiser.step()
    return z.detach(), u


def leaks(z, u):
    """R2 of the better told factor by boosted trees on the second half of the rows, and the largest HSIC."""
    half, told = len(z) // 2, []
    for column in u.T.numpy():
        trees = HistGradientBoostingRegressor(max_iter=50, max_depth=3, early_stopping=True, random_state=0)
        predicted = trees.fit(z[:half].numpy(), column[:half]).predict(z[half:].numpy())
        told.append(1 - np.mean((predicted - column[half:]) ** 2) / column[half:].var())
    return max(told), float(hsic_of_pairs(z.double(), u.double()).max())


@pytest.mark.parametrize("start", ["dependent", "independent"])
@pytest.mark.parametrize("batch", [64, 512])
@pytest.mark.parametrize("measure", UNBIASED)
def test_free_codes_that_descend_it_end_independent(measure, batch, start):
    z, u = descended(UNBIASED[measure], batch, start, *((1500, 0.05) if batch == 64 else (700, 0.1)))
    told, hsic = leaks(z, u)
    assert told < 0.05
    assert hsic < 0.01
