"""Extremes, mean image, mean and standard deviation of images that are visited block by block, summed in double.

    m = 1/N sum_i x_i,    s^2 = 1/(N P - 1) (sum_ip (x_ip - c)^2 - N P (mean - c)^2)

N images x_i of P pixels; c, the mean of the first block, keeps the difference of two sums from losing digits.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


class Moments:
    """Moments of all images that were added."""

    def __init__(self) -> None:
        """Of no image yet."""
        self.count, self.low, self.high = 0, math.inf, -math.inf
        self.total: Tensor = torch.zeros(())
        self.squares, self.origin = 0.0, 0.0

    def add(self, images: Float[Tensor, "n C H W"]) -> None:
        """One block of images more."""
        values = images.double()
        if not self.count:
            self.total, self.origin = torch.zeros_like(values[0]), float(values.mean())
        self.count += len(values)
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        self.total += values.sum(0)
        self.squares += float((values - self.origin).square().sum())

    @property
    def extremes(self) -> tuple[float, float]:
        """Smallest and largest pixel."""
        return self.low, self.high

    @property
    def mean_image(self) -> Float[Tensor, "C H W"]:
        """Mean of every pixel over the images."""
        return (self.total / self.count).float()

    @property
    def mean(self) -> float:
        """Mean of all pixels."""
        return float(self.total.mean()) / self.count

    @property
    def std(self) -> float:
        """Standard deviation of all pixels, unbiased."""
        pixels = self.count * self.total.numel()
        return math.sqrt((self.squares - pixels * (self.mean - self.origin) ** 2) / (pixels - 1))
