r"""What the noise alone is expected to cost an image whose reconstruction is the truth, in nats, by likelihood.

Gaussian noise costs half a nat a pixel, whatever its precision. Poisson noise costs a pixel of mean m

    on Anscombe's scale    1/2 var a(c) = 1/2 (4 (m + 3/8) - A(m)^2)                (auxvae.data.anscombe)
    half the deviance      E (m - c + c log(c / m)) = E c log c - m log m           c ~ Poisson(m)

Both are 1/2 in bright pixels and 0 in dark ones, so that an image costs the less the darker it is. The second is summed
at KNOTS means up to LARGEST, between which it is interpolated in their square root, and beyond it is
1/2 + 1/(12 m) + 1/(12 m^2), by the central moments of the Poisson distribution. Where nothing is known of the noise it
is 0. These are functions beside the likelihoods, because training does not need them: what it needs is part of a run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from auxvae.data.anscombe import expectation
from auxvae.data.likelihoods import Bernoulli, Counts, Gaussian, Likelihood, Log10, Poisson

KNOTS, LARGEST, MOST = 2048, 128.0, 384


def noise_nats(likelihood: Likelihood, reconstruction: Float[Tensor, "B C H W"]) -> Float[Tensor, " B"]:
    """Expected nats of images (B,), precision included, whose noise-free truth is a reconstruction on the scale."""
    pixels = BY_LIKELIHOOD[type(likelihood)](likelihood, reconstruction)
    precision = likelihood.precision
    if precision is not None and precision.ndim == pixels.ndim:
        pixels = pixels * (precision > 0)
    return pixels.flatten(1).sum(1)


def anscombe_nats(mean: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Expected nats of a pixel on Anscombe's scale, by its mean of at least 0."""
    precise = mean.double()
    return 0.5 * (4 * (precise + 0.375) - expectation(precise).square()).clamp(min=0)


def deviance_nats(mean: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Expected half deviance of a pixel, by its mean of at least 0."""
    precise, values = mean.double(), _summed()
    place = precise.clamp(max=LARGEST).sqrt() * ((KNOTS - 1) / LARGEST**0.5)
    left = place.long().clamp(max=KNOTS - 2)
    between = torch.lerp(values[left], values[left + 1], place - left)
    return torch.where(precise < LARGEST, between, 0.5 + 1 / (12 * precise) + 1 / (12 * precise.square()))


def _mean(likelihood: Likelihood, reconstruction: Tensor) -> Tensor:
    """Photons per pixel, the sky among them, that a reconstruction stands for."""
    assert isinstance(likelihood, Poisson)
    return (likelihood.to_counts(reconstruction).double() + likelihood.sky).clamp(min=0)


def _unknown(likelihood: Likelihood, reconstruction: Tensor) -> Tensor:
    return torch.zeros_like(reconstruction)


BY_LIKELIHOOD: dict[type[Likelihood], Callable[[Likelihood, Tensor], Tensor]] = {
    Poisson: lambda likelihood, reconstruction: anscombe_nats(_mean(likelihood, reconstruction)),
    Counts: lambda likelihood, reconstruction: deviance_nats(_mean(likelihood, reconstruction)),
    Gaussian: lambda likelihood, reconstruction: torch.full_like(reconstruction, 0.5),
    Log10: _unknown,
    Bernoulli: _unknown,
}


@cache
def _summed() -> Float[Tensor, " k"]:
    """The half deviance by its definition, at means whose square roots have equal steps."""
    mean = torch.linspace(0, LARGEST**0.5, KNOTS, dtype=torch.float64).square()
    c = torch.arange(MOST, dtype=torch.float64)
    probability = (torch.xlogy(c, mean[:, None]) - mean[:, None] - torch.lgamma(c + 1)).exp()
    return (probability @ torch.xlogy(c, c) - torch.xlogy(mean, mean)).clamp(min=0)
