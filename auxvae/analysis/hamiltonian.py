r"""Hamiltonian Monte Carlo for many posteriors at once, each with its own scale: B images, C chains each, D latents.

    z = L w,    H(w, p) = -log p(z|x) + |p|^2 / 2,    p ~ N(0, 1)              L L^T: about the covariance of z
    p += e/2 L^T grad;   z += e L p;   p += e/2 L^T grad                       LEAPS times, grad of log p at z
    accepted with probability min(1, exp(H - H'))

(Duane et al., Phys. Lett. B 195, 216, 1987; Neal, Handbook of MCMC, chapter 5, 2011). Where the posterior is the
Gaussian of covariance L L^T all directions are alike, and a trajectory of a quarter of a turn, pi/2, ends independently
of where it began: the step e of an image is at most MOST, and in each trajectory a random share of 0.7 to 1 of it, so
that trajectories turn by 1.4 to 2 there. In the warm-up, which is thrown away, log e follows the acceptance of
the image's chains towards TARGET in steps of t^-0.6 (Robbins & Monro 1951), and L L^T becomes three times the
covariance of the later half of the draws until then.

An image has random numbers of its own, and nothing of it depends on the images beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

LEAPS, TARGET, MOST = 4, 0.8, 0.5
RENEWED = (0.2, 0.4, 0.7)  # of the warm-up, when L L^T becomes the covariance of the later half of the draws
PRIOR_DRAWS = 10  # so many draws of the first L L^T are part of the second
Latents = Float[Tensor, "B C D"]
LogDensity = Callable[[Latents], Float[Tensor, "B C"]]


class Point(NamedTuple):
    """Latents (B, C, D), their log density (B, C) and its gradient (B, C, D)."""

    z: Tensor
    value: Tensor
    slope: Tensor


class Numbers(NamedTuple):
    """Random numbers of T trajectories: momenta (B, T, C, D), of acceptance (B, T, C) and of the step (B, T)."""

    momentum: Tensor
    accept: Tensor
    share: Tensor

    @classmethod
    def of(cls, sources: list[torch.Generator], trajectories: int, chains: int, latents: int) -> Numbers:
        """One generator for each image."""
        shapes = ((trajectories, chains, latents), (trajectories, chains), (trajectories,))
        several = [
            (torch.randn(shapes[0], generator=each), *(torch.rand(shape, generator=each) for shape in shapes[1:]))
            for each in sources
        ]
        return cls(*(torch.stack(each) for each in zip(*several, strict=True)))


class Chains(NamedTuple):
    """Draws (B, C, N, D) and the share of the trajectories that were accepted, (B,)."""

    draws: Tensor
    acceptance: Tensor


def at(log_density: LogDensity, z: Latents) -> Point:
    """The log density and its gradient at latents."""
    z = z.detach().requires_grad_()
    value = log_density(z)
    (slope,) = torch.autograd.grad(value.sum(), z)
    return Point(z.detach(), value.detach(), slope)


def chosen(first: Tensor, a: Point, b: Point) -> Point:
    """The points of a where first (B, C) is true, else those of b."""
    return Point(*(torch.where(first.view(*first.shape, *[1] * (x.ndim - 2)), x, y) for x, y in zip(a, b, strict=True)))


def trajectory(
    log_density: LogDensity, start: Point, factor: Tensor, step: Tensor, momentum: Latents
) -> tuple[Point, Latents]:
    """The end of a trajectory and its momentum; factor: L (B, D, D), step: e (B, 1, 1)."""
    point, p = start, momentum
    for _ in range(LEAPS):
        p = p + 0.5 * step * point.slope @ factor
        point = at(log_density, point.z + step * p @ factor.mT)
        p = p + 0.5 * step * point.slope @ factor
    return point, p


def moved(
    log_density: LogDensity, point: Point, factor: Tensor, step: Tensor, numbers: Numbers, t: int
) -> tuple[Point, Tensor]:
    """The next state of every chain, and the probability with which its trajectory is accepted, (B, C)."""
    momentum = numbers.momentum[:, t]
    jittered = (step * (0.7 + 0.3 * numbers.share[:, t]))[:, None, None]
    end, p = trajectory(log_density, point, factor, jittered, momentum)
    gain = end.value - point.value - 0.5 * (p.square() - momentum.square()).sum(-1)
    probability = gain.nan_to_num(nan=-math.inf).clamp(max=0).exp()
    return chosen(numbers.accept[:, t] < probability, end, point), probability


def covariance_factor(draws: Float[Tensor, "B n D"], factor: Float[Tensor, "B D D"]) -> Float[Tensor, "B D D"]:
    """L from draws, with PRIOR_DRAWS of the L before, so that few draws give a matrix that can be inverted."""
    away = (draws - draws.mean(1, keepdim=True)).double()
    before, n = factor.double(), draws.shape[1]
    both = (away.mT @ away + PRIOR_DRAWS * before @ before.mT) / (n + PRIOR_DRAWS)
    lower: Tensor = torch.linalg.cholesky(both)
    return lower.to(factor.dtype)


def sampled(
    log_density: LogDensity, start: Latents, factor: Float[Tensor, "B D D"], warm_up: int, numbers: Numbers
) -> Chains:
    """Chains from these starts; of all trajectories the first `warm_up` adapt, and their draws are thrown away."""
    point, step = at(log_density, start), torch.full(start.shape[:1], MOST, dtype=start.dtype)
    draws, accepted, renewed = [], [], [round(share * warm_up) for share in RENEWED]
    for t in range(numbers.accept.shape[1]):
        point, probability = moved(log_density, point, factor, step, numbers, t)
        draws.append(point.z)
        if t < warm_up:
            step = (step.log() + (probability.mean(1) - TARGET) * (t + 1) ** -0.6).exp().clamp(max=MOST)
        else:
            accepted.append(probability.mean(1))
        if t in renewed:
            factor = covariance_factor(torch.stack(draws[t // 2 :], 2).flatten(1, 2), factor)
    return Chains(torch.stack(draws[warm_up:], 2), torch.stack(accepted, 1).mean(1))
