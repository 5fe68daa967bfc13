"""Encoder and decoder: four convolutions down, four up (methods of arXiv 2507.00298, released galaxy network).

    encoder  C -> 32 -> 64 -> 128 -> 256 channels, kernel 4, stride 2, padding 1; linear heads mu and log sigma^2
    decoder  z (d_Z x 1 x 1) -> m -> 2m -> 4m -> S pixels, 128, 64, 32, C channels

with m = max(2, round(S / 16)) and a last layer of stride floor(S / 4m) and the kernel that ends at S pixels exactly:
1, 2, 4, 8, 33 as published for S = 33, and 1, 4, 8, 16, 64 for S = 64. Deviations: smooth activations by default, a
linear output on standardised images where the likelihood's scale has no bounds (ReLU and sigmoid stall at the mean
image on faint galaxies), and log sigma^2 held in [-20, 10].
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from auxvae.randomness import generator
from auxvae.spec import Run

ACTIVATIONS = {"silu": nn.SiLU, "gelu": nn.GELU, "relu": nn.ReLU}
CHANNELS = (32, 64, 128, 256)


class Posterior(NamedTuple):
    """q(z|x) of a batch and a sample of it, each of shape (B, d_Z)."""

    mean: Float[Tensor, "B d"]
    log_variance: Float[Tensor, "B d"]
    sample: Float[Tensor, "B d"]


class Conv4(nn.Module):
    """The 4-layer network for square stamps of 28 to 128 pixels and any number of channels."""

    def __init__(self, channels: int, stamp: int, latents: int, activation: str, mean: float, std: float) -> None:
        """`mean` and `std` standardise the images; a std of 0 stands for images in [0, 1] and a sigmoid output."""
        super().__init__()
        act = ACTIVATIONS[activation]
        widths = (channels, *CHANNELS)
        down = [layer for a, b in zip(widths, CHANNELS, strict=False) for layer in (nn.Conv2d(a, b, 4, 2, 1), act())]
        left = stamp
        for _ in CHANNELS:
            left //= 2
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(256 * left * left, 2 * latents))
        self.decoder = nn.Sequential(*_up(channels, stamp, latents, act))
        self.mean, self.std = mean, std

    def encode(self, images: Float[Tensor, "B C S S"]) -> tuple[Float[Tensor, "B d"], Float[Tensor, "B d"]]:
        """Mean and log variance of q(z|x), each (B, d_Z), from images (B, C, S, S) on the likelihood's scale."""
        seen = (images - self.mean) / self.std if self.std else images
        mean, log_variance = self.encoder(seen).chunk(2, dim=1)
        return mean, log_variance.clamp(-20, 10)

    def decode(self, latents: Float[Tensor, "B d"]) -> Float[Tensor, "B C S S"]:
        """Images (B, C, S, S) on the likelihood's scale from latents (B, d_Z)."""
        made = self.decoder(latents[:, :, None, None])
        return made * self.std + self.mean if self.std else torch.sigmoid(made)

    def forward(
        self, images: Float[Tensor, "B C S S"], noise: Float[Tensor, "B d"]
    ) -> tuple[Posterior, Float[Tensor, "B C S S"]]:
        """Posterior and reconstruction of a sample z = mu + sigma * noise."""
        mean, log_variance = self.encode(images)
        sample = mean + noise * (0.5 * log_variance).exp()
        return Posterior(mean, log_variance, sample), self.decode(sample)


def _up(channels: int, stamp: int, latents: int, act: type[nn.Module]) -> list[nn.Module]:
    first = max(2, round(stamp / 16))
    stride = stamp // (4 * first)
    kernel = stamp - (4 * first - 1) * stride
    return [
        nn.ConvTranspose2d(latents, 128, first),
        act(),
        nn.ConvTranspose2d(128, 64, 4, 2, 1),
        act(),
        nn.ConvTranspose2d(64, 32, 4, 2, 1),
        act(),
        nn.ConvTranspose2d(32, channels, kernel, stride),
    ]


def build(run: Run, mean: float, std: float, bounded: bool) -> Conv4:
    """The network of a run, its weights from the run's seed alone: uniform within +-1/sqrt(fan-in), as torch's own."""
    with torch.device("meta"):
        shape = (run.dataset.channels, run.dataset.stamp, run.network.latents)
        network = Conv4(*shape, run.activation, mean, 0.0 if bounded else std)
    network = network.to_empty(device="cpu")
    source = generator(run.seed, "weights")
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            _initialise(layer, source)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _initialise(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, source: torch.Generator) -> None:
    fan_in = layer.weight[0].numel()
    bound = 1 / math.sqrt(fan_in)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-bound, bound, generator=source)
