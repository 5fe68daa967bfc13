r"""Guidance of a denoiser by the score of an inference network, in training and in sampling (arXiv 2512.17127).

    x_t = alpha x + sigma eps = alpha y,    y = x + s eps,    s = sigma / alpha,    z ~ q(z|x)
    eps_hat = eps_theta(x_t, l) - sigma grad_{x_t} log q(z|x_t) = eps_theta(x_t, l) - s grad_y log q(z|y)

by Bayes: the score -eps / sigma of images that have the latents z is that of all images plus the gradient. The loss is
|eps - eps_hat|^2, whose gradient with respect to the encoder's weights holds a second derivative of log q:

    second   through the gradient itself (double backward)
    first    grad_phi |r|^2 with r = eps - eps_theta + s grad_y log q  is the gradient of  v . grad_y log q(z|y)  for
             v = 2 s r held fixed, a directional derivative: by a central difference of log q over two images
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from auxvae.models.schedules import Schedule, alpha, sigma

STEP = 0.3  # of the central difference, in units of the image's noise and its own spread
Images = Float[Tensor, "B C H W"]
Codes = Float[Tensor, "B d"]
Level = Float[Tensor, " B"]
Infer = Callable[[Images, Level], tuple[Codes, Codes]]  # images y and their levels to mean and variance
Denoise = Callable[[Images, Level], Images]  # images x_t and their levels to the noise in them


def noise_ratio(level: Level) -> Float[Tensor, "B 1 1 1"]:
    """The noise s of an image in units of the clean one."""
    return torch.exp(-level / 2)[:, None, None, None]


def unguided_error(denoise: Denoise, images: Images, eps: Images, level: Level) -> Images:
    """The error eps - eps_theta of a denoiser on images with this noise."""
    return eps - denoise(alpha(level)[:, None, None, None] * (images + noise_ratio(level) * eps), level)


def log_density(infer: Infer, z: Codes, y: Images, level: Level) -> Float[Tensor, " B"]:
    """The log density q(z|y) of each image's latents."""
    mean, variance = infer(y, level)
    return -0.5 * ((z - mean).square() / variance + variance.log() + math.log(2 * math.pi)).sum(1)


def gradient(infer: Infer, z: Codes, y: Images, level: Level, keep: bool = False) -> Images:
    """grad_y log q(z|y); `keep` for one that can be differentiated again."""
    with torch.enable_grad():
        noisy = y.detach().requires_grad_()
        density = log_density(infer, z if keep else z.detach(), noisy, level).sum()
        (result,) = torch.autograd.grad(density, noisy, create_graph=keep)
    return result


def latent_gradient(infer: Infer, z: Codes, y: Images, level: Level) -> Float[Tensor, "d B C H W"]:
    """grad_y log q(z_j|y) of each latent j alone."""
    with torch.enable_grad():
        noisy = y.detach().requires_grad_()
        mean, variance = infer(noisy, level)
        density = -0.5 * ((z.detach() - mean).square() / variance + variance.log()).sum(0)
        return torch.stack([torch.autograd.grad(each, noisy, retain_graph=True)[0] for each in density])


def guided_error(infer: Infer, z: Codes, y: Images, level: Level, unguided: Images, exact: bool) -> Float[Tensor, " B"]:
    """|eps - eps_hat|^2 of each image, from unguided = eps - eps_theta; `exact` by double backward.

    By the first-order form its value and its gradient are those of the square, but no further derivative.
    """
    ratio = noise_ratio(level)
    residual = unguided + ratio * gradient(infer, z, y, level, exact)
    squared = residual.square().flatten(1).sum(1)
    if exact:
        return squared
    along = 2 * ratio * residual.detach()
    return squared + _without_value(_slope(infer, z, y, level, along))


def _without_value(of: Tensor) -> Tensor:
    """0 with the gradient of a tensor."""
    return of - of.detach()


def _slope(infer: Infer, z: Codes, y: Images, level: Level, along: Images) -> Float[Tensor, " B"]:
    """The derivative of log q(z|y) along a direction, each image's own, by a central difference."""
    length = along.flatten(1).norm(dim=1).clamp(min=1e-30)
    step = STEP * (1 + torch.exp(-level)).sqrt()
    move = along * (step / length)[:, None, None, None]
    both = log_density(infer, torch.cat([z, z]), torch.cat([y + move, y - move]), torch.cat([level, level]))
    up, down = both.chunk(2)
    slope: Tensor = (up - down) * length / (2 * step)
    return slope


def guided(denoise: Denoise, infer: Infer, z: Codes, until: float, scale: float) -> Denoise:
    """The denoiser that images with latents z have, by guidance of so many times its size at levels up to `until`."""

    def denoise_guided(noisy: Images, level: Level) -> Images:
        y, strength = noisy / alpha(level)[:, None, None, None], scale * (level <= until)[:, None, None, None]
        return denoise(noisy, level) - strength * noise_ratio(level) * gradient(infer, z, y, level)

    return denoise_guided


def sample(
    denoise: Denoise, noise: Images, schedule: Schedule, steps: int, fresh: Iterator[Images] | None = None
) -> Images:
    """Clean images from noise at the noisiest level, in so many steps at equal times.

    Each step goes to the next level along the predicted noise (DDIM, arXiv:2010.02502, eq. 12 with eta 0); with `fresh`
    noise for every step it is ancestral (eta 1).
    """
    levels = schedule.level(torch.linspace(1, 0, steps + 1, device=noise.device, dtype=noise.dtype))
    x = noise
    for now, then in itertools.pairwise(levels):
        predicted = denoise(x, now.expand(len(x)))
        clean = (x - sigma(now) * predicted) / alpha(now)
        x = alpha(then) * clean + _noise_after(predicted, now, then, fresh)
    return (x - sigma(then) * denoise(x, then.expand(len(x)))) / alpha(then)


def _noise_after(predicted: Images, now: Tensor, then: Tensor, fresh: Iterator[Images] | None) -> Images:
    """The noise of the next level: all predicted, or in part fresh."""
    if fresh is None:
        return sigma(then) * predicted
    kept = alpha(now) ** 2 / alpha(then) ** 2
    added = (sigma(then) / sigma(now)) * (1 - kept).clamp(min=0).sqrt()
    return (sigma(then) ** 2 - added**2).clamp(min=0).sqrt() * predicted + added * next(fresh)
