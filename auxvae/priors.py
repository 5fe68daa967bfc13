"""The prior p(z|u): a diagonal Gaussian whose told latents are centred on their factors (arXiv 2507.00298, eq. 3).

p(z|u) = prod_{j told} N(z_j; u_j, v) * prod_{j not told} N(z_j; 0, 1)
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Gaussian(NamedTuple):
    """Means and variances of a diagonal Gaussian; both broadcast to (B, d_Z)."""

    mean: Float[Tensor, "B d"]
    variance: Float[Tensor, " d"]


def auxiliary(u: Float[Tensor, "B d"], told: Float[Tensor, " d"], variance: Float[Tensor, ""]) -> Gaussian:
    """The prior of a batch from u (B, d_Z), zero where not told, told (d_Z,) of 0 and 1, and v, a scalar."""
    return Gaussian(told * u, torch.where(told > 0, variance, torch.ones_like(told)))


def normal(u: Float[Tensor, "B d"], told: Float[Tensor, " d"], variance: Float[Tensor, ""]) -> Gaussian:
    """N(0, 1) for every latent."""
    return Gaussian(torch.zeros_like(u), torch.ones_like(told))


PRIORS = {"auxiliary": auxiliary, "normal": normal}
