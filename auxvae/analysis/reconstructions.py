"""Scores of the reconstructions of one run, each beside its floor, ceiling or baseline.

nats, nats_floor   -log p of the images given the reconstruction, and given that of least expectation: on the scale of
                   the likelihood the mean of what the noise makes of the noise-free truth, where the store has it or
                   its images are without noise
mse                per pixel, of images scaled to [0, 1] by the extremes of the training rows
psnr               of the images of mse, in decibel
set_distance       sliced Wasserstein distance between the images of mse and their reconstructions, as two sets
ssim               the published SSIM, on the images of mse; ssim_mean_image for the mean training image
ssim_asinh         on asinh(c / 10) against the noise-free truth where the store has it, else against the image
ssim_asinh_noisy   ssim_asinh against the noisy image; its ceiling is the score of the truth
flux_bias ...      auxvae.metrics.shapes, for images of one band in photons, against the noise-free truth where the
                   store has it
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from auxvae.analysis.model import TrainedModel
from auxvae.data.store import Rows, Scaling, Store
from auxvae.metrics.images import asinh_scale, mse, psnr, ssim_to
from auxvae.metrics.prior_match import marginal_wasserstein, projected
from auxvae.metrics.score import Score, jackknife, mean_score
from auxvae.metrics.shapes import Shapes, shape_scores, shapes

Array = NDArray[np.float64]
Similarity = Callable[[NDArray[Any]], NDArray[Any]]  # SSIM of images (N, C, H, W) to others, (N,)


def image_scores(store: Store, model: TrainedModel, mean: NDArray[np.float32]) -> dict[str, Score]:
    """Scores of the reconstructions from codes (N, D), each with its baseline."""
    rows = model.rows
    images, decoded = _double(rows.images), _double(model.decode_counts(mean))
    truth = None if rows.truth is None else _double(rows.truth)
    scores = {"nats": mean_score(model.nats(model.decode(mean)))}
    mean_of_noise = rows.images if store.is_noiseless else rows.truth
    best = None if mean_of_noise is None else model.likelihood.best(mean_of_noise)
    if best is not None:
        scores["nats_floor"] = mean_score(model.nats(best))
    if store.holds_galaxies:
        scores |= shape_scores(shapes(decoded[:, 0]), true_shapes(rows))
    average = _double(model.scaling.mean_image[None])
    return scores | similarities(images, truth, decoded, average, model.scaling)


def fidelity_scores(model: TrainedModel, mean: NDArray[np.float32]) -> dict[str, Score]:
    """Those scores of the reconstructions from codes (N, D) by which settings are chosen, without their baselines."""
    rows, scaling = model.rows, model.scaling
    images, decoded = _double(rows.images), _double(model.decode_counts(mean))
    asinh = _asinh_ssim(images if rows.truth is None else _double(rows.truth), scaling)
    nats = mean_score(model.nats(model.decode(mean)))
    published = _published_ssim(images, scaling)
    return {"nats": nats} | _fidelity(images, decoded, asinh_scale(decoded), scaling, published, asinh)


def _fidelity(
    images: Array, decoded: Array, softened: NDArray[Any], scaling: Scaling, published: Similarity, asinh: Similarity
) -> dict[str, Score]:
    """MSE and SSIM of reconstructions in photons, which are `softened` on the asinh scale."""
    low, span = scaling.count_low, scaling.count_high - scaling.count_low
    return {
        "mse": mean_score(mse(decoded / span, images / span)),
        "ssim": mean_score(published((decoded - low) / span)),
        "ssim_asinh": mean_score(asinh(softened)),
    }


def _published_ssim(images: Array, scaling: Scaling) -> Similarity:
    """SSIM to images in photons, of images scaled to [0, 1] by the extremes of the training rows."""
    low, span = scaling.count_low, scaling.count_high - scaling.count_low
    return ssim_to((images - low) / span, 1.0)


def _asinh_ssim(images: Array, scaling: Scaling) -> Similarity:
    """SSIM to images in photons, of images on the asinh scale."""
    top = float(asinh_scale(np.array(scaling.count_high)) - asinh_scale(np.array(scaling.count_low)))
    return ssim_to(asinh_scale(images), top)


@lru_cache(1)
def true_shapes(rows: Rows) -> Shapes:
    """Moments of the truth of one band, or of the images where the store has none; once for all runs on these rows."""
    return shapes(_double(rows.images if rows.truth is None else rows.truth)[:, 0])


def similarities(
    images: Array, truth: Array | None, decoded: Array, average: Array, scaling: Scaling
) -> dict[str, Score]:
    """MSE, PSNR, set distance and SSIM of reconstructions (N, C, H, W), images, truth and mean image in photons."""
    low, span = scaling.count_low, scaling.count_high - scaling.count_low
    average_softened = np.broadcast_to(asinh_scale(average), images.shape)
    average = np.broadcast_to(average, images.shape)
    published, noisy = _published_ssim(images, scaling), _asinh_ssim(images, scaling)
    asinh = noisy if truth is None else _asinh_ssim(truth, scaling)
    softened = asinh_scale(decoded)
    scores = _fidelity(images, decoded, softened, scaling, published, asinh) | {
        "psnr": mean_score(psnr(decoded / span, images / span, 1.0)),
        "set_distance": _set_distance(decoded / span, images / span),
        "ssim_mean_image": mean_score(published((average - low) / span)),
        "ssim_asinh_noisy": mean_score(noisy(softened)),
    }
    if truth is not None:
        scores["ssim_asinh_noisy_ceiling"] = mean_score(noisy(asinh_scale(truth)))
    return scores | {"ssim_asinh_mean_image": mean_score(asinh(average_softened))}


def _set_distance(decoded: Array, images: Array) -> Score:
    """Sliced Wasserstein distance of two sets of images, pixels as coordinates."""
    one, two = (projected(each.reshape(len(each), -1)) for each in (decoded, images))
    return jackknife(lambda rows: marginal_wasserstein(one[rows], two[rows]), len(one))


def _double(images: NDArray[np.float32] | torch.Tensor) -> Array:
    return np.asarray(images, dtype=np.float64)
