"""The prior of a run, made and tried before anything is trained: samples are rows of finite numbers that vary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from auxvae.latents import PriorSpec
from auxvae.priors import Prior, build
from auxvae.randomness import generator
from auxvae.spec import Run
from foundation.faults import Absent, Fault, Refused

TRIAL = 4096  # rows by which a prior is tried and its variance measured


def free_prior(run: Run, factors: Mapping[str, Tensor]) -> tuple[Prior | None, Tensor]:
    """The prior of the latents that are not told, None where all are, and the variance of each latent, (d_Z,)."""
    free = run.network.latents - len(run.told)
    variance = torch.zeros(run.network.latents)
    if not free:
        return None, variance

    def table(names: tuple[str, ...]) -> Tensor:
        chosen = names or tuple(name for name in run.dataset.factors if name not in run.told)
        return torch.stack([factors[name] for name in chosen], 1)

    prior = build(run.prior, free, table)
    variance[len(run.told) :] = tried(prior, run.prior, free)
    return prior, variance


def tried(prior: Prior, spec: PriorSpec, dimensions: int) -> Tensor:
    """Variance of each latent under the prior, (dimensions,); a prior whose samples are no such rows is refused."""
    where = f"prior {spec.words()}"
    made = prior.sample(torch.zeros(TRIAL, 0), generator(0, "trial"))
    if not isinstance(made, Tensor) or made.shape != (TRIAL, dimensions):
        found = Absent(f"samples of shape {tuple(getattr(made, 'shape', ()))}")
        text = f"sample(u, source) gives one row of {dimensions} numbers for each row of u, here {TRIAL}"
        raise Refused(Fault(where, found, text, "mend the prior, or its number of latents"))
    broken = int((~made.isfinite()).sum())
    if broken:
        text = f"all of {made.numel()} must be finite"
        raise Refused(Fault(where, Absent(f"{broken} samples that are no numbers"), text, "mend the prior"))
    variance = made.float().var(0)
    if not bool((variance > 0).all()):
        text = "a kernel takes its width from them"
        raise Refused(Fault(where, Absent("latents that do not vary"), text, "give the prior a width"))
    return variance


def prior_faults(runs: Iterable[Run], factors_of: Callable[[Run], Mapping[str, Tensor]]) -> list[Fault]:
    """What is wrong with the priors of these runs, each told once; factors_of gives a run's training factors."""
    faults: list[Fault] = []
    for run in {(run.prior, run.told, run.network.latents): run for run in runs}.values():
        try:
            free_prior(run, factors_of(run))
        except Refused as refused:
            faults += refused.faults
    return faults
