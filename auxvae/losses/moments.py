"""Standardised powers of columns, and the moments that standardise them, of a batch or of all training rows."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

EPSILON = 1e-8  # added to variances, so that a constant column gives 0


class Moments(NamedTuple):
    """What standardises powers of columns, (K, D) each: x_1 = (x - mean_1) / std_1, x_p = (x_1^p - mean_p) / std_p."""

    mean: Float[Tensor, "K D"]
    std: Float[Tensor, "K D"]


def moments(columns: Float[Tensor, "B D"], degree: int) -> Moments:
    """The moments of these rows; a constant column has 0 for all its powers."""
    mean, std = [columns.mean(0)], [_spread(columns)]
    once = (columns - mean[0]) / std[0]
    for power in range(2, degree + 1):
        raised = once**power
        mean.append(raised.mean(0))
        std.append(_spread(raised))
    return Moments(torch.stack(mean), torch.stack(std))


def _spread(columns: Float[Tensor, "B D"]) -> Float[Tensor, " D"]:
    return (columns.var(0, correction=0) + EPSILON).sqrt()


def raised(columns: Float[Tensor, "B D"], by: Moments, degree: int) -> Float[Tensor, "K B D"]:
    """Standardised powers 1 .. K of columns, (K, B, D)."""
    once = (columns - by.mean[0]) / by.std[0]
    powers = [once, *((once**p - by.mean[p - 1]) / by.std[p - 1] for p in range(2, degree + 1))]
    return torch.stack(powers)
