"""Scores of one run on its held-out rows, and the codes behind them.

nats, nats_floor   -log p of the images given the reconstruction, and given the noise-free truth where it is known
kl                 nats of the posterior against N(0, 1) per image: without the latents that are copies of
                   the auxiliary variables (cvae)
mse                per pixel, of images scaled to [0, 1] by the extremes of the training rows
ssim               the published one, on those images; ssim_mean_image for the mean training image
ssim_asinh         on asinh(c / 10) against the noise-free truth where the store has it, else as ssim_asinh_noisy
ssim_asinh_noisy   the same against the noisy image; its ceiling is what the truth itself scores
psnr               of the images of mse, in decibel; set_distance: sliced Wasserstein distance of the two sets of them
flux_bias ...      auxvae.metrics.shapes, for images of one band in photons, against the noise-free truth where
                   the store has it
lds ...            auxvae.metrics.alignment: lds and lds_corrected over the auxiliary variables,
                   lds_all... over every factor
prior_...          auxvae.metrics.aggregate, posterior samples of the residual latents, unless their prior is
                   learned
others             auxvae.metrics.suite: of posterior means for what knows factors and for LPS, of samples for the rest
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from auxvae.analysis.model import TrainedModel
from auxvae.config.labels import latent_names
from auxvae.config.run import Run
from auxvae.data.randomness import generator, normal
from auxvae.data.store import Scaling, Store
from auxvae.metrics.aggregate import divergence, marginal_wasserstein, match_scores, projected
from auxvae.metrics.alignment import active_latents, active_scores, alignment_scores, correlation_matrix, lds
from auxvae.metrics.images import asinh_scale, mse, psnr, ssim_to
from auxvae.metrics.score import Score, jackknife, mean_score
from auxvae.metrics.shapes import shape_scores
from auxvae.metrics.suite import study_scores
from auxvae.models.autoencoder import FLOOR
from auxvae.models.prior_checks import residual_prior
from foundation.files import atomic_write, write_json

Array = NDArray[np.float64]


def evaluate(run: Run, store: Store, model: TrainedModel, folder: Path, resamples: int) -> None:
    """Write scores.json and codes.nc of a run."""
    mean, log_variance = model.encode()
    scores = image_scores(store, model, mean) if model.can_decode else {}
    scores |= code_scores(run, store, model, mean, log_variance, resamples)
    with atomic_write(folder / "codes.nc") as part:
        codes_dataset(run, model, mean, log_variance).to_netcdf(part)
    write_json(folder / "scores.json", {name: score.to_json() for name, score in scores.items()})


def code_scores(
    run: Run,
    store: Store,
    model: TrainedModel,
    mean: NDArray[np.float32],
    log_variance: NDArray[np.float32],
    resamples: int,
) -> dict[str, Score]:
    """Scores of the codes: nats, alignment with the factors, match with the prior."""
    factors = model.rows.factors
    copied = len(run.aux) if run.composition.conditional == "copied" else 0
    log_variance = np.where(np.arange(mean.shape[1]) < copied, np.float32(FLOOR), log_variance)  # these are u itself
    nats = divergence(mean, log_variance)[:, copied:].sum(1)
    noise = normal(run.seed, "scores", 0, mean.shape).numpy() * (run.encoder != "deterministic")
    sampled = (mean + noise * np.exp(0.5 * log_variance)).astype(np.float64)
    names = run.aux or tuple(factors)
    raw = lds(sampled, np.stack([factors[name] for name in names], 1), resamples=resamples)
    aligned = alignment_scores(mean.astype(np.float64), factors, run.aux, resamples)
    aligned |= active_scores(mean.astype(np.float64), factors, active_latents(mean, log_variance), resamples)
    scores = {
        "lds_sampled": raw._replace(matrix=None),
        **aligned,
        **study_scores(mean.astype(np.float64), sampled, factors, resamples),
    }
    prior = prior_samples(run, store, model.rows.aux(run.aux, model.scaling))
    if prior is not None:
        scores |= match_scores(sampled[:, len(run.aux) :], prior)
    return scores if run.encoder == "deterministic" else {"kl": mean_score(nats), **scores}


def prior_samples(run: Run, store: Store, u: torch.Tensor) -> Array | None:
    """Two sets of samples of the prior of the residual latents, (2 N, d_Z - a), one after the other, for u (N, a)."""
    if run.composition.conditional == "learned":
        return None
    prior, _ = residual_prior(run, store.columns("train"))
    if prior is None:
        return None
    samples = prior.sample(torch.cat([u, u]), generator(run.seed, "scores prior"))
    return np.asarray(samples.numpy(), dtype=np.float64)


def image_scores(store: Store, model: TrainedModel, mean: NDArray[np.float32]) -> dict[str, Score]:
    """Scores of the reconstructions, each with its baseline."""
    rows, scaling = model.rows, model.scaling
    images, decoded = _flat(rows.images.numpy()), _flat(model.decode_counts(mean))
    average = np.broadcast_to(_flat(store.read("train").images.mean(0, keepdim=True).numpy()), images.shape)
    scores = {"nats": mean_score(_nats(model, model.decode(mean)))}
    if rows.truth is not None:
        scores["nats_floor"] = mean_score(_nats(model, model.likelihood.to_scale(rows.truth)))
    if store.dataset["image"].attrs.get("units") == "ph" and images.shape[1] == 1:
        scores |= shape_scores(decoded[:, 0], (images if rows.truth is None else _flat(rows.truth.numpy()))[:, 0])
    return scores | _similarities(images, rows.truth, decoded, average, scaling)


def _similarities(
    images: Array, truth: torch.Tensor | None, decoded: Array, average: Array, scaling: Scaling
) -> dict[str, Score]:
    low, span = scaling.count_low, scaling.count_high - scaling.count_low
    top = float(asinh_scale(np.array(scaling.count_high)) - asinh_scale(np.array(low)))
    paper = ssim_to((images - low) / span, 1.0)
    noisy = ssim_to(asinh_scale(images), top)
    scores = {
        "mse": mean_score(mse(decoded / span, images / span)),
        "psnr": mean_score(psnr(decoded / span, images / span, 1.0)),
        "set_distance": _set_distance(decoded / span, images / span),
        "ssim": mean_score(paper((decoded - low) / span)),
        "ssim_mean_image": mean_score(paper((average - low) / span)),
        "ssim_asinh_noisy": mean_score(noisy(asinh_scale(decoded))),
    }
    asinh: Callable[[Array], Array] = noisy
    if truth is not None:
        noise_free = _flat(truth.numpy())
        scores["ssim_asinh_noisy_ceiling"] = mean_score(noisy(asinh_scale(noise_free)))
        asinh = ssim_to(asinh_scale(noise_free), top)
    baseline = mean_score(asinh(asinh_scale(average)))
    return scores | {"ssim_asinh": mean_score(asinh(asinh_scale(decoded))), "ssim_asinh_mean_image": baseline}


def _set_distance(decoded: Array, images: Array) -> Score:
    """Sliced Wasserstein distance of two sets of images, pixels as coordinates."""
    one, two = (projected(each.reshape(len(each), -1)) for each in (decoded, images))
    return jackknife(lambda rows: marginal_wasserstein(one[rows], two[rows]), len(one))


def _nats(model: TrainedModel, reconstruction: torch.Tensor) -> Array:
    images = model.likelihood.to_scale(model.rows.images)
    return np.asarray(model.likelihood.nats(images, reconstruction).numpy(), dtype=np.float64)


def _flat(images: NDArray[np.float32]) -> Array:
    return np.asarray(images, dtype=np.float64)


def codes_dataset(
    run: Run, model: TrainedModel, mean: Array | NDArray[np.float32], log_variance: NDArray[np.float32]
) -> xr.Dataset:
    """Codes and factors of the test rows, and the correlation matrix of the two."""
    factors = model.rows.factors
    values = np.stack(list(factors.values()), 1)
    return xr.Dataset(
        {
            "mean": (("galaxy", "latent"), mean),
            "log_variance": (("galaxy", "latent"), log_variance),
            "factors": (("galaxy", "factor"), values),
            "rho": (("latent", "factor"), correlation_matrix(np.asarray(mean, dtype=np.float64), values)),
        },
        coords={"latent": latent_names(run), "factor": list(factors)},
        attrs={"run": run.id},
    )
