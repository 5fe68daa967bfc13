"""What of a run and of its training rows stays the same in every step: owners of latents, scalars, known values."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from auxvae.config.kinds import variables_of
from auxvae.config.run import Run
from auxvae.data.likelihoods import Likelihood
from auxvae.losses.inputs import TermSettings
from auxvae.models.model import TrainingData
from auxvae.models.priors import Gaussian, Prior

LEAST_VARIANCE = 1e-8  # of an auxiliary variable that is known in one row


def without_gaps(data: TrainingData) -> tuple[Float[Tensor, "N a"], Gaussian]:
    """The auxiliary variables of the training rows, at their mean where unknown; mean and variance of the others."""
    values = data.aux.cpu()
    observed = torch.ones_like(values) if data.error is None else data.error.cpu().isfinite().float()
    mean = (observed * values).sum(0) / observed.sum(0).clamp(min=1)
    variance = (observed * (values - mean).square()).sum(0) / observed.sum(0).clamp(min=1)
    return torch.where(observed > 0, values, mean), Gaussian(mean, variance.clamp(min=LEAST_VARIANCE))


def owners(run: Run) -> list[float]:
    """The number of the factor that each latent belongs to; a residual latent belongs to none but its own number."""
    sizes = [len(variables_of([factor], run.dataset.kinds)) for factor in run.aux]
    factors = [k for k, size in enumerate(sizes) for _ in range(size)]
    return [float(each) for each in (*factors, *range(len(factors), run.network.latents))]


def scalars(run: Run) -> tuple[float, ...]:
    """The run's continuous settings in the order of Scalars; copied auxiliary variables have the prior N(u, 1)."""
    aux_variance = 1.0 if run.composition.conditional == "copied" else run.prior_variance
    settings = run.settings
    cooling = (settings.cooling, settings.cooling_from, settings.cooling_until)
    return (settings.capacity, *cooling, run.mmd.width, aux_variance)


def term_settings(run: Run, prior: Prior | None, likelihood: Likelihood) -> TermSettings:
    """What the terms of a run read of its settings; a prior without a closed form gives them its density."""
    without_closed_form = run.prior.kind != "normal" and prior is not None and run.prior.has_density()
    return TermSettings(
        likelihood=likelihood,
        settings=run.settings,
        mmd=run.mmd,
        dependence=run.composition.dependence,
        density=prior if without_closed_form else None,
        prior_independent=run.prior.is_independent(),
        gated="kl_free" in run.terms,
    )
