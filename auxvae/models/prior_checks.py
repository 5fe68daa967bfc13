"""The prior of a run, built and checked before training: its samples are rows of finite numbers that vary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from auxvae.config.kinds import variables_of
from auxvae.config.latents import PriorSpec
from auxvae.config.run import Run
from auxvae.models.prior_building import build, checked_samples, trial_samples
from auxvae.models.priors import Prior
from foundation.faults import Fault, Refused, Words


def residual_prior(run: Run, factors: Mapping[str, Tensor]) -> tuple[Prior | None, Tensor]:
    """The prior of the residual latents, None if there are none, and the variance of its samples by latent, (d_Z,)."""
    residual = run.network.latents - len(run.variables)
    variance = torch.zeros(run.network.latents)
    if not residual:
        return None, variance

    def table(names: tuple[str, ...]) -> Tensor:
        return torch.stack([factors[name] for name in variables_of(names or run.left_factors, run.dataset.kinds)], 1)

    prior = build(run.prior, residual, table, len(run.variables))
    variance[len(run.variables) :] = checked_samples(prior, run.prior, len(run.variables)).var(0)
    if run.prior.is_a_program() and run.needs_density:
        try_density(prior, run.prior, len(run.variables), run.method)
    return prior, variance


def try_density(prior: Prior, spec: PriorSpec, aux: int, method: str) -> None:
    """Refuse a user's prior whose log density is not one finite number for each sample."""
    where, samples = f"prior {spec.words()}", trial_samples(prior, aux)
    try:
        density = prior.log_prob(samples)
        wrong = "" if density.shape == (len(samples),) else f"numbers of shape {tuple(density.shape)}"
        broken = int((~density.isfinite()).sum())
        problem = wrong or (f"{broken} of {len(samples)} numbers that are not finite" if broken else "")
    except Exception as error:  # whatever a user's program raises is reported as a fault of the file
        problem = f"an error ({type(error).__name__}: {error})"
    if problem:
        text = f"{method} has a KL divergence: log_prob(z) gives one finite number for each row of z"
        raise Refused(Fault(f"{where}: log_prob", Words(problem), text, "add it, or take a method with an mmd"))


def some_rows(u: Tensor, rows: int, source: torch.Generator) -> Tensor:
    """So many rows of u (N, a), drawn with replacement."""
    return u[torch.randint(len(u), (rows,), generator=source)]


def prior_faults(runs: Iterable[Run], factors_of: Callable[[Run], Mapping[str, Tensor]]) -> list[Fault]:
    """What is wrong with the priors of these runs, without repetition; factors_of gives a run's training factors."""
    faults: list[Fault] = []
    for run in {(run.prior, run.aux, run.network.latents, run.needs_density): run for run in runs}.values():
        try:
            residual_prior(run, factors_of(run))
        except Refused as refused:
            faults += refused.faults
    return faults
