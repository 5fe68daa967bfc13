"""The networks of a score-based autoencoder: denoiser, its moving average, and the inference network that guides it.

Images are standardised by the mean and the standard deviation of the training pixels, whatever the likelihood.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from auxvae.config.run import Run
from auxvae.data.randomness import generator, normal
from auxvae.models import denoiser, inference
from auxvae.models.backbones import uniform_weights
from auxvae.models.denoiser import Denoiser
from auxvae.models.guidance import guided, sample
from auxvae.models.inference import Inference
from auxvae.models.loaded_denoiser import read_denoiser
from auxvae.models.schedules import Schedule
from foundation.faults import Fault, Refused, Words

CLEAN = 20.0  # level of an image without noise
LARGEST = 1e3  # pixel of an image, in standard deviations
AT_ONCE = 256  # images that are sampled together
Images = Float[Tensor, "B C H W"]
Codes = Float[Tensor, "B d"]


class ScoreNetwork(nn.Module):
    """Denoiser, average and inference network of a run; `noise` is what every image is decoded from."""

    noise: Tensor
    followed: Tensor  # steps of the average

    def __init__(self, run: Run, mean: float, std: float) -> None:
        """`mean` and `std` standardise the images."""
        super().__init__()
        size, source, diffusion = run.network, run.dataset, run.settings.diffusion
        self.denoiser: nn.Module = Denoiser(source.channels, size.width)
        self.average: nn.Module | None = None
        if diffusion.denoiser:
            self.denoiser, facts = read_denoiser(diffusion.denoiser, diffusion.sha256)
            mean, std = facts.mean, facts.std
        else:
            self.average = copy.deepcopy(self.denoiser).requires_grad_(False)
        self.inference = Inference(source.channels, source.stamp, size.latents, size.width, diffusion.sees_level)
        self.register_buffer("followed", torch.zeros((), dtype=torch.long))
        self.register_buffer("noise", torch.zeros(1, source.channels, source.stamp, source.stamp))
        self.diffusion, self.seed, self.mean, self.std = diffusion, run.seed, mean, std
        self.schedule = Schedule(diffusion.schedule, diffusion.low, diffusion.high)

    def standard(self, images: Images) -> Images:
        """Images of the likelihood's scale with a mean of 0 and a variance of 1."""
        return (images - self.mean) / self.std

    def posterior(self, standard: Images) -> tuple[Codes, Codes]:
        """Mean and variance of q(z|x) of images without noise."""
        mean, variance = self.inference(standard, standard.new_full((len(standard),), CLEAN))
        return mean, variance

    @property
    def smoothed(self) -> nn.Module:
        """The denoiser by which images are sampled and scored: the average, or one that was trained before."""
        return self.average or self.denoiser

    @torch.no_grad()
    def follow(self, decay: float) -> None:
        """Move the average towards the denoiser."""
        if self.average is None:
            return
        self.followed += 1
        early = (1 + self.followed) / (10 + self.followed)  # at first it forgets the weights that nothing trained
        step = 1 - early.clamp(max=decay)
        for mine, theirs in zip(self.average.parameters(), self.denoiser.parameters(), strict=True):
            mine.lerp_(theirs, step)

    @torch.no_grad()
    def decode(self, z: Codes, source: torch.Generator | None = None) -> Images:
        """Images of latents, on the likelihood's scale: from the same noise each, or from noise of a source."""
        parts = [self._sampled(part, source) for part in z.split(AT_ONCE)]
        return torch.cat(parts) * self.std + self.mean

    def _sampled(self, z: Codes, source: torch.Generator | None) -> Images:
        diffusion, shape = self.diffusion, (len(z), *self.noise.shape[1:])
        noise = self.noise.expand(shape) if source is None else torch.randn(shape, generator=source).to(z.device)
        denoise = guided(self.smoothed, self.inference, z, diffusion.guided_until, diffusion.scale)
        images = sample(denoise, noise, self.schedule, diffusion.steps, self._fresh(len(z), source))
        return images.nan_to_num(LARGEST).clamp(-LARGEST, LARGEST)

    def refuse_divergence(self, images: Images) -> None:
        """Refuse images on the likelihood's scale most of which have a pixel at the limit of what is decoded."""
        largest = self.standard(images).abs().flatten(1).amax(1)
        if len(images) and float(largest.median()) > 0.99 * LARGEST:
            text = f"guidance of scale {self.diffusion.scale:g} in {self.diffusion.steps} steps diverges"
            remedy = "lower it, or raise diffusion.steps; the run is trained again, since both are part of what it is"
            raise Refused(Fault("diffusion.scale", Words("most images without bounds"), text, remedy))

    def _fresh(self, count: int, source: torch.Generator | None) -> Iterator[Images] | None:
        """Noise for every step of the ancestral sampler, of a source for each image, else the same; none for DDIM."""
        if self.diffusion.sampler == "ddim":
            return None
        shape = (1 if source is None else count, *self.noise.shape[1:])
        addresses = (generator(self.seed, "ancestral", k) if source is None else source for k in itertools.count())
        return (torch.randn(shape, generator=each).to(self.noise.device) for each in addresses)


def build(run: Run, mean: float, std: float) -> ScoreNetwork:
    """The networks of a run, with weights that depend on the run's seed alone."""
    with torch.random.fork_rng(devices=()):  # torch's own initial weights are replaced here
        network = ScoreNetwork(run, mean, std)
    source = generator(run.seed, "weights")
    if isinstance(network.denoiser, Denoiser) and network.average is not None:
        uniform_weights(network.denoiser, source)
        denoiser.reset(network.denoiser)
        network.average.load_state_dict(network.denoiser.state_dict())
    uniform_weights(network.inference, source)
    inference.reset(network.inference)
    network.noise.copy_(normal(run.seed, "decoded from", 0, tuple(network.noise.shape)))
    return network
