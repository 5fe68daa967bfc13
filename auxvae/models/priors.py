r"""Priors as programs: a distribution that can be sampled, with log p(z) where it has one.

A prior covers a block of latents. `sample(u, source)` gives one row for each row of u, the told factors in [0, 1] of
training rows drawn at random, which most priors ignore; it draws from a torch.Generator, so that a sample is addressed
by (run, step). `log_prob(z)` is the log density of each row, in nats; a prior without one can be matched (losses.mmd)
but has no KL divergence. All marginals but those of a user's own file and of `auxiliary` have mean 0 and variance 1.

The prior of a whole run stands on the told latents first: N(u_j, v) (arXiv 2507.00298, eq. 3), or nothing to match.
Priors to offer: arXiv 2510.11953, whose exact settings are not published; those of auxvae.config.latents are ours.
"""

from __future__ import annotations

import importlib.util
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from auxvae.config.latents import PRIORS, PriorSpec
from auxvae.data.randomness import generator
from foundation.faults import Fault, Refused, Words
from foundation.files import digest_file

TRIAL = 4096  # rows by which a prior is tried


class Gaussian(NamedTuple):
    """Means and variances of a diagonal Gaussian; both broadcast to (B, d_Z)."""

    mean: Float[Tensor, "B d"]
    variance: Float[Tensor, "*B d"]


def conditioned(u: Float[Tensor, "B d"], told: Float[Tensor, " d"], variance: Float[Tensor, ""]) -> Gaussian:
    """p(z|u) of eq. 3 from u (B, d_Z), zero where not told, told (d_Z,) of 0 and 1, and v: N(u_j, v) or N(0, 1)."""
    return Gaussian(told * u, torch.where(told > 0, variance, torch.ones_like(told)))


class Prior(ABC):
    """A distribution of a block of latents."""

    def __init__(self, dimensions: int) -> None:
        """Keep the number of latents of the block."""
        self.dimensions = dimensions

    @abstractmethod
    def sample(self, u: Tensor, source: torch.Generator) -> Tensor:
        """Samples (B, dimensions), one for each row of u (B, any)."""

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density in nats, (B,), at z (B, dimensions)."""
        raise NotImplementedError(f"{type(self).__name__} has no density")


class Normal(Prior):
    """N(0, 1) for every latent."""

    def sample(self, u: Tensor, source: torch.Generator) -> Tensor:
        return torch.randn(len(u), self.dimensions, generator=source)

    def log_prob(self, z: Tensor) -> Tensor:
        return -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)


class Uniform(Prior):
    """Uniform on [-sqrt 3, sqrt 3] for every latent."""

    def sample(self, u: Tensor, source: torch.Generator) -> Tensor:
        return (2 * torch.rand(len(u), self.dimensions, generator=source) - 1) * math.sqrt(3)

    def log_prob(self, z: Tensor) -> Tensor:
        inside = (z.abs() <= math.sqrt(3)).all(1)
        flat = torch.full_like(z[:, 0], -self.dimensions * math.log(2 * math.sqrt(3)))
        return torch.where(inside, flat, torch.full_like(flat, -math.inf))


class Laplace(Prior):
    """Laplace of scale 1/sqrt 2 for every latent."""

    def sample(self, u: Tensor, source: torch.Generator) -> Tensor:
        centred = torch.rand(len(u), self.dimensions, generator=source) - 0.5
        tail = (1 - 2 * centred.abs()).clamp(min=2.0**-24)  # the generator gives 0 itself once in 2^24 numbers
        return -centred.sign() * tail.log() / math.sqrt(2)

    def log_prob(self, z: Tensor) -> Tensor:
        return -(math.sqrt(2) * z.abs() + 0.5 * math.log(2)).sum(1)


class Mixture(Prior):
    """For every latent, equally likely Gaussians at equal steps, rescaled to unit variance."""

    def __init__(self, dimensions: int, components: int, std: float) -> None:
        """Centres at equal steps from -2 to 2, each of width `std`, before the rescaling."""
        super().__init__(dimensions)
        centres = torch.linspace(-2, 2, components)
        scale = float((centres.square().mean() + std**2).sqrt())
        self.centres, self.std = centres / scale, std / scale

    def sample(self, u: Tensor, source: torch.Generator) -> Tensor:
        shape = (len(u), self.dimensions)
        chosen = torch.randint(len(self.centres), shape, generator=source)
        return self.centres[chosen] + self.std * torch.randn(shape, generator=source)

    def log_prob(self, z: Tensor) -> Tensor:
        away = (z[..., None] - self.centres.to(z)) / self.std
        each = -0.5 * away.square() - math.log(self.std * math.sqrt(2 * math.pi) * len(self.centres))
        return each.logsumexp(-1).sum(1)


class Grid(Prior):
    """For every latent, equally likely levels at equal steps, of unit variance: a quantised code."""

    def __init__(self, dimensions: int, levels: int) -> None:
        """Levels at equal steps."""
        super().__init__(dimensions)
        steps = torch.linspace(-1, 1, levels)
        self.levels = steps / steps.square().mean().sqrt()

    def sample(self, u: Tensor, source: torch.Generator) -> Tensor:
        return self.levels[torch.randint(len(self.levels), (len(u), self.dimensions), generator=source)]


class Empirical(Prior):
    """Rows of a table, such as the training factors: their dependence is part of it."""

    def __init__(self, table: Tensor) -> None:
        """Standardise the table (N, dimensions)."""
        super().__init__(table.shape[1])
        self.table = (table - table.mean(0)) / table.std(0)

    def sample(self, u: Tensor, source: torch.Generator) -> Tensor:
        return self.table[torch.randint(len(self.table), (len(u),), generator=source)]


class Blocks(Prior):
    """Priors side by side, each on its own latents; with parts of one latent, a product of different marginals."""

    def __init__(self, parts: Sequence[Prior]) -> None:
        """Keep the parts, in the order of their latents."""
        super().__init__(sum(part.dimensions for part in parts))
        self.parts = parts

    def sample(self, u: Tensor, source: torch.Generator) -> Tensor:
        return torch.cat([part.sample(u, source) for part in self.parts], 1)

    def log_prob(self, z: Tensor) -> Tensor:
        cuts = z.split([part.dimensions for part in self.parts], 1)
        return torch.stack([part.log_prob(cut) for part, cut in zip(self.parts, cuts, strict=True)]).sum(0)


class Conditioned(Prior):
    """N(u_j, v) for latent j: the prior of Aux-VAE's told latents (arXiv 2507.00298, eq. 3), by samples."""

    def __init__(self, dimensions: int, std: float) -> None:
        """One latent for each of the first columns of u, of standard deviation sqrt v."""
        super().__init__(dimensions)
        self.std = std

    def sample(self, u: Tensor, source: torch.Generator) -> Tensor:
        noise = torch.randn(len(u), self.dimensions, generator=source)
        return u[:, : self.dimensions] + self.std * noise


Table = Callable[[tuple[str, ...]], Tensor]  # training factors by name, (N, names)


def build(spec: PriorSpec, dimensions: int, table: Table, told: int) -> Prior:
    """The prior of a block of so many latents, for a run with so many auxiliary variables.

    Its class and the settings that the class takes stand in auxvae.config.latents.PRIORS.
    """
    if spec.kind == "file":
        return _own(spec, dimensions, told)
    if spec.kind == "empirical":
        return Empirical(table(spec.factors))
    if spec.of:
        return Blocks([build(part, size, table, told) for part, size in _blocks(spec, dimensions)])
    maker: Callable[..., Prior] = resolve_name(PRIORS[spec.kind].maker)
    return maker(dimensions, **spec.values())


def _blocks(spec: PriorSpec, dimensions: int) -> list[tuple[PriorSpec, int]]:
    """Each part of a prior with its number of latents; the marginals of a product in turn, one latent each."""
    if spec.kind == "product":
        return [(spec.of[j % len(spec.of)], 1) for j in range(dimensions)]
    return [(part, part.latents or 0) for part in spec.of]


def trial_samples(prior: Prior, told: int) -> Any:
    """TRIAL samples, at factors drawn uniformly from [0, 1]; a user's program may give anything."""
    source = generator(0, "trial")
    return prior.sample(torch.rand(TRIAL, told, generator=source), source)


def tried(prior: Prior, spec: PriorSpec, told: int) -> Tensor:
    """Samples of the prior, (TRIAL, dimensions); one whose samples are no such rows is refused."""
    where, made = f"prior {spec.words()}", trial_samples(prior, told)
    if not isinstance(made, Tensor) or made.shape != (TRIAL, prior.dimensions):
        other = f"a {type(made).__name__} that is no torch tensor"
        value = Words(f"samples of shape {tuple(made.shape)}" if isinstance(made, Tensor) else other)
        text = f"sample(u, source) gives one row of {prior.dimensions} numbers for each row of u, here {TRIAL}"
        raise Refused(Fault(where, value, text, "mend the prior, or its number of latents"))
    broken = int((~made.isfinite()).sum())
    if broken:
        text = f"all of {made.numel()} must be finite"
        raise Refused(Fault(where, Words(f"{broken} samples that are no numbers"), text, "mend the prior"))
    if not made.equal(trial_samples(prior, told)):
        text = "the same source gives the same samples, or a run is not repeatable"
        value = Words("other samples in a second trial")
        raise Refused(Fault(where, value, text, "draw every random number with generator=source"))
    if not bool((made.float().var(0) > 0).all()):
        text = "a kernel takes its width from them"
        raise Refused(Fault(where, Words("latents that do not vary"), text, "give the prior a width"))
    return made.float()


def _own(spec: PriorSpec, dimensions: int, told: int) -> Prior:
    """The class of a user's file, made for so many latents and tried."""
    where = f"prior {spec.path}: {spec.name}"
    try:
        path = Path(spec.path or "")
        if spec.sha256 and digest_file(path) != spec.sha256:
            raise Refused(Fault(where, Words("other bytes"), "the run was declared with another file", "start again"))
        made = _loaded(path, spec.name or "")(dimensions)
        if not isinstance(made, Prior):
            raise TypeError(f"{spec.name} is no auxvae.models.priors.Prior")
        tried(made, spec, told)
    except Refused:
        raise
    except (Exception, SystemExit) as error:  # whatever a user's program raises is told as a fault of it
        value = Words(f"a program that fails ({type(error).__name__}: {error})")
        text = "the class is a Prior that takes its number of latents and has sample(u, source)"
        raise Refused(Fault(where, value, text, "mend the file: docs/own_prior.md")) from None
    return made


def _loaded(path: Path, name: str) -> Callable[[int], Any]:
    found = importlib.util.spec_from_file_location(path.stem, path)
    if found is None or found.loader is None:
        raise ImportError("it is no Python file")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    maker: Callable[[int], Any] = getattr(module, name)
    return maker
