r"""What the reconstruction is compared in: images so scaled that their noise is known, and -log p in nats per image.

    poisson   x = 2 sqrt(max(c + sky, 0) + 3/8)        unit variance (Anscombe 1948)      nats = 1/2 sum (x - y)^2
    gaussian  x = c / sigma                            unit variance                      nats = 1/2 sum (x - y)^2
    bernoulli x = c, in [0, 1]                         none          nats = -sum (x log y + (1 - x) log(1 - y))
    log10     x = (c - min) / (max - min)              the published loss      "nats" = sum (log10 y' - log10 x')^2

c are photons per pixel, y the reconstruction, x' = x + 1e-10 (arXiv 2507.00298, released code). The constant of the
normal density is left out, so that the floor of the first two is half a nat per pixel.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from foundation.faults import Fault, Refused, Words

EPSILON = 1e-10


class Likelihood(ABC):
    """A scale for images and the negative log-likelihood on it."""

    #: whether the network's output goes through a sigmoid, because the scale is [0, 1]
    bounded = False

    @abstractmethod
    def to_scale(self, counts: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Photons per pixel, any shape, on the scale of the comparison."""

    @abstractmethod
    def to_counts(self, scaled: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The inverse of `to_scale`."""

    def of(self, rows: slice | NDArray[np.intp]) -> Likelihood:
        """The likelihood of some of the rows: the same, unless each image has a scale of its own."""
        return self

    def nats(self, images: Float[Tensor, "B C H W"], reconstruction: Float[Tensor, "B C H W"]) -> Float[Tensor, " B"]:
        """-log p(images | reconstruction) per image, shape (B,), from two of shape (B, C, H, W) on the scale."""
        return 0.5 * (images - reconstruction).square().flatten(1).sum(1)


class Poisson(Likelihood):
    """Photon noise over a known sky (photons per pixel)."""

    def __init__(self, sky: float) -> None:
        """Keep the sky."""
        self.sky = sky

    def to_scale(self, counts: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Anscombe's square root."""
        return (counts + self.sky).clamp_(min=0).add_(0.375).sqrt_().mul_(2)  # in place: no further memory

    def to_counts(self, scaled: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The algebraic inverse, no less than no photon."""
        return ((scaled.clamp(min=0) / 2).square() - 0.375).clamp(min=0) - self.sky


class Gaussian(Likelihood):
    """Gaussian noise of one standard deviation, or of one per image, shape (N, 1, 1, 1)."""

    def __init__(self, sigma: float | Tensor) -> None:
        """Keep the standard deviation (photons per pixel)."""
        self.sigma = sigma

    def to_scale(self, counts: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """In units of the noise."""
        return counts / self.sigma

    def to_counts(self, scaled: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Back to photons."""
        return scaled * self.sigma

    def of(self, rows: slice | NDArray[np.intp]) -> Gaussian:
        """With the standard deviations of these rows."""
        return Gaussian(self.sigma[rows]) if isinstance(self.sigma, Tensor) else self


class Log10(Likelihood):
    """The published log-scale squared error between images in [0, 1]; pixels without a photon count most."""

    bounded = True

    def __init__(self, low: float, high: float) -> None:
        """Keep the extremes of the training images (photons per pixel)."""
        self.low, self.high = low, high

    def to_scale(self, counts: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Global min-max."""
        return (counts - self.low) / (self.high - self.low)

    def to_counts(self, scaled: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Back to photons."""
        return scaled * (self.high - self.low) + self.low

    def nats(self, images: Float[Tensor, "B C H W"], reconstruction: Float[Tensor, "B C H W"]) -> Float[Tensor, " B"]:
        """Squared difference of log10, summed over the pixels of each image."""
        logs = [torch.log10(x.clamp(min=0) + EPSILON) for x in (reconstruction, images)]
        return (logs[0] - logs[1]).square().flatten(1).sum(1)


class Bernoulli(Likelihood):
    """Images in [0, 1] as the probabilities of black and white pixels."""

    bounded = True

    def to_scale(self, counts: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """As they are."""
        return counts

    def to_counts(self, scaled: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """As they are."""
        return scaled

    def nats(self, images: Float[Tensor, "B C H W"], reconstruction: Float[Tensor, "B C H W"]) -> Float[Tensor, " B"]:
        """Cross entropy, summed over the pixels of each image; 0 for a black and white image reproduced exactly."""
        return binary_cross_entropy(reconstruction, images, reduction="none").flatten(1).sum(1)


def likelihood(
    name: str, sigma: float | None, noise: Mapping[str, Any], noise_std: Tensor | None, extremes: tuple[float, float]
) -> Likelihood:
    """The likelihood a run asks for: by name, from the store's noise, or from the extremes of the training images."""
    if name == "log10":
        return Log10(*extremes)
    if name == "bernoulli":
        return _bernoulli(extremes)
    if name == "poisson":
        return Poisson(0.0)
    if name == "gaussian" and sigma is not None:
        return Gaussian(sigma)
    if noise.get("kind") == "poisson":
        return Poisson(float(noise.get("sky") or 0.0))
    if noise_std is not None:
        return Gaussian(noise_std.float().view(-1, 1, 1, 1))
    value = Words(f"{noise.get('kind', 'no')} noise")
    raise Refused(Fault("likelihood: noise", value, "the noise must be known", "write gaussian with a sigma"))


def _bernoulli(extremes: tuple[float, float]) -> Bernoulli:
    """Refuse images that are no probabilities."""
    if extremes[0] < 0 or extremes[1] > 1:
        value = Words(f"pixels from {extremes[0]:g} to {extremes[1]:g}")
        raise Refused(Fault("likelihood: bernoulli", value, "images must lie in [0, 1]", "write noise or gaussian"))
    return Bernoulli()
