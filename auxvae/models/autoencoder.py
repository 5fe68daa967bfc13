"""Encoder and decoder of one run: images to a posterior of the latents, latents to images.

    q(z|x) = N(mu, diag sigma^2), mu and log sigma^2 linear in the features (models.backbones), or z = mu(x), that of a
    deterministic autoencoder. A method whose encoder sees the factors (config.methods) appends u to the features,
    before a layer of 256 units. Where the told latents are given, they are u itself.

Deviations: a linear output on standardised images where the likelihood's scale has no bounds (a sigmoid stalls at the
mean image on faint galaxies), and log sigma^2 held in [-20, 10], or in [-8, 2] where no KL divergence bounds it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from auxvae.config.methods import DIVERGENCES
from auxvae.config.run import Run
from auxvae.data.randomness import generator
from auxvae.models.backbones import ACTIVATIONS, BACKBONES, Shape, uniform_weights
from auxvae.models.critics import SECOND

WITH_FACTORS = 256  # units of the layer that joins features and factors
FLOOR = -20.0  # log variance of a deterministic code


class Posterior(NamedTuple):
    """q(z|x) of a batch and a sample of it, each of shape (B, d_Z)."""

    mean: Float[Tensor, "B d"]
    log_variance: Float[Tensor, "B d"]
    sample: Float[Tensor, "B d"]


class Autoencoder(nn.Module):
    """The network of a run, and the second one where its method has one."""

    def __init__(self, run: Run, mean: float, std: float) -> None:
        """`mean` and `std` standardise the images; a std of 0 stands for images in [0, 1] and a sigmoid output."""
        super().__init__()
        shape = Shape(run.dataset.channels, run.dataset.stamp, run.network.latents, run.network.width)
        act, method = ACTIVATIONS[run.settings.activation], run.composition
        self.encoder, decoder, features = BACKBONES[run.network.name](shape, act)
        self.point, self.apart = run.encoder == "deterministic", method.decoder_apart
        self.sees, self.given = method.encoder_sees_aux, len(run.aux) if method.conditional == "copied" else 0
        outputs = shape.latents * (1 if self.point else 2)
        joined = [nn.Linear(features + shape.latents, WITH_FACTORS), act(), nn.Linear(WITH_FACTORS, outputs)]
        self.head = nn.Sequential(*joined) if self.sees else nn.Linear(features, outputs)
        self.decoder = decoder
        self.second = (
            SECOND[method.companion](shape.latents, len(run.aux), run.network.second) if method.companion else None
        )
        self.range = (FLOOR, 10.0) if (DIVERGENCES | {"kl_free"}) & {*run.terms} else (-8.0, 2.0)
        self.mean, self.std = mean, std

    def encode(
        self, images: Float[Tensor, "B C S S"], u: Float[Tensor, "B d"]
    ) -> tuple[Float[Tensor, "B d"], Float[Tensor, "B d"]]:
        """Mean and log variance of q(z|x), each (B, d_Z), from images on the likelihood's scale and padded factors."""
        seen = self.encoder((images - self.mean) / self.std if self.std else images)
        made = self.head(torch.cat([seen, u], 1) if self.sees else seen)
        if self.point:
            return made, torch.full_like(made, FLOOR)
        mean, log_variance = made.chunk(2, dim=1)
        if self.given:
            free = torch.arange(mean.shape[1], device=mean.device) >= self.given
            mean, log_variance = torch.where(free, mean, u), torch.where(free, log_variance, 0.0)
        return mean, log_variance.clamp(*self.range)

    def decode(self, latents: Float[Tensor, "B d"]) -> Float[Tensor, "B C S S"]:
        """Images (B, C, S, S) on the likelihood's scale from latents (B, d_Z)."""
        made = self.decoder(latents)
        return made * self.std + self.mean if self.std else torch.sigmoid(made)

    def forward(
        self, images: Float[Tensor, "B C S S"], u: Float[Tensor, "B d"], noise: Float[Tensor, "B d"]
    ) -> tuple[Posterior, Float[Tensor, "B C S S"]]:
        """Posterior and reconstruction of a sample z = mu + sigma * noise, or of the point z = mu."""
        mean, log_variance = self.encode(images, u)
        sample = mean if self.point else mean + noise * (0.5 * log_variance).exp()
        if self.given:
            sample = torch.cat([u[:, : self.given], sample[:, self.given :]], 1)
        return Posterior(mean, log_variance, sample), self.decode(sample.detach() if self.apart else sample)


def build(run: Run, mean: float, std: float, bounded: bool) -> Autoencoder:
    """The network of a run, its weights from the run's seed alone."""
    with torch.device("meta"):
        network = Autoencoder(run, mean, 0.0 if bounded else std)
    network = network.to_empty(device="cpu")
    uniform_weights(network, generator(run.seed, "weights"))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
