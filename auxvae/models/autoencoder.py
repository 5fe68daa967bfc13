"""Encoder and decoder of one run: images to a posterior of the latents, latents to images.

    q(z|x) = N(mu, diag sigma^2), mu and log sigma^2 linear in the backbone's features; or z = mu(x), a deterministic
    autoencoder. A method whose encoder sees the factors (config.methods) appends u to the features and adds a layer of
    256 units. So does a run that is given inputs c beside the image (config.inputs): q(z|x, c), and the decoder reads
    (z, c). Where the auxiliary variables are copied (cvae), the auxiliary latents are u itself. A context module
    (models.context_module) stands before the decoder where the method has one.

Deviations: a linear output on standardised images where the likelihood's scale has no bounds (a sigmoid stalls at the
mean image on faint galaxies), and log sigma^2 clamped to [-20, 10], or to [-8, 2] where no KL divergence bounds it.
"""

from __future__ import annotations

import pkgutil

import torch
from jaxtyping import Float
from torch import Tensor, nn

from auxvae.config.networks import BACKBONES, COMPANIONS
from auxvae.config.run import Run
from auxvae.config.terms import TERMS
from auxvae.data.components import Components
from auxvae.data.randomness import generator
from auxvae.models.backbones import ACTIVATIONS, Backbone, Shape, uniform_weights
from auxvae.models.context_module import ContextModule, Sizes, Source
from auxvae.models.model import POINT, Posterior

WITH_FACTORS = 256  # units of the layer that joins features and factors, or inputs


class Autoencoder(nn.Module):
    """The networks of a run: encoder, decoder, and the companion network where its method has one."""

    def __init__(self, run: Run, mean: float, std: float, components: Components | None, inputs: int = 0) -> None:
        """`mean` and `std` standardise the images; a std of 0 stands for images in [0, 1] and a sigmoid output.

        inputs: numbers that are given beside every image.
        """
        super().__init__()
        size, self.inputs = run.network, inputs
        shape = Shape(run.dataset.channels, run.dataset.stamp, size.latents + inputs, size.width, components)
        act, method = ACTIVATIONS[run.settings.activation], run.composition
        backbone: Backbone = pkgutil.resolve_name(BACKBONES[size.name].maker)(shape, act)
        self.encoder = backbone.encoder
        self.deterministic, self.detached_decoder = run.encoder == "deterministic", method.decoder_apart
        self.encoder_sees_aux = method.encoder_sees_aux
        self.copied = len(run.variables) if method.conditional == "copied" else 0
        outputs = size.latents * (1 if self.deterministic else 2)
        beside = inputs + (size.latents if self.encoder_sees_aux else 0)
        self.head = _head(backbone.features, beside, outputs, act)
        self.decoder = backbone.decoder
        self.companion, self.module = _companion(run), _module(run)
        bounded = any(name == "kl_free" or TERMS[name].needs_density for name in run.terms)
        self.range = (POINT, 10.0) if bounded else (-8.0, 2.0)
        self.mean, self.std = mean, std

    def encode(
        self, images: Float[Tensor, "B C S S"], u: Float[Tensor, "B d"], c: Float[Tensor, "B p"] | None = None
    ) -> tuple[Float[Tensor, "B d"], Float[Tensor, "B d"]]:
        """Mean and log variance of q(z|x), each (B, d_Z), from images on the likelihood's scale and padded factors.

        c: the inputs, where the run has any.
        """
        features = self.encoder((images - self.mean) / self.std if self.std else images)
        outputs = self.head(self._with_inputs(torch.cat([features, u], 1) if self.encoder_sees_aux else features, c))
        if self.deterministic:
            return outputs, torch.full_like(outputs, POINT)
        mean, log_variance = outputs.chunk(2, dim=1)
        if self.copied:
            residual = torch.arange(mean.shape[1], device=mean.device) >= self.copied
            mean, log_variance = torch.where(residual, mean, u), log_variance.masked_fill(~residual, 0.0)
        return mean, log_variance.clamp(*self.range)

    def _with_inputs(self, numbers: Float[Tensor, "B n"], c: Float[Tensor, "B p"] | None) -> Float[Tensor, "B m"]:
        """The numbers with the inputs beside them."""
        if not self.inputs:
            return numbers
        if c is None:
            raise LookupError("this network is given inputs beside every image")
        return torch.cat([numbers, c], 1)

    def decode(
        self,
        latents: Float[Tensor, "B d"],
        sets: Float[Tensor, "B m"] | None = None,
        by: Source = "running",
        c: Float[Tensor, "B p"] | None = None,
    ) -> Float[Tensor, "B C S S"]:
        """Images (B, C, S, S) on the likelihood's scale from latents (B, d_Z), the sets of a context module, inputs."""
        if self.module is not None and sets is not None:
            latents = self.module(latents, sets, by)
        outputs = self.decoder(self._with_inputs(latents, c))
        return outputs * self.std + self.mean if self.std else torch.sigmoid(outputs)

    def posterior(
        self,
        images: Float[Tensor, "B C S S"],
        u: Float[Tensor, "B d"],
        noise: Float[Tensor, "B d"],
        c: Float[Tensor, "B p"] | None = None,
    ) -> Posterior:
        """Posterior and a sample z = mu + sigma * noise of it, or the point z = mu."""
        mean, log_variance = self.encode(images, u, c)
        sample = mean if self.deterministic else mean + noise * (0.5 * log_variance).exp()
        if self.copied:
            sample = torch.cat([u[:, : self.copied], sample[:, self.copied :]], 1)
        return Posterior(mean, log_variance, sample)

    def forward(
        self,
        images: Float[Tensor, "B C S S"],
        u: Float[Tensor, "B d"],
        noise: Float[Tensor, "B d"],
        c: Float[Tensor, "B p"] | None = None,
    ) -> tuple[Posterior, Float[Tensor, "B C S S"]]:
        """Posterior and reconstruction of its sample, without a context module."""
        posterior = self.posterior(images, u, noise, c)
        return posterior, self.decode(posterior.sample.detach() if self.detached_decoder else posterior.sample, c=c)


def _head(features: int, beside: int, outputs: int, act: type[nn.Module]) -> nn.Module:
    """Linear in the features; with a layer between where numbers stand beside them, whose products with them count."""
    if not beside:
        return nn.Linear(features, outputs)
    return nn.Sequential(nn.Linear(features + beside, WITH_FACTORS), act(), nn.Linear(WITH_FACTORS, outputs))


def _companion(run: Run) -> nn.Module | None:
    if not run.composition.companion:
        return None
    network = pkgutil.resolve_name(COMPANIONS[run.composition.companion])
    built: nn.Module = network(run.network.latents, len(run.variables), run.network.second)
    return built


def _module(run: Run) -> ContextModule | None:
    if not run.concepts:
        return None
    concepts, latents, module = len(run.concepts), run.network.latents, run.settings.module
    sizes = Sizes(concepts, latents // concepts, module.units, module.depth, latents)
    trained = {each: run.sets[run.dataset.contexts.index(each)] for each in run.contexts}
    sets = torch.tensor(sorted({*trained.values()}), dtype=torch.float32)
    return ContextModule(sizes, sets, module)


def build(
    run: Run, mean: float, std: float, bounded: bool, components: Components | None = None, inputs: int = 0
) -> Autoencoder:
    """The networks of a run, with weights that depend on the run's seed alone."""
    if components is not None:
        mean, std = 0.0, 1.0  # the network centres and scales each component
    with torch.random.fork_rng(devices=()):  # torch's own initial weights are replaced here
        network = Autoencoder(run, mean, 0.0 if bounded else std, components, inputs)
    source = generator(run.seed, "weights")
    uniform_weights(network, source)
    if network.module is not None:
        network.module.reset(source)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
