r"""Which block of latents an image needs: what is lost when latents are perturbed (arXiv 2507.00298, Fig. 4).

For a block b (the auxiliary latents "aux", the residual ones "recon", or one latent) and a scale s,

    drop_b(s) = SSIM(x, D(mu)) - SSIM(x, D(mu + s L_b eps on b)),     eps ~ N(0, 1),   L_b L_b' = C_b
    C         = Cov(mu) + diag(E sigma^2)                             over all test rows: covariance of the samples

with the same eps of an image for all scales, addressed by the run's seed. Along C_b, not latent by latent, because
latents that are copies of each other never move apart, and the decoder has not seen them do so. The mean over images
with its 95 % interval; `drop_per_latent` is drop / (latents in the block), since blocks differ in size. Beside them the
published probes: the block set to 0, and its sign flipped. The scale of the perturbation is our choice, since the paper
does not state it.

Measures: `ssim` against the image, as published; `ssim_asinh`, against the noise-free truth where the store has it; and
`nats`, by how much the image becomes less likely. `moved`, of galaxies: the mean change of ln flux and ln size, without
sign, and of the ellipticity, by adaptive moments. A model that does not decode has no sensitivity: an empty data set.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from auxvae.analysis.model import TrainedModel
from auxvae.config.analyses import Sensitivity
from auxvae.config.labels import latent_names
from auxvae.config.run import Run
from auxvae.data.randomness import normal
from auxvae.metrics.images import asinh_scale, ssim_to
from auxvae.metrics.score import mean_score
from auxvae.metrics.shapes import shapes

Array = NDArray[np.float64]
Codes = NDArray[np.float32]
Mask = NDArray[np.bool_]
MEASURES = ("ssim", "ssim_asinh", "nats")
QUANTITIES = ("flux", "size", "shape")
MEASURED = 256  # galaxies whose moments are measured: they take long


def sensitivity(
    run: Run, model: TrainedModel, codes: Codes, log_variance: Codes, wanted: Sensitivity, is_galaxy: bool
) -> xr.Dataset:
    """Losses of every measure per block and per single latent, over the first `images` test rows."""
    if not model.can_decode:
        return xr.Dataset(attrs={"run": run.id, "images": 0})
    moves = Perturbations(run, codes, log_variance, wanted)
    codes, blocks = moves.codes, moves.blocks
    losses = _losses(model, codes)
    by_block = _table(losses, [moves.scaled(mask) for mask in blocks.values()])
    ends = ("measure", "bound")
    variables = {
        "drop": (("block", "scale", *ends), by_block),
        "drop_per_latent": (("block", "scale", *ends), by_block / moves.sizes[:, None, None, None]),
        "drop_probe": (("block", "probe", *ends), _table(losses, [moves.probed(mask) for mask in blocks.values()])),
        "drop_latent": (("latent", "scale", *ends), _table(losses, [moves.scaled(mask) for mask in moves.single])),
        "latents_in_block": (("block",), moves.sizes),
    }
    if is_galaxy:
        galaxies = [[each[:MEASURED] for each in moves.scaled(mask)] for mask in blocks.values()]
        variables["moved"] = (
            ("block", "scale", "quantity", "bound"),
            _table(_moved(model, codes[:MEASURED]), galaxies),
        )
    names = {"measure": list(MEASURES), "quantity": list(QUANTITIES), "bound": ["mean", "low", "high"]}
    coords = {"block": list(blocks), "scale": [float(s) for s in wanted.scales], "probe": ["zero", "flip"], **names}
    return xr.Dataset(variables, {**coords, "latent": latent_names(run)}, attrs={"run": run.id, "images": len(codes)})


class Perturbations:
    """The codes of the first test rows, and what they become.

    blocks: the auxiliary and the residual latents as masks (d_Z,), by name; an empty one is left out. sizes: their
    numbers of latents. single: a mask for each latent.
    """

    def __init__(self, run: Run, codes: Codes, log_variance: Codes, wanted: Sensitivity) -> None:
        """Codes and their covariance, which is that of all rows."""
        latents, is_aux = codes.shape[1], np.arange(codes.shape[1]) < run.aux_latents
        self.covariance = np.cov(codes.T.astype(np.float64)).reshape(latents, latents) + np.diag(
            np.exp(log_variance, dtype=np.float64).mean(0)
        )
        self.codes, self.scales = codes[: wanted.rows(len(codes))], wanted.scales
        self.noise = normal(run.seed, "sensitivity", 0, self.codes.shape).numpy().astype(np.float64)
        self.blocks = {name: mask for name, mask in {"aux": is_aux, "recon": ~is_aux}.items() if mask.any()}
        self.sizes = np.array([mask.sum() for mask in self.blocks.values()], dtype=np.float64)
        self.single = list(np.eye(latents, dtype=bool))

    def scaled(self, mask: Mask) -> list[Codes]:
        """The codes with the latents of a mask moved along their covariance, by each scale."""
        values, vectors = np.linalg.eigh(self.covariance[np.ix_(mask, mask)])
        shift = np.zeros(self.codes.shape)
        shift[:, mask] = self.noise[:, mask] * np.sqrt(values.clip(0)) @ vectors.T
        return [np.asarray(self.codes + s * shift, dtype=np.float32) for s in self.scales]

    def probed(self, mask: Mask) -> list[Codes]:
        """The codes with the latents of a mask set to 0, and with their signs flipped."""
        return [np.where(mask, each, self.codes) for each in (np.zeros_like(self.codes), -self.codes)]


def _table(losses: Callable[[Codes], Array], perturbed: list[list[Codes]]) -> Array:
    """Mean, low and high of the losses, (mask, perturbation, measure, bound)."""
    return np.stack([[_summary(losses(each)) for each in row] for row in perturbed])


def _losses(model: TrainedModel, codes: Codes) -> Callable[[Codes], Array]:
    """What every measure loses from the codes to others, (measure, N)."""
    measure = _measures(model, len(codes))
    unperturbed = measure(codes)
    return lambda others: unperturbed - measure(others)


def _measures(model: TrainedModel, images: int) -> Callable[[Codes], Array]:
    """The measures of the reconstructions from codes, more is better, (measure, N)."""
    scaling, rows = model.scaling, model.rows
    low, span = scaling.count_low, scaling.count_high - scaling.count_low
    counts = rows.images[:images].numpy()
    reference = (rows.truth if rows.truth is not None else rows.images)[:images].numpy()
    top = float(asinh_scale(np.array(scaling.count_high)) - asinh_scale(np.array(low)))
    good = None if model.good is None else model.good[:images]
    paper, asinh = ssim_to((counts - low) / span, 1.0, good), ssim_to(asinh_scale(reference), top, good)

    def measure(codes: Codes) -> Array:
        images_on_scale = model.decode(codes)
        decoded = model.likelihood.to_counts(images_on_scale).numpy()
        return np.stack([paper((decoded - low) / span), asinh(asinh_scale(decoded)), -model.nats(images_on_scale)])

    return measure


def _moved(model: TrainedModel, codes: Codes) -> Callable[[Codes], Array]:
    """How far flux, size and shape move from the codes to others, (quantity, N), NaN where moments do not converge."""
    before = shapes(model.decode_counts(codes)[:, 0].astype(np.float64))

    def change(others: Codes) -> Array:
        after = shapes(model.decode_counts(others)[:, 0].astype(np.float64))
        ratios = [np.abs(np.log(b / a)) for a, b in ((before.flux, after.flux), (before.size, after.size))]
        return np.stack([*ratios, np.hypot(after.e1 - before.e1, after.e2 - before.e2)])

    return change


def _summary(losses: Array) -> Array:
    """Mean, low and high of each measure, (measure, bound), over the images that have it; NaN for fewer than two."""
    present = [row[np.isfinite(row)] for row in losses]
    return np.array([mean_score(row)[:3] if len(row) > 1 else (np.nan,) * 3 for row in present])
