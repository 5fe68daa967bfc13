"""The autoencoder family: posteriors by an encoder, images by a decoder, and a context module between them."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from auxvae.config.run import Run
from auxvae.data.loader import Batch
from auxvae.losses.inputs import Draws
from auxvae.losses.latent_model import Forward, LatentModel
from auxvae.models.autoencoder import Autoencoder, build
from auxvae.models.context_module import pooled
from auxvae.models.model import POINT, Codes, Posterior, TrainingData


class AutoencoderModel(LatentModel):
    """A run of the autoencoder family: its networks, and the sets of its contexts."""

    network: Autoencoder

    def __init__(self, run: Run, data: TrainingData, device: torch.device) -> None:
        """Build the network and everything around it."""
        super().__init__(run, data, device)
        self.sets = torch.tensor(run.sets, dtype=torch.float32, device=device)

    def _network(self, data: TrainingData) -> Autoencoder:
        scaling = data.scaling
        inputs = len(scaling.inputs.names) if scaling.inputs else 0
        return build(self.run, scaling.mean, scaling.std, data.likelihood.bounded, scaling.components, inputs)

    @property
    def companion(self) -> nn.Module | None:
        """The network trained beside the model, if its method has one."""
        return self.network.companion

    def _forward(self, batch: Batch, aux: Codes, draws: Draws, progress: Float[Tensor, ""]) -> Forward:
        """Posterior and reconstruction; a context module normalises by the batch, and after training by all."""
        network = self.network
        if network.module is None:
            return Forward(*network(batch.images, aux, draws.noise, batch.inputs))
        posterior, sets = network.posterior(batch.images, aux, draws.noise), self.sets[batch.context]
        if network.training:  # a batch holds one context, or the module knows none
            latents = network.module(posterior.sample, sets[:1], network.module.in_training)
        else:
            latents = network.module(posterior.sample, sets)
        if self.run.settings.module.start:
            latents = torch.where(progress < self.run.settings.module.start, posterior.sample, latents)
        return Forward(posterior, network.decode(latents))

    def encode(self, batch: Batch) -> tuple[Codes, Codes]:
        """Mean and log variance of q(z|x); latents that are copies of the auxiliary variables are points."""
        mean, log_variance = self.network.encode(batch.images, self._padded(batch.aux), batch.inputs)
        copied = self.is_aux * (self.run.composition.conditional == "copied")
        return mean, torch.where(copied > 0, POINT, log_variance)

    def decode(
        self, latents: Codes, context: Int[Tensor, " B"] | None = None, inputs: Float[Tensor, "B p"] | None = None
    ) -> Float[Tensor, "B C H W"]:
        """Images on the likelihood's scale, in contexts by number or the observational one, each with its inputs."""
        images: Tensor = self.network.decode(latents, self._sets(len(latents), context), c=inputs)
        return images

    def _images_of(
        self, z: Codes, inputs: Float[Tensor, "B p"], context: int | None, source: torch.Generator
    ) -> Float[Tensor, "B C H W"]:
        """Decoded images, in a context if the model knows any."""
        images: Tensor = self.network.decode(z, self._sets(len(z), context), "prior", inputs)
        return images

    def concepts(self, latents: Codes, context: Int[Tensor, " B"]) -> Float[Tensor, "B c"]:
        """What the context module makes of latents in contexts by number."""
        if self.network.module is None:
            return super().concepts(latents, context)
        concepts: Tensor = self.network.module.concepts(latents, self.sets[context])
        return concepts

    def effects(self) -> Float[Tensor, "m m"]:
        """The norms of the blocks of A_obs."""
        module = self.network.module
        if module is None:
            return super().effects()
        return pooled(module.effects_observed, module.sizes.concepts)

    def _sets(self, count: int, context: Int[Tensor, " B"] | int | None) -> Float[Tensor, "B m"] | None:
        """The sets of contexts by number, for so many rows; None without a context module."""
        if self.network.module is None:
            return None
        if context is None:
            return self.sets.new_zeros(count, self.sets.shape[1])
        return self.sets[context].expand(count, -1)

    def after_step(self, batch: Batch, codes: Posterior) -> None:
        """Push the codes of the batch into the queues; clamp the effects of a context module, and follow its codes."""
        super().after_step(batch, codes)
        if self.network.module is not None:
            self.network.module.clamp()
            self.network.module.follow(codes.sample, self.sets[batch.context[:1]])

    def resting(self) -> list[tuple[list[nn.Parameter], tuple[float, float]]]:
        """The context module until its start, and from there encoder and decoder until their release."""
        module, start, release = self.network.module, self.run.settings.module.start, self.run.settings.module.release
        if module is None or not (start or release):
            return []
        parts = (self.network.encoder, self.network.head, self.network.decoder)
        others = [parameter for part in parts for parameter in part.parameters()]
        return [(list(module.parameters()), (0.0, start)), (others, (start, release))]

    def companion_parameters(self) -> list[nn.Parameter]:
        """The companion network's parameters."""
        return [] if self.network.companion is None else list(self.network.companion.parameters())
