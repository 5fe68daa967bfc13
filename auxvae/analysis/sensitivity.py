r"""Which block of latents an image needs: the loss of SSIM when latents are perturbed (arXiv 2507.00298, Fig. 4).

For a block b (the auxiliary latents "aux", the residual ones "recon", or one latent) and a scale s,

    drop_b(s) = SSIM(x, D(mu)) - SSIM(x, D(mu + s * std(mu_b) * eps on b)),     eps ~ N(0, 1)

with std over the test codes, and the same eps of an image for all scales, addressed by the run's seed. The mean over
images with its 95 % interval; `drop_per_latent` is drop / (latents in the block), since blocks differ in size. Beside
them the published probes: the block set to 0, and its sign flipped. The scale of the perturbation is our choice, since
the paper does not state it. Two measures: `ssim` against the image, as published, and `ssim_asinh`, against the
noise-free truth where the store has it. A model that does not decode has no sensitivity: the data set is empty.
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

Array = NDArray[np.float64]
Codes = NDArray[np.float32]
Mask = NDArray[np.bool_]
MEASURES = ("ssim", "ssim_asinh")


def sensitivity(run: Run, model: TrainedModel, codes: Codes, wanted: Sensitivity) -> xr.Dataset:
    """Drops of both measures per block and per single latent, over the first `images` test rows."""
    if not model.can_decode:
        return xr.Dataset(attrs={"run": run.id, "images": 0})
    codes = codes[: wanted.rows(len(codes))]
    measure = _measures(model, len(codes))
    unperturbed = measure(codes)
    shift = codes.std(0) * normal(run.seed, "sensitivity", 0, codes.shape).numpy()
    scaled = {float(s): codes + np.float32(s) * shift for s in wanted.scales}
    probes = {"zero": np.zeros_like(codes), "flip": -codes}
    blocks = _blocks(run, codes.shape[1])

    def drops(masks: list[Mask], perturbed: list[Codes]) -> Array:
        """(mask, perturbation, measure, bound)."""
        moved = [[np.where(mask, each, codes) for each in perturbed] for mask in masks]
        return np.stack([[_summary(unperturbed - measure(each)) for each in row] for row in moved])

    sizes = np.array([mask.sum() for mask in blocks.values()])
    by_block = drops(list(blocks.values()), list(scaled.values()))
    ends = ("measure", "bound")
    return xr.Dataset(
        {
            "drop": (("block", "scale", *ends), by_block),
            "drop_per_latent": (("block", "scale", *ends), by_block / sizes[:, None, None, None]),
            "drop_probe": (("block", "probe", *ends), drops(list(blocks.values()), list(probes.values()))),
            "drop_latent": (("latent", "scale", *ends), drops(_single_latents(codes), list(scaled.values()))),
            "latents_in_block": (("block",), sizes.astype(np.float64)),
        },
        coords={
            "block": list(blocks),
            "scale": list(scaled),
            "measure": list(MEASURES),
            "bound": ["mean", "low", "high"],
            "probe": list(probes),
            "latent": latent_names(run),
        },
        attrs={"run": run.id, "images": len(codes)},
    )


def _blocks(run: Run, latents: int) -> dict[str, Mask]:
    """The auxiliary and the residual latents as masks (d_Z,); an empty block is left out."""
    is_aux = np.arange(latents) < len(run.aux)
    return {name: mask for name, mask in {"aux": is_aux, "recon": ~is_aux}.items() if mask.any()}


def _single_latents(codes: Codes) -> list[Mask]:
    return list(np.eye(codes.shape[1], dtype=bool))


def _measures(model: TrainedModel, images: int) -> Callable[[Codes], Array]:
    """Both measures of the reconstructions from codes, (measure, N)."""
    scaling, rows = model.scaling, model.rows
    low, span = scaling.count_low, scaling.count_high - scaling.count_low
    counts = rows.images[:images].numpy()
    reference = (rows.truth if rows.truth is not None else rows.images)[:images].numpy()
    top = float(asinh_scale(np.array(scaling.count_high)) - asinh_scale(np.array(low)))
    paper, asinh = ssim_to((counts - low) / span, 1.0), ssim_to(asinh_scale(reference), top)

    def measure(codes: Codes) -> Array:
        decoded = model.decode_counts(codes)
        return np.stack([paper((decoded - low) / span), asinh(asinh_scale(decoded))])

    return measure


def _summary(drops: Array) -> Array:
    """Mean, low and high of each measure, (measure, bound)."""
    mean = drops.mean(1)
    half = 1.96 * drops.std(1, ddof=1) / np.sqrt(drops.shape[1])
    return np.stack([mean, mean - half, mean + half], 1)
