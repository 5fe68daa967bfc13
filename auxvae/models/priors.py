r"""Priors as programs: a distribution that can be sampled, with log p(z) where it has one.

A prior covers a block of latents. `sample(u, source)` gives one row for each row of u, the auxiliary variables (in
[0, 1]) of training rows drawn at random, which most priors ignore; it draws from a torch.Generator, so that a sample
has an address. `log_prob(z)` is the log density of each row, in nats; a prior without one can be matched (losses.mmd)
but has no KL divergence. All marginals but those of a user's file and of `auxiliary` have mean 0 and variance 1.

The auxiliary latents of a run have the prior N(u_j, v) (arXiv 2507.00298, eq. 3).
Priors to offer: arXiv 2510.11953, whose exact settings are not published; those of auxvae.config.priors are ours.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Gaussian(NamedTuple):
    """Means and variances of a diagonal Gaussian; both broadcast to (B, d_Z)."""

    mean: Float[Tensor, "B d"]
    variance: Float[Tensor, "*B d"]


def conditioned(u: Float[Tensor, "B d"], is_aux: Float[Tensor, " d"], variance: Float[Tensor, "..."]) -> Gaussian:
    """p(z|u) of eq. 3 from u (B, d_Z), the mask of the auxiliary latents (d_Z,), v: N(u_j, v) there, else N(0, 1)."""
    return Gaussian(is_aux * u, torch.where(is_aux > 0, variance, torch.ones_like(is_aux)))


def squared_errors(error: Float[Tensor, "B d"]) -> Float[Tensor, "B d"]:
    """e^2 of measurements, which widens v; 0 of those that are unknown, whose prior is another."""
    return torch.where(error.isfinite(), error, torch.zeros_like(error)).square()


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
        self.scale = float((centres.square().mean() + std**2).sqrt())
        self.centres, self.std = centres / self.scale, std / self.scale

    def sample(self, u: Tensor, source: torch.Generator) -> Tensor:
        shape = (len(u), self.dimensions)
        chosen = torch.randint(len(self.centres), shape, generator=source)
        return self.centres[chosen] + self.std * torch.randn(shape, generator=source)

    def log_prob(self, z: Tensor) -> Tensor:
        # computed where z is: a CUDA graph can hold no copy from the CPU (training.replay)
        centres = torch.linspace(-2, 2, len(self.centres), dtype=z.dtype, device=z.device) / self.scale
        away = (z[..., None] - centres) / self.std
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
        """Standardise the table (N, dimensions), in double: a date leaves single precision no digits for its hours."""
        super().__init__(table.shape[1])
        double = table.double()
        self.table = ((double - double.mean(0)) / double.std(0)).float()

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
    """N(u_j, v) for latent j: the prior of Aux-VAE's auxiliary latents (arXiv 2507.00298, eq. 3), by samples."""

    def __init__(self, dimensions: int, std: float) -> None:
        """One latent for each of the first columns of u, of standard deviation sqrt v."""
        super().__init__(dimensions)
        self.std = std

    def sample(self, u: Tensor, source: torch.Generator) -> Tensor:
        noise = torch.randn(len(u), self.dimensions, generator=source)
        return u[:, : self.dimensions] + self.std * noise
