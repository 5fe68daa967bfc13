r"""Anscombe's square root of a Poisson count, its expectation, and the exact inverse of that expectation.

    a(c) = 2 sqrt(c + 3/8)                                      variance about 1 for counts above 4   (Anscombe 1948)
    A(m) = E a(c) = exp(-m) sum_c a(c) m^c / c!,   c ~ Poisson(m)
    A'(m) = E a(c + 1) - E a(c)
    A^-1(y), the exact unbiased inverse                         (Makitalo & Foi, IEEE TIP 20, 99, 2011)

What has least expected squared error on the scale of a is A(m), not a(m): it lies 1 / (4 sqrt m) below, so that the
algebraic inverse of it, y^2/4 - 3/8, loses 1/4 of a photon in every pixel.

A and A' are summed for means of 0 to LARGEST, where A, as a function of s = sqrt(m + 3/8), and A^-1 are cubic Hermite
interpolants at equal steps (to 1e-9). Beyond, A = 2 s - sum_k SERIES_k s^(1 - 2k), k = 1, 2, ..., which follows from
the central moments of the Poisson distribution. Deviation: beyond their table Makitalo and Foi take a closed form that
was fitted to it.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

KNOTS, LARGEST = 2048, 256.0
MOST = 512  # counts in the sums: 16 standard deviations above the largest mean
SERIES = (1 / 4, 1 / 64, 9 / 512, 949 / 16384, 28455 / 131072, 2034341 / 2097152)


class Cubic(NamedTuple):
    """Cubics between knots at equal steps: of the place t in [0, 1] between two of them, lowest power first."""

    first: float
    last: float
    coefficients: Float[Tensor, "k 4"]

    def __call__(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Values at x, or at the nearer end of the range."""
        place = (x.clamp(self.first, self.last) - self.first) * (len(self.coefficients) / (self.last - self.first))
        left = place.long().clamp_(max=len(self.coefficients) - 1)
        t = place.sub_(left)
        # A power at a time: four neighbours for each x are read in twice the time.
        lowest, *powers = self.coefficients.to(x.dtype).T.contiguous()
        value = torch.zeros_like(t)
        for power in reversed(powers):
            value = value.add_(power.take(left)).mul_(t)
        return value.add_(lowest.take(left))


def anscombe(counts: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """a(c) of counts of at least 0."""
    return 2 * (counts + 0.375).sqrt()


def expectation(mean: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """A(m) of means m >= 0, of any shape, on the CPU."""
    s = (mean + 0.375).sqrt()
    return torch.where(mean < LARGEST, _forward()(s), 2 * s - _correction(s))


def unbiased_inverse(scaled: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """A^-1(y), of any shape, on the CPU; 0 below A(0)."""
    table = _inverse()
    mean, beyond = table(scaled), scaled > table.last
    if beyond.any():
        mean[beyond] = _inverse_beyond(scaled[beyond])
    return mean


def _inverse_beyond(y: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """The series solved for s; each step shortens the distance by 8 s^2, which is 2,000 and more."""
    s = y / 2
    for _ in range(5):
        s = (y + _correction(s)) / 2
    return s.square() - 0.375


def _correction(s: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """2 s - A, by Horner's rule in 1 / s^2."""
    inverse_square, total = s**-2, torch.zeros_like(s)
    for coefficient in reversed(SERIES):
        total = total * inverse_square + coefficient
    return total / s


def _sums(mean: Float[Tensor, " k"]) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"]]:
    """A and A' by their definitions, in double precision, for means up to LARGEST."""
    c = torch.arange(MOST, dtype=torch.float64)
    probability = (torch.xlogy(c, mean[:, None]) - mean[:, None] - torch.lgamma(c + 1)).exp()
    value = probability @ anscombe(c)
    return value, probability @ anscombe(c + 1) - value


@cache
def _forward() -> Cubic:
    """A as a function of s."""
    s = torch.linspace(0.375**0.5, (LARGEST + 0.375) ** 0.5, KNOTS, dtype=torch.float64)
    value, slope = _sums((s.square() - 0.375).clamp(min=0))
    return _hermite(s, value, 2 * s * slope)


@cache
def _inverse() -> Cubic:
    """A^-1; means at equal steps of A by Newton's method, which converges for a concave increasing function."""
    ends, _ = _sums(torch.tensor([0.0, LARGEST], dtype=torch.float64))
    y = torch.linspace(float(ends[0]), float(ends[1]), KNOTS, dtype=torch.float64)
    mean = (y.square() / 4 - 0.375).clamp(min=0)  # below the root, so that no step passes it
    for _ in range(8):
        value, slope = _sums(mean)
        mean = (mean + (y - value) / slope).clamp(0, LARGEST)
    return _hermite(y, mean, 1 / _sums(mean)[1])


def _hermite(knots: Tensor, values: Tensor, slopes: Tensor) -> Cubic:
    """The cubics with these values and slopes at equally spaced knots."""
    d = slopes * (knots[1] - knots[0])
    rise = values.diff()
    parts = (values[:-1], d[:-1], 3 * rise - 2 * d[:-1] - d[1:], d[:-1] + d[1:] - 2 * rise)
    return Cubic(float(knots[0]), float(knots[-1]), torch.stack(parts, 1))
