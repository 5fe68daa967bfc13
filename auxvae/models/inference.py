r"""The inference network of a score-based autoencoder: q(z|y) of an image with any noise, whose level it is not told.

    y = x + s eps,    s = sigma / alpha                       a noisy image in units of the clean one
    n^2 = mean over pixels of (y_ij - y_i+1,j - y_i,j+1 + y_i+1,j+1)^2 / 4
    h = pooled y / sqrt(1 + n^2)
    q(z|y) = N(mu, diag v),    mu = W h + f(h, n),    v = softplus(...) + LEAST

It measures its noise by mixed second differences n, which a smooth image does not have. The mean is a linear map of the
image at first: f starts at 0, and the variance at 1, that of the prior. h are means of 2 x 2 pixels; f an MLP of three
layers, after whose first the features are scaled and shifted by log n^2.

Deviations from arXiv 2512.17127, whose network is half a U-Net without biases: an MLP, in y where the paper's sees x_t.
In x_t a level below -3 cannot be told from another. Odd sides are padded by their last pixels.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad, silu, softplus

LEAST = 1e-4  # variance of a latent
ONE = math.log(math.expm1(1 - LEAST))  # softplus of it is 1 - LEAST
FEWEST = 1e-6  # of n^2, whose logarithm is taken
Images = Float[Tensor, "B C H W"]
Codes = Float[Tensor, "B d"]


class Inference(nn.Module):
    """f_phi: images with any noise to a posterior of their latents."""

    def __init__(self, channels: int, stamp: int, latents: int, width: int, sees_level: bool) -> None:
        """8 w, 4 w and 4 w units for images (channels, stamp, stamp)."""
        super().__init__()
        pixels, units = channels * (-(-stamp // 2)) ** 2, (8 * width, 4 * width)
        self.sees_level = sees_level
        self.linear = nn.Linear(pixels, latents)
        self.first = nn.Linear(pixels, units[0])
        self.by_noise = nn.Sequential(nn.Linear(1, 32), nn.SiLU(), nn.Linear(32, 2 * units[0]))
        self.rest = nn.Sequential(nn.Linear(*units), nn.SiLU(), nn.Linear(units[1], units[1]), nn.SiLU())
        self.last = nn.Linear(units[1], 2 * latents)

    def forward(self, images: Images, level: Float[Tensor, " B"] | None = None) -> tuple[Codes, Codes]:
        """Mean and variance of each image's latents; `level`, its log signal-to-noise ratio, if it sees that."""
        squared = noise(images) if level is None or not self.sees_level else torch.exp(-level)
        even = pad(images, (0, images.shape[3] % 2, 0, images.shape[2] % 2), mode="replicate")
        h = avg_pool2d(even, 2).flatten(1) / (1 + squared[:, None]).sqrt()
        scale, shift = self.by_noise((squared + FEWEST).log()[:, None] / 5).chunk(2, 1)
        nonlinear, variance = self.last(self.rest(silu(self.first(h) * (1 + scale) + shift))).chunk(2, 1)
        return self.linear(h) + nonlinear, softplus(variance + ONE) + LEAST


def noise(images: Images) -> Float[Tensor, " B"]:
    """n^2, the variance of the noise in each image."""
    mixed = images.diff(dim=2).diff(dim=3)
    return mixed.square().flatten(1).mean(1) / 4


def reset(network: Inference) -> None:
    """A linear mean and a variance of 1 for every image."""
    nn.init.zeros_(network.last.weight)
    nn.init.zeros_(network.last.bias)
    nn.init.zeros_(network.by_noise[2].weight)  # type: ignore[arg-type]
    nn.init.zeros_(network.by_noise[2].bias)  # type: ignore[arg-type]
