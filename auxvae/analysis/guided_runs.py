r"""What only a score-based autoencoder has: the paired test of its guidance, and the level of noise of each latent.

    gain, gain_nats, gain_least     the paired test (auxvae.metrics.paired) at LEVELS levels up to `guided_until`, by
                                    the denoiser of another run, of another seed on the same data: it has learned
                                    nothing beside this encoder
    gain_own                        gain_nats by the run's own denoiser
    profile_j(l)                    s^2 E |grad_y log q(z_j|y)|^2, how strongly latent j guides at each level: the
                                    largest marks the scale of what it says
    variance_j(l)                   mean variance of q(z_j|y): 1, that of the prior, where noise hides what it says

Latents are one sample of each image's posterior, and noise is drawn once for each level, the same for every judge.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from auxvae.analysis.model import TrainedModel
from auxvae.config.labels import latent_names
from auxvae.data.randomness import generator
from auxvae.losses.score import ScoreModel
from auxvae.metrics.paired import paired
from auxvae.metrics.score import Score, evenly
from auxvae.models.guidance import (
    Codes,
    Denoise,
    Images,
    Infer,
    guided_error,
    latent_gradient,
    noise_ratio,
    unguided_error,
)
from auxvae.models.score_network import ScoreNetwork

LEVELS = 9
IMAGES = 512  # test images, at most
AT_ONCE = 256


class Guided(NamedTuple):
    """Arrays by level and latent, and scores."""

    by_level: xr.Dataset
    scores: dict[str, Score]


def guided_run(model: TrainedModel, judge: TrainedModel | None) -> Guided | None:
    """The paired test and the profiles of a run; None for another family. `judge`: another run on the same data."""
    if not isinstance(model.model, ScoreModel):
        return None
    diffusion = model.run.settings.diffusion
    levels = np.linspace(diffusion.low, diffusion.guided_until, LEVELS)
    errors = {"own": _errors(model, _denoiser(model), levels)}
    if judge is not None:
        errors["other"] = _errors(model, _denoiser(judge), levels)
    step = float(levels[1] - levels[0])
    tests = {name: paired(*each, step) for name, each in errors.items()}
    test = tests.get("other", tests["own"])
    by_level = _profiles(model, levels).assign(
        gain=("level", test.gain), gain_low=("level", test.low), gain_high=("level", test.high)
    )
    by_level.attrs["judge"] = judge.run.id if judge else model.run.id
    scores = {"gain_own": tests["own"].nats}
    return Guided(by_level, scores | ({"gain_nats": test.nats, "gain_least": test.least} if judge else {}))


def _denoiser(model: TrainedModel) -> Denoise:
    """The moving average of a run's denoiser."""
    denoiser: Denoise = _network(model).smoothed
    return denoiser


def _network(model: TrainedModel) -> ScoreNetwork:
    network = model.model.network
    assert isinstance(network, ScoreNetwork), "a run of this family has these networks"
    return network


def _images(model: TrainedModel) -> Images:
    """Test images at equal steps, standardised."""
    chosen = model.rows.images[torch.from_numpy(evenly(len(model.rows.images), IMAGES))]
    standard: Images = _network(model).standard(model.likelihood.to_scale(chosen).to(model.device))
    return standard


@torch.no_grad()
def _errors(
    model: TrainedModel, denoise: Denoise, levels: Float[ndarray, " K"]
) -> tuple[Float[ndarray, "N K"], Float[ndarray, "N K"]]:
    """Squared errors of a denoiser without and with the guidance of a run's latents, by image and level."""
    network, images = _network(model), _images(model)
    mean, variance = network.posterior(images)
    source = generator(model.run.seed, "paired")
    z = mean + variance.sqrt() * torch.randn(mean.shape, generator=source).to(mean.device)
    columns = []
    for level in levels:
        eps = torch.randn(images.shape, generator=source).to(images.device)
        parts = zip(*(each.split(AT_ONCE) for each in (images, z, eps)), strict=True)
        both = [_errors_at(float(level), network.inference, denoise, *part) for part in parts]
        columns.append(torch.cat(both, 1))
    unguided, guided = torch.stack(columns, 2).double().cpu().numpy()
    return unguided, guided


def _errors_at(
    level: float, infer: Infer, denoise: Denoise, images: Images, z: Codes, eps: Images
) -> Float[Tensor, "2 B"]:
    """Both squared errors of images at one level."""
    at = images.new_full((len(images),), level)
    y = images + noise_ratio(at) * eps
    error = unguided_error(denoise, images, eps, at)
    return torch.stack([error.square().flatten(1).sum(1), guided_error(infer, z, y, at, error, exact=True)])


@torch.no_grad()
def _profiles(model: TrainedModel, levels: Float[ndarray, " K"]) -> xr.Dataset:
    """How strongly each latent guides, and how wide its posterior is, at each level; all for the first images."""
    network, images = _network(model), _images(model)[:AT_ONCE]
    mean, variance = network.posterior(images)
    source = generator(model.run.seed, "profiles")
    z = mean + variance.sqrt() * torch.randn(mean.shape, generator=source).to(mean.device)
    profile, widths = [], []
    for level in levels:
        at = images.new_full((len(images),), float(level))
        y = images + noise_ratio(at) * torch.randn(images.shape, generator=source).to(images.device)
        squared = latent_gradient(network.inference, z, y, at).square().flatten(2).sum(2).mean(1)
        profile.append((float(np.exp(-level)) * squared).cpu().numpy())
        widths.append(network.inference(y, at)[1].mean(0).cpu().numpy())
    by_latent = {"profile": np.stack(profile), "variance": np.stack(widths)}
    variables = {name: (("level", "latent"), each) for name, each in by_latent.items()}
    return xr.Dataset(variables, {"level": levels, "latent": latent_names(model.run)})
