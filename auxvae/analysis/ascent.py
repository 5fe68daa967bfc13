r"""The maximum of many log densities at once, from several starts each, and the curvature there.

    z <- Adam, STEPS steps, the learning rate on a half cosine from RATE to 0
    z <- z + a L L^T grad,    L L^T = |-d^2 log p / dz^2|^-1,   a = 1, 1/2, 1/4 ... until log p is no less

The first finds the mountain, the second (Newton's method) its top. The matrix of second derivatives is of central
differences of gradients, with steps of half the widths that a first round gives; |.| takes the absolute values of
its eigenvalues, none less than LEAST in units of the steps: at a top they are positive but for rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from auxvae.analysis.hamiltonian import Latents, LogDensity, at, chosen

STEPS, RATE, NEWTON, HALVINGS = 300, 0.03, 8, 6
LEAST = 0.03
AGREE = 1.0  # nats within which two starts have reached the same height


class Maximum(NamedTuple):
    """The best latents (B, D), their log density (B,), and what each start reached: (B, S, D) and (B, S)."""

    z: Tensor
    value: Tensor
    every: Tensor
    values: Tensor

    @property
    def agreeing(self) -> Int[Tensor, " B"]:
        """How many of the starts reached the same height."""
        return (self.values > self.value[:, None] - AGREE).sum(1)


def ascended(log_density: LogDensity, start: Latents) -> Tensor:
    """Where Adam arrives from starts (B, S, D)."""
    z = start.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([z], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        (z.grad,) = torch.autograd.grad(-log_density(z).sum(), z)
        optimiser.step()
        schedule.step()
    return z.detach()


def factors_at(log_density: LogDensity, z: Latents, widths: Float[Tensor, "B D"]) -> Float[Tensor, "B S D D"]:
    """L at latents (B, S, D); widths: of the latents, to begin with."""
    steps = widths[:, None].expand_as(z)
    for _ in range(2):
        factor = _factor(log_density, z, steps)
        steps = 0.5 * factor.square().sum(-1).sqrt()
    return factor


def _factor(log_density: LogDensity, z: Latents, steps: Latents) -> Tensor:
    columns = []
    for j in range(z.shape[-1]):
        move = torch.zeros_like(z)
        move[..., j] = steps[..., j]
        columns.append((at(log_density, z - move).slope - at(log_density, z + move).slope) / 2 * steps)
    curvature = torch.stack(columns, -1).double()  # in units of the steps
    values, vectors = torch.linalg.eigh((curvature + curvature.mT) / 2)
    factor = vectors * values.abs().clamp(min=LEAST)[..., None, :].rsqrt()
    scaled: Tensor = steps[..., None] * factor
    return scaled.to(z.dtype)


def topped(log_density: LogDensity, z: Latents, factor: Float[Tensor, "B S D D"]) -> tuple[Tensor, Tensor]:
    """Newton's steps from latents (B, S, D), none of which goes down; latents and log densities (B, S)."""
    point = at(log_density, z)
    for _ in range(NEWTON):
        move = (factor @ (factor.mT @ point.slope[..., None]))[..., 0]
        for halving in range(HALVINGS):
            tried = at(log_density, point.z + 0.5**halving * move)
            better = tried.value > point.value
            move = torch.where(better[..., None], 0.0, move)
            point = chosen(better, tried, point)
    return point.z, point.value


def maximum(log_density: LogDensity, start: Latents, widths: Float[Tensor, "B D"]) -> Maximum:
    """The maximum from starts (B, S, D)."""
    z = ascended(log_density, start)
    z, values = topped(log_density, z, factors_at(log_density, z, widths))
    best = values.argmax(1)
    return Maximum(z[torch.arange(len(z)), best], values.amax(1), z, values)
