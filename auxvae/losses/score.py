r"""The score-based autoencoder: an encoder that guides a denoiser, and no decoder (SAMI, arXiv 2512.17127).

    x_t = alpha x + sigma eps,    z ~ q(z|x) = N(mu(x), diag v(x)),    eps_hat = eps_theta - sigma grad log q(z|x_t)
    minimise  w(l) |eps - eps_theta|^2 + w(l) |eps - eps_hat|^2 + weight KL(q(z|x) || p(z))

One encoder sees images with and without noise. Terms: auxvae.losses.denoising. The prior may depend on auxiliary
variables, as in Aux-VAE, so that u guides some latents and the others are free (method `aux_sami`).

Deviations. learning `apart`, the default: the denoiser learns from its own term alone; trained by the guided one too,
it conspires with the encoder, and the guidance that it alone understands is worth little to another denoiser. Levels of
a batch are stratified: one in each of B equal spans of time. Images are decoded by a sampler from the same noise each.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from auxvae.data.loader import Batch
from auxvae.data.randomness import generator
from auxvae.losses.inputs import Denoised
from auxvae.losses.latent_model import Forward, LatentModel
from auxvae.models.guidance import guided_error, noise_ratio
from auxvae.models.model import Codes, Posterior, TrainingData
from auxvae.models.schedules import alpha
from auxvae.models.score_network import ScoreNetwork, build

Images = Float[Tensor, "B C H W"]


class ScoreDraws(NamedTuple):
    """The random numbers of one step, or of an epoch: those of an autoencoder, times in [0, 1], and a seed of eps.

    The noise of images is drawn from the seed in each step: that of an epoch is as large as its images.
    """

    noise: Float[Tensor, "*S B d"]
    prior_samples: Float[Tensor, "*S M d"]
    shuffle: Int[Tensor, "*S R d"]
    pairs: Int[Tensor, "*S 2 P"]
    time: Float[Tensor, "*S B"]
    seed: Int[Tensor, "*S"]


def noise_of(seed: Int[Tensor, ""], images: Images) -> Images:
    """Standard normal noise for a batch, drawn on the CPU from its seed."""
    return torch.randn(images.shape, generator=torch.Generator().manual_seed(int(seed))).to(images.device)


class ScoreModel(LatentModel):
    """A run of the family."""

    network: ScoreNetwork
    varying = ()

    def _network(self, data: TrainingData) -> ScoreNetwork:
        return build(self.run, data.scaling.mean, data.scaling.std)

    def draw(self, seed: int, purpose: str, index: int, steps: int, rows: int) -> ScoreDraws:  # type: ignore[override]
        """The random numbers of `steps` steps with batches of `rows` rows."""
        source = generator(seed, f"{purpose} levels", index)
        within = torch.rand(steps, rows, generator=source)
        time = (torch.rand(steps, rows, generator=source).argsort(1) + within) / rows
        seeds = torch.randint(2**62, (steps,), generator=source)
        return ScoreDraws(*super().draw(seed, purpose, index, steps, rows), time, seeds)

    def _forward(self, batch: Batch, aux: Codes, draws: ScoreDraws, progress: Float[Tensor, ""]) -> Forward:
        """Posterior of the clean images, and the losses of the denoiser at one level each."""
        images = self.network.standard(batch.images)
        mean, variance = self.network.posterior(images)
        posterior = Posterior(mean, variance.log(), mean + variance.sqrt() * draws.noise)
        eps = noise_of(draws.seed, images)
        return Forward(posterior, batch.images, self._denoised(images, posterior.sample, eps, draws.time))

    def _denoised(self, images: Images, z: Codes, eps: Images, time: Float[Tensor, " B"]) -> Denoised:
        """Losses of the denoiser, or of its average where the run is not in training, with and without guidance."""
        network, diffusion = self.network, self.run.settings.diffusion
        level = network.schedule.level(time)
        y = images + noise_ratio(level) * eps
        denoiser = network.denoiser if network.training else network.smoothed
        error = eps - denoiser(alpha(level)[:, None, None, None] * y, level)
        from_denoiser = error if diffusion.learning == "joint" else error.detach()
        latents = z.detach() if diffusion.detached else z
        guided = guided_error(network.inference, latents, y, level, from_denoiser, diffusion.gradient == "second")
        plain = from_denoiser.square().flatten(1).sum(1)
        weight = self.weight(level)
        return Denoised(
            (weight * error.square().flatten(1).sum(1)).mean(),
            (weight * torch.where(level <= diffusion.guided_until, guided, plain)).mean(),
        )

    def weight(self, level: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        """w(l) in nats: 1 / (2 p(l)), or its value for levels that are drawn uniformly."""
        diffusion = self.run.settings.diffusion
        if diffusion.weighting == "bound":
            return 0.5 / self.network.schedule.density(level)
        return torch.full_like(level, (diffusion.high - diffusion.low) / 2)

    def encode(self, batch: Batch) -> tuple[Codes, Codes]:
        """Mean and log variance of q(z|x)."""
        mean, variance = self.network.posterior(self.network.standard(batch.images))
        return mean, variance.log()

    def decode(self, latents: Codes, context: Int[Tensor, " B"] | None = None) -> Images:
        """Images sampled by the guided denoiser from the same noise each, in any context."""
        return self.network.decode(latents)

    def _images_of(self, z: Codes, context: int | None, source: torch.Generator) -> Images:
        """Images of latents, each from noise of its own."""
        return self.network.decode(z, source)

    def after_step(self, batch: Batch, codes: Posterior) -> None:
        """Move the average of the denoiser's weights."""
        super().after_step(batch, codes)
        self.network.follow(self.run.settings.diffusion.average)

    def resting(self) -> list[tuple[list[nn.Parameter], tuple[float, float]]]:
        """Where the denoiser learns first, the encoder until the start, and the denoiser from there."""
        diffusion = self.run.settings.diffusion
        if diffusion.learning != "first":
            return []
        networks = (self.network.inference, self.network.denoiser)
        first, then = (list(network.parameters()) for network in networks)
        return [(first, (0.0, diffusion.start)), (then, (diffusion.start, 1.0))]
