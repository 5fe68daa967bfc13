r"""The negative evidence lower bound of a score-based autoencoder, in the nats of auxvae.analysis.bound.

    bound = KL(q(z|x) || p(z))                                      latents
          + KL(q(x_t|x) || N(0, I))                at the noisiest level
          + 1/2 int E|eps - eps_hat|^2 dl          guided up to `guided_until`
          + E[-log N(x; x_hat(x_t), v I)]          at the cleanest level, x_hat its denoised image

after Kingma et al., arXiv:2107.00630, eq. 11 to 18, with a Gaussian in place of discrete pixels. Its variance v is the
mean squared error of the other half of the rows, in proportion to the noise of each image where these differ: no row
helps to describe itself. x is on the scale of the likelihood, and the constant of the normal density with the noise of
the image is left out, as there: a bound of an autoencoder with the likelihood `gaussian`, `poisson` or `noise` is the
same quantity; where the prior depends on auxiliary variables, of -log p(x|u). Images without noise have no least bound:
of these it says how fine the cleanest level is, and that of an autoencoder is not comparable.

LEVELS levels for each of at most IMAGES rows, one in each of equal spans, whatever the schedule of the training: the
interval is over images.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from auxvae.analysis.model import TrainedModel
from auxvae.data.likelihoods import Counts, Gaussian, Poisson
from auxvae.data.randomness import generator
from auxvae.losses.score import ScoreModel
from auxvae.metrics.score import Score, evenly, mean_score
from auxvae.models.guidance import Codes, Images, guided, guided_error, noise_ratio, unguided_error
from auxvae.models.schedules import alpha, sigma
from auxvae.models.score_network import ScoreNetwork

LEVELS = 16
IMAGES = 1024
AT_ONCE = 256
Values = Float[Tensor, " B"]


def score_bound(model: TrainedModel) -> Score | None:
    """The mean over the rows of a model; None where its likelihood has no normal density or its prior no density."""
    likelihood = model.likelihood
    if not isinstance(likelihood, Gaussian | Poisson) or isinstance(likelihood, Counts):
        return None
    divergence = model.divergence(*model.encode())
    if divergence is None or len(divergence) < 2 or not isinstance(model.model, ScoreModel):
        return None
    rows = evenly(len(divergence), IMAGES)
    images = likelihood.to_scale(model.rows.images[torch.from_numpy(rows)])
    noisy, squared = _of_images(model.model.network, images, model.run.seed)
    if likelihood.precision is not None:
        squared = squared * likelihood.precision.double().numpy()[rows]
    pixels, variance = images[0].numel(), _of_other_half(squared) / images[0].numel()
    cleanest = 0.5 * (pixels * np.log(variance) + squared / variance)
    return mean_score(divergence[rows] + noisy + cleanest)


def _of_other_half(squared: Float[ndarray, " N"]) -> Float[ndarray, " N"]:
    """For each row the mean over the rows of the other half, every second one."""
    means = [squared[1 - k :: 2].mean() for k in (0, 1)]
    return np.resize(np.array(means), len(squared))


@torch.no_grad()
def _of_images(network: ScoreNetwork, images: Images, seed: int) -> tuple[Float[ndarray, " N"], Float[ndarray, " N"]]:
    """Nats of all noisy levels, and squared errors of the denoised image at the cleanest on the likelihood's scale."""
    source = generator(seed, "bound")
    nats, squared = [], []
    for part in images.split(AT_ONCE):
        x = network.standard(part).to(network.noise.device)
        mean, variance = network.posterior(x)
        z = mean + variance.sqrt() * _drawn(mean, source)
        first = torch.rand(len(x), generator=source).to(x.device)
        within = itertools.cycle([first, 1 - first])  # opposite ends of neighbours: a slope cancels
        low, span = network.schedule.low, network.schedule.high - network.schedule.low
        levels = (low + span * (next(within) + k) / LEVELS for k in range(LEVELS))
        between = torch.stack([_between(network, x, z, _drawn(x, source), level) for level in levels])
        nats.append(_noisiest(network, x) + 0.5 * span * between.mean(0))
        squared.append((_denoised(network, x, z, _drawn(x, source)) - x).square().flatten(1).sum(1) * network.std**2)
    both = (torch.cat(each).double().cpu().numpy() for each in (nats, squared))
    return next(both), next(both)


def _drawn(like: Tensor, source: torch.Generator) -> Tensor:
    """Standard normal noise of a shape."""
    return torch.randn(like.shape, generator=source).to(like.device)


def _noisiest(network: ScoreNetwork, x: Images) -> Values:
    """KL of the noisiest images from pure noise."""
    level = torch.tensor(network.schedule.low, dtype=torch.float64)
    variance = float(sigma(level) ** 2)
    divergence: Values = 0.5 * ((1 - variance) * x.square() + variance - 1 - math.log(variance)).flatten(1).sum(1)
    return divergence


def _between(network: ScoreNetwork, x: Images, z: Codes, eps: Images, level: Values) -> Values:
    """The squared error at one level of each image."""
    error = unguided_error(network.smoothed, x, eps, level)
    squared = guided_error(network.inference, z, x + noise_ratio(level) * eps, level, error, exact=True)
    plain = error.square().flatten(1).sum(1)
    return torch.where(level <= network.diffusion.guided_until, squared, plain)


def _denoised(network: ScoreNetwork, x: Images, z: Codes, eps: Images) -> Images:
    """The denoised image of the cleanest level."""
    level = x.new_full((len(x),), network.schedule.high)
    a, s = (of(level)[:, None, None, None] for of in (alpha, sigma))
    noisy = a * x + s * eps
    denoise = guided(network.smoothed, network.inference, z, network.diffusion.guided_until, 1)
    clean: Images = (noisy - s * denoise(noisy, level)) / a
    return clean
