r"""The score-based autoencoder: an encoder that guides a denoiser, and no decoder (SAMI, arXiv 2512.17127).

    x_t = alpha x + sigma eps,    z ~ q(z|x) = N(mu(x), diag v(x)),    eps_hat = eps_theta - sigma grad log q(z|x_t)
    minimise  w(l) |eps - eps_theta|^2 + w(l) |eps - eps_hat|^2 + weight KL(q(z|x) || p(z))

One encoder sees images with and without noise. Terms: auxvae.losses.denoising. The prior may depend on auxiliary
variables, as in Aux-VAE, so that u guides some latents and the others are free (method `aux_sami`).

Errors of a denoiser that is trained no further, for it was before or first, are kept on request (auxvae.losses.bank).

Deviations. learning `apart`, the default: the denoiser learns from its own term alone; trained by the guided one too,
it conspires with the encoder, and the guidance that it alone understands is worth little to another denoiser. Levels of
a batch are stratified, one in each of B equal spans of time, but for those of the bank. Images are decoded by a sampler
from the same noise each.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from auxvae.config.run import Run
from auxvae.data.loader import Batch
from auxvae.data.randomness import generator
from auxvae.losses.bank import Bank, Noisy
from auxvae.losses.inputs import Denoised
from auxvae.losses.latent_model import Forward, LatentModel
from auxvae.models.guidance import guided_error, noise_ratio, unguided_error
from auxvae.models.model import Codes, Posterior, TrainingData
from auxvae.models.score_network import ScoreNetwork, build

TRAINING = "latents"  # the purpose of the draws of training steps (auxvae.training.loop)
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
    epoch: Int[Tensor, "*S"]  # -1 outside the training


def noise_of(seed: Int[Tensor, ""], images: Images) -> Images:
    """Standard normal noise for a batch, drawn on the CPU from its seed."""
    return torch.randn(images.shape, generator=torch.Generator().manual_seed(int(seed))).to(images.device)


class ScoreModel(LatentModel):
    """A run of the family."""

    network: ScoreNetwork
    varying = ()
    in_phases = True

    def __init__(self, run: Run, data: TrainingData, device: torch.device) -> None:
        """As of every family, and an empty bank."""
        super().__init__(run, data, device)
        source, versions = run.dataset, run.settings.diffusion.versions
        shape = (source.channels, source.stamp, source.stamp)
        self.bank = Bank(versions, source.train, shape, run.seed) if versions else None
        self.rests = False

    def _network(self, data: TrainingData) -> ScoreNetwork:
        return build(self.run, data.scaling.mean, data.scaling.std)

    def draw(self, seed: int, purpose: str, index: int, steps: int, rows: int) -> ScoreDraws:  # type: ignore[override]
        """The random numbers of `steps` steps with batches of `rows` rows."""
        source = generator(seed, f"{purpose} levels", index)
        within = torch.rand(steps, rows, generator=source)
        time = (torch.rand(steps, rows, generator=source).argsort(1) + within) / rows
        seeds = torch.randint(2**62, (steps,), generator=source)
        epoch = torch.full((steps,), index if purpose == TRAINING else -1)
        return ScoreDraws(*super().draw(seed, purpose, index, steps, rows), time, seeds, epoch)

    def _forward(self, batch: Batch, aux: Codes, draws: ScoreDraws, progress: Float[Tensor, ""]) -> Forward:
        """Posterior of the clean images, and the losses of the denoiser at one level each."""
        images = self.network.standard(batch.images)
        mean, variance = self.network.posterior(images)
        posterior = Posterior(mean, variance.log(), mean + variance.sqrt() * draws.noise)
        self.rests = self._rests(progress)
        noisy = self._noisy(images, batch.rows, draws)
        return Forward(posterior, batch.images, self._denoised(images, posterior.sample, noisy))

    def _rests(self, progress: Float[Tensor, ""]) -> bool:
        """Whether the denoiser is trained no further."""
        diffusion = self.run.settings.diffusion
        return bool(diffusion.denoiser) or (diffusion.learning == "first" and float(progress) >= diffusion.start)

    def _noisy(self, images: Images, rows: Int[Tensor, " B"], draws: ScoreDraws) -> Noisy:
        """Noise for a batch and the denoiser's error: of the bank, where the denoiser rests and there is one."""
        if self.bank is not None and self.rests and self.network.training and draws.epoch >= 0:
            return self.bank.read(int(draws.epoch), rows, partial(self._error_alone, images))
        eps = noise_of(draws.seed, images)
        return Noisy(draws.time, eps, self._error(images, eps, draws.time))

    def _error_alone(
        self, images: Images, eps: Float[Tensor, "1 C H W"], time: Float[Tensor, " 1"], position: int
    ) -> Float[Tensor, "1 C H W"]:
        """The error on one image of a batch."""
        one = images[position : position + 1]
        return self._error(one, eps.to(one.device), time.to(one.device))

    def _error(self, images: Images, eps: Images, time: Float[Tensor, " B"]) -> Images:
        """The error eps - eps_theta, by the average of the denoiser where that is not being trained."""
        network, level = self.network, self.network.schedule.level(time)
        trained = network.training and not self.rests
        with torch.set_grad_enabled(trained and torch.is_grad_enabled()):
            return unguided_error(network.denoiser if trained else network.smoothed, images, eps, level)

    def _denoised(self, images: Images, z: Codes, noisy: Noisy) -> Denoised:
        """Losses of the denoiser with and without guidance."""
        diffusion, level, error = self.run.settings.diffusion, self.network.schedule.level(noisy.time), noisy.error
        weight, from_denoiser = self.weight(level), error if diffusion.learning == "joint" else error.detach()
        plain = from_denoiser.square().flatten(1).sum(1)
        unguided = (weight * error.square().flatten(1).sum(1)).mean()
        if diffusion.learning == "first" and not self.rests:  # the encoder is not trained yet
            return Denoised(unguided, (weight * plain).mean())
        y, latents = images + noise_ratio(level) * noisy.eps, z.detach() if diffusion.detached else z
        guided = guided_error(self.network.inference, latents, y, level, from_denoiser, diffusion.gradient == "second")
        return Denoised(unguided, (weight * torch.where(level <= diffusion.guided_until, guided, plain)).mean())

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

    def decode(self, latents: Codes, context: Int[Tensor, " B"] | None = None, inputs: Tensor | None = None) -> Images:
        """Images sampled by the guided denoiser from the same noise each, in any context."""
        return self.network.decode(latents)

    def _images_of(self, z: Codes, inputs: Tensor, context: int | None, source: torch.Generator) -> Images:
        """Images of latents, each from noise of its own."""
        return self.network.decode(z, source)

    def after_step(self, batch: Batch, codes: Posterior) -> None:
        """Move the average of the denoiser's weights, unless it rests."""
        super().after_step(batch, codes)
        if not self.rests:
            self.network.follow(self.run.settings.diffusion.average)

    def resting(self) -> list[tuple[list[nn.Parameter], tuple[float, float]]]:
        """Where the denoiser learns first, the encoder until the start, and the denoiser from there."""
        diffusion = self.run.settings.diffusion
        if diffusion.learning != "first":
            return []
        networks = (self.network.inference, self.network.denoiser)
        first, then = (list(network.parameters()) for network in networks)
        return [(first, (0.0, diffusion.start)), (then, (diffusion.start, 1.0))]
