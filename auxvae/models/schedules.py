r"""Levels of noise: the log signal-to-noise ratio l at a time t in [0, 1], and how often each is drawn.

    x_t = alpha x + sigma eps,    alpha^2 = 1 / (1 + exp(-l)),    sigma^2 = 1 / (1 + exp(l)),    eps ~ N(0, I)

    uniform   l(t) = high + t (low - high)
    cosine    l(t) = -2 log tan(pi t / 2)                              Nichol & Dhariwal, arXiv:2102.09672
    linear    l(t) = -log(exp(0.1 t + 9.95 t^2) - 1)                   Ho et al., arXiv:2006.11239, in continuous time

t is uniform over the times at which l lies between low and high, so that the density of levels is p(l) = |dt/dl| over
that span. The bound of the log likelihood is 1/2 the integral of the loss over l (Kingma et al., arXiv:2107.00630), and
so the mean over p(l) of the loss times 1 / (2 p(l)).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

LEAST, SLOPE = 0.1, 9.95  # of the linear schedule: its rate of noise is LEAST + 2 SLOPE t
Levels = Float[Tensor, "..."]


class Curve(NamedTuple):
    """l(t), its inverse, and |dt/dl|, before the levels are limited."""

    level: Callable[[Levels], Levels]
    time: Callable[[Levels], Levels]
    slope: Callable[[Levels], Levels]


def _linear_time(level: Levels) -> Levels:
    """The root of SLOPE t^2 + LEAST t = softplus(-l)."""
    return (torch.sqrt(LEAST**2 + 4 * SLOPE * softplus(-level)) - LEAST) / (2 * SLOPE)


CURVES = {
    "uniform": Curve(lambda t: -t, lambda level: -level, torch.ones_like),
    "cosine": Curve(
        lambda t: -2 * torch.log(torch.tan(math.pi / 2 * t)),
        lambda level: 2 / math.pi * torch.atan(torch.exp(-level / 2)),
        lambda level: 1 / (2 * math.pi * torch.cosh(level / 2)),
    ),
    "linear": Curve(
        lambda t: -torch.log(torch.expm1(LEAST * t + SLOPE * t.square())),
        _linear_time,
        lambda level: torch.sigmoid(-level) / (LEAST + 2 * SLOPE * _linear_time(level)),
    ),
}


class Schedule:
    """Levels between two limits, at times from 0, the cleanest, to 1, the noisiest."""

    def __init__(self, name: str, low: float, high: float) -> None:
        """The times of the limits, in double."""
        self.curve, self.low, self.high = CURVES[name], low, high
        limits = self.curve.time(torch.tensor([high, low], dtype=torch.float64))
        self.first, self.last = limits.tolist()

    def level(self, time: Levels) -> Levels:
        """The log signal-to-noise ratio at a time."""
        between = self.first + (self.last - self.first) * time.double()
        return self.curve.level(between).clamp(self.low, self.high).to(time.dtype)

    def density(self, level: Levels) -> Levels:
        """How often a level is drawn, p(l)."""
        density: Tensor = self.curve.slope(level) / (self.last - self.first)
        return density


def alpha(level: Levels) -> Levels:
    """The factor on the image."""
    return torch.sigmoid(level).sqrt()


def sigma(level: Levels) -> Levels:
    """The standard deviation of the noise."""
    return torch.sigmoid(-level).sqrt()
