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

Masked pixels are 0 in images, truth and reconstructions alike, and count in none of these. There is no SSIM where some
image has a masked pixel in every window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from auxvae.analysis.model import TrainedModel
from auxvae.data.scaling import Scaling
from auxvae.data.store import Rows, Store
from auxvae.metrics.images import Good, asinh_scale, mse, psnr, ssim_to
from auxvae.metrics.prior_match import marginal_wasserstein, projected
from auxvae.metrics.score import Score, jackknife, mean_score
from auxvae.metrics.shapes import Shapes, shape_scores, shapes

Array = NDArray[np.float64]
Similarity = Callable[[NDArray[Any]], NDArray[Any]]  # SSIM of images (N, C, H, W) to others, (N,)


def image_scores(store: Store, model: TrainedModel, mean: NDArray[np.float32]) -> dict[str, Score]:
    """Scores of the reconstructions from codes (N, D), each with its baseline."""
    rows = model.rows
    images, decoded = _double(rows.images), _decoded(model, mean)
    truth = None if rows.truth is None else _double(rows.truth)
    scores = {"nats": mean_score(model.nats(model.decode(mean)))}
    mean_of_noise = rows.images if store.is_noiseless else rows.truth
    best = None if mean_of_noise is None else model.likelihood.best(mean_of_noise)
    if best is not None:
        scores["nats_floor"] = mean_score(model.nats(best))
    if store.holds_galaxies:
        scores |= shape_scores(shapes(decoded[:, 0]), true_shapes(rows))
    average = _double(model.scaling.mean_image[None])
    compared = Compared(images, truth, model.scaling, model.good)
    return scores | compared.measured(compared.similarities(decoded, average))


def fidelity_scores(model: TrainedModel, mean: NDArray[np.float32]) -> dict[str, Score]:
    """Those scores of the reconstructions from codes (N, D) by which settings are chosen, without their baselines."""
    rows, scaling = model.rows, model.scaling
    images, decoded = _double(rows.images), _decoded(model, mean)
    compared = Compared(images, None if rows.truth is None else _double(rows.truth), scaling, model.good)
    nats = mean_score(model.nats(model.decode(mean)))
    return {"nats": nats} | compared.measured(compared.fidelity(decoded, asinh_scale(decoded)))


def _decoded(model: TrainedModel, mean: NDArray[np.float32]) -> Array:
    """Reconstructions from codes in photons, 0 where a pixel is masked."""
    decoded = _double(model.decode_counts(mean))
    return decoded if model.good is None else decoded * model.good


@dataclass(frozen=True, eq=False)
class Compared:
    """What reconstructions are compared with: images (N, C, H, W) and truth in photons, and which pixels count."""

    images: Array
    truth: Array | None
    scaling: Scaling
    good: Good | None = None

    def unit(self, counts: Array) -> Array:
        """Photons scaled to [0, 1] by the extremes of the training rows."""
        return (counts - self.scaling.count_low) / self._span

    @property
    def _span(self) -> float:
        return self.scaling.count_high - self.scaling.count_low

    @cached_property
    def published(self) -> Similarity:
        """SSIM to the images, of images scaled to [0, 1]."""
        return ssim_to(self.unit(self.images), 1.0, self.good)

    @cached_property
    def asinh(self) -> Similarity:
        """SSIM to the truth, or to the images where there is none, of images on the asinh scale."""
        return self.asinh_noisy if self.truth is None else self._softened(self.truth)

    @cached_property
    def asinh_noisy(self) -> Similarity:
        """SSIM to the images, of images on the asinh scale."""
        return self._softened(self.images)

    def _softened(self, images: Array) -> Similarity:
        low, high = (asinh_scale(np.array(each)) for each in (self.scaling.count_low, self.scaling.count_high))
        return ssim_to(asinh_scale(images), float(high - low), self.good)

    def measured(self, scores: dict[str, Score]) -> dict[str, Score]:
        """The scores without SSIM where the masks leave it undefined."""
        if self.good is None or np.isfinite(self.published(self.unit(self.images))).all():
            return scores
        return {name: score for name, score in scores.items() if not name.startswith("ssim")}

    def fidelity(self, decoded: Array, softened: NDArray[Any]) -> dict[str, Score]:
        """MSE and SSIM of reconstructions in photons, which are `softened` on the asinh scale."""
        return {
            "mse": mean_score(mse(decoded / self._span, self.images / self._span, self.good)),
            "ssim": mean_score(self.published(self.unit(decoded))),
            "ssim_asinh": mean_score(self.asinh(softened)),
        }

    def similarities(self, decoded: Array, average: Array) -> dict[str, Score]:
        """MSE, PSNR, set distance and SSIM of reconstructions (N, C, H, W), beside those of the mean image."""
        average_softened = np.broadcast_to(asinh_scale(average), self.images.shape)
        unit, softened, span = self.unit(np.broadcast_to(average, self.images.shape)), asinh_scale(decoded), self._span
        scores = self.fidelity(decoded, softened) | {
            "psnr": mean_score(psnr(decoded / span, self.images / span, 1.0, self.good)),
            "set_distance": _set_distance(decoded / span, self.images / span),
            "ssim_mean_image": mean_score(self.published(unit)),
            "ssim_asinh_noisy": mean_score(self.asinh_noisy(softened)),
        }
        if self.truth is not None:
            scores["ssim_asinh_noisy_ceiling"] = mean_score(self.asinh_noisy(asinh_scale(self.truth)))
        return scores | {"ssim_asinh_mean_image": mean_score(self.asinh(average_softened))}


@lru_cache(1)
def true_shapes(rows: Rows) -> Shapes:
    """Moments of the truth of one band, or of the images where the store has none; once for all runs on these rows."""
    return shapes(_double(rows.images if rows.truth is None else rows.truth)[:, 0])


def _set_distance(decoded: Array, images: Array) -> Score:
    """Sliced Wasserstein distance of two sets of images, pixels as coordinates."""
    one, two = (projected(each.reshape(len(each), -1)) for each in (decoded, images))
    return jackknife(lambda rows: marginal_wasserstein(one[rows], two[rows]), len(one))


def _double(images: NDArray[np.float32] | torch.Tensor) -> Array:
    return np.asarray(images, dtype=np.float64)
