r"""What the reconstruction is compared in: a scale for images, which the network sees, and -log p in nats per image.

    poisson   x = 2 sqrt(max(c + sky, 0) + 3/8)        unit variance (Anscombe 1948)      nats = 1/2 sum (x - y)^2
    counts    x = the same              nats = sum (r - k + k log(k / r)),   k = c + sky,   r = softplus(y)^2 / 4
    gaussian  x = c / sigma                 nats = 1/2 p_i sum (x - y)^2,   p_i = (sigma / sigma_i)^2
    bernoulli x = c, in [0, 1]                         none          nats = -sum (x log y + (1 - x) log(1 - y))
    log10     x = (c - min) / (max - min)              the published loss      "nats" = sum (log10 y' - log10 x')^2

c are photons per pixel, y the reconstruction, x' = x + 1e-10 (arXiv 2507.00298, released code). The constant of the
normal density is left out, so that the floor of the first and the third is half a nat per pixel. That of `counts` is
half the deviance: the log-likelihood of k under Poisson(r), less the largest that it can be (r = k); its link makes y a
square root of photons, like x, on which the Fisher information is about 1 wherever y is large.

sigma_i is the noise of image i and sigma its root mean square over the training rows. The scale has the one and the
likelihood the other: images that are divided each by its own sigma_i lose their flux where that is in proportion to it.
Where pixels have weights (auxvae.data.pixel_weights) they stand for p_i, pixel by pixel.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, softplus

from auxvae.data.anscombe import expectation, unbiased_inverse
from foundation.faults import Fault, Refused, Words

EPSILON = 1e-10
Images = Float[Tensor, "B C H W"]
Precision = Float[Tensor, "B *pixel"]
DARKEST = 1e-3  # least square root of a rate, so that a count has a likelihood wherever the network is


class Likelihood(ABC):
    """A scale for images and the negative log-likelihood on it."""

    #: whether the network's output goes through a sigmoid, because the scale is [0, 1]
    bounded = False
    #: (sigma / sigma_i)^2 of each image, (N,), or weights of its pixels, (N, C, H, W), which its nats are multiplied
    #: by; None where all count the same
    precision: Float[Tensor, "N *pixel"] | None = None

    @abstractmethod
    def to_scale(self, counts: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Photons per pixel, any shape, on the scale of the comparison."""

    @abstractmethod
    def to_counts(self, scaled: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Photons per pixel that a reconstruction on the scale stands for: the inverse of `best`."""

    def best(self, truth: Float[Tensor, "..."]) -> Float[Tensor, "..."] | None:
        """The reconstruction of least expected nats for images of this mean; None if the noise does not tell it."""
        return self.to_scale(truth)

    def nats(self, images: Images, reconstruction: Images, precision: Precision | None = None) -> Float[Tensor, " B"]:
        """-log p(images | reconstruction) per image, (B,), from two (B, C, H, W) on the scale.

        precision: of each image, (B,), or weights of its pixels, (B, C, H, W); 1 where nothing is said.
        """
        pixels = self.of_pixels(images, reconstruction)
        if precision is None:
            return pixels.flatten(1).sum(1)
        return precision * pixels.flatten(1).sum(1) if precision.ndim == 1 else (precision * pixels).flatten(1).sum(1)

    def of_pixels(self, images: Images, reconstruction: Images) -> Images:
        """-log p of each pixel at a precision of 1."""
        return 0.5 * (images - reconstruction).square()


class Poisson(Likelihood):
    """Photon noise over a known sky (photons per pixel), as Gaussian noise on Anscombe's scale."""

    def __init__(self, sky: float) -> None:
        """Keep the sky."""
        self.sky = sky

    def to_scale(self, counts: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Anscombe's square root."""
        return (counts + self.sky).clamp_(min=0).add_(0.375).sqrt_().mul_(2)  # in place: no further memory

    def to_counts(self, scaled: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The exact unbiased inverse, no less than no photon."""
        return unbiased_inverse(scaled) - self.sky

    def best(self, truth: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The expectation of Anscombe's square root."""
        return expectation(truth.clamp(min=0) + self.sky)


class Counts(Poisson):
    """Photon noise over a known sky by the Poisson distribution itself; images on Anscombe's scale."""

    def to_counts(self, scaled: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The rate less the sky."""
        return _rate(scaled) - self.sky

    def best(self, truth: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The reconstruction whose rate is the mean."""
        root = (2 * (truth.clamp(min=0) + self.sky).sqrt() - DARKEST).clamp(min=1e-4)
        return root + (-(-root).expm1()).log()

    def of_pixels(self, images: Images, reconstruction: Images) -> Images:
        """Half the deviance, k (e - log(1 + e)) with e = r / k - 1, which keeps its digits where r is near k."""
        counts, rate = (images / 2).square() - 0.375, _rate(reconstruction)
        lit = counts > 1e-4  # rounding leaves less of no photon
        ratio = rate / torch.where(lit, counts, 1.0)
        log = torch.where(ratio < 0.5, ratio.log(), (ratio - 1).clamp(min=-0.5).log1p())
        return torch.where(lit, counts * (ratio - 1 - log), rate)


def _rate(scaled: Tensor) -> Tensor:
    """Photons per pixel, the sky among them."""
    return ((softplus(scaled) + DARKEST) / 2).square()


class Gaussian(Likelihood):
    """Gaussian noise of one standard deviation, and where images or pixels differ in it the precision of each."""

    def __init__(self, sigma: float, precision: Precision | None = None) -> None:
        """Keep the standard deviation (photons per pixel)."""
        self.sigma, self.precision = sigma, precision

    def to_scale(self, counts: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """In units of the noise."""
        return counts / self.sigma

    def to_counts(self, scaled: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Back to photons."""
        return scaled * self.sigma


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

    def best(self, truth: Float[Tensor, "..."]) -> None:
        """The expectation of a logarithm depends on the noise, which this loss does not know."""
        return None

    def of_pixels(self, images: Images, reconstruction: Images) -> Images:
        """Squared difference of log10."""
        logs = [torch.log10(x.clamp(min=0) + EPSILON) for x in (reconstruction, images)]
        return (logs[0] - logs[1]).square()


class Bernoulli(Likelihood):
    """Images in [0, 1] as the probabilities of black and white pixels."""

    bounded = True

    def to_scale(self, counts: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """As they are."""
        return counts

    def to_counts(self, scaled: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """As they are."""
        return scaled

    def of_pixels(self, images: Images, reconstruction: Images) -> Images:
        """Cross entropy; 0 for a black or white pixel reproduced exactly."""
        return binary_cross_entropy(reconstruction, images, reduction="none")


def likelihood(
    name: str,
    sigma: float | None,
    noise: Mapping[str, Any],
    noise_std: Tensor | None,
    extremes: tuple[float, float],
    training_std: Tensor | None = None,
) -> Likelihood:
    """The likelihood a run asks for: by name, from the store's noise, or from the extremes of the training images.

    noise_std (N,), training_std (M,): standard deviations of the noise of these rows, and of the training rows, which
    by default are these.
    """
    sky = float(noise.get("sky") or 0.0) if noise.get("kind") == "poisson" else 0.0
    if name == "log10":
        return Log10(*extremes)
    if name == "bernoulli":
        return _bernoulli(extremes)
    if name == "counts":
        _refuse_negative(name, sky, extremes)
        return Counts(sky)
    if name == "poisson":
        _refuse_negative(name, 0.0, extremes)
        return Poisson(0.0)
    if name == "gaussian" and sigma is not None:
        return Gaussian(sigma)
    if noise.get("kind") == "poisson":
        _refuse_negative(name, sky, extremes)
        return Poisson(sky)
    if noise_std is not None:
        return _gaussian(noise_std.float(), (noise_std if training_std is None else training_std).float())
    value = Words(f"{noise.get('kind', 'no')} noise")
    raise Refused(Fault("likelihood: noise", value, "the noise must be known", "write gaussian with a sigma"))


def _gaussian(noise_std: Float[Tensor, " N"], training_std: Float[Tensor, " M"]) -> Gaussian:
    """Noise of each image, in units of its root mean square over the training rows."""
    largest = training_std.max()
    sigma = float(largest * (training_std / largest).square().mean().sqrt())  # of equal numbers exactly the same
    alike = bool((noise_std == sigma).all())
    return Gaussian(sigma, None if alike else (sigma / noise_std).square())


def _refuse_negative(name: str, sky: float, extremes: tuple[float, float]) -> None:
    """Refuse images that are no counts; noise-free drawings by Fourier transform ring a little below 0."""
    if extremes[0] + sky < -min(0.5, 1e-3 * max(extremes[1] + sky, 0.0)):
        value = Words(f"pixels down to {extremes[0]:g} over a sky of {sky:g}")
        text = "there are no fewer photons than none"
        raise Refused(Fault(f"likelihood: {name}", value, text, "write noise or gaussian"))


def _bernoulli(extremes: tuple[float, float]) -> Bernoulli:
    """Refuse images that are no probabilities."""
    if extremes[0] < 0 or extremes[1] > 1:
        value = Words(f"pixels from {extremes[0]:g} to {extremes[1]:g}")
        raise Refused(Fault("likelihood: bernoulli", value, "images must lie in [0, 1]", "write noise or gaussian"))
    return Bernoulli()
