r"""Which block of the code an image needs: the loss of SSIM when latents are perturbed (arXiv 2507.00298, Fig. 4).

For a block b (the told latents "aux", the others "recon", or one latent) and a scale s,

    drop_b(s) = SSIM(x, D(mu)) - SSIM(x, D(mu + s * std(mu_b) * eps on b)),     eps ~ N(0, 1)

std over the test codes, eps of each image addressed by the run's seed and common to all scales. The mean over images
with its 95 % interval; `drop_per_latent` is drop / (latents in the block), since blocks differ in size. Beside them the
published probes: the block set to 0, and its sign flipped. The scale of the perturbation follows methods left open by
the paper. Two measures: `ssim` against the image, as published, and `ssim_asinh`, against the truth where it is known.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from auxvae.analysis.model import Model
from auxvae.config.analyses import Sensitivity
from auxvae.config.labels import latent_names
from auxvae.config.run import Run
from auxvae.data.randomness import normal
from auxvae.metrics.images import asinh_scale, ssim_to

Array = NDArray[np.float64]
Codes = NDArray[np.float32]
MEASURES = ("ssim", "ssim_asinh")


def sensitivity(run: Run, model: Model, codes: Codes, asked: Sensitivity) -> xr.Dataset:
    """Drops of both measures per block and per single latent, over the first `images` test rows."""
    codes = codes[: asked.rows(len(codes))]
    measure = _measures(model, len(codes))
    whole = measure(codes)
    shift = codes.std(0) * normal(run.seed, "sensitivity", 0, codes.shape).numpy()
    latents = np.arange(codes.shape[1])
    blocks = {"aux": latents < len(run.aux), "recon": latents >= len(run.aux)}
    blocks = {name: chosen for name, chosen in blocks.items() if chosen.any()}

    def drops(chosen: NDArray[np.bool_], moved: Codes) -> Array:
        return _summary(whole - measure(np.where(chosen, moved, codes)))

    scaled = [codes + np.float32(s) * shift for s in asked.scales]
    probes = {"zero": np.zeros_like(codes), "flip": -codes}
    by_block = np.stack([[drops(b, moved) for moved in scaled] for b in blocks.values()])
    by_probe = np.stack([[drops(b, moved) for moved in probes.values()] for b in blocks.values()])
    by_latent = np.stack([[drops(latents == j, moved) for moved in scaled] for j in latents])
    sizes = np.array([chosen.sum() for chosen in blocks.values()])
    end = ("measure", "bound")
    return xr.Dataset(
        {
            "drop": (("block", "scale", *end), by_block),
            "drop_per_latent": (("block", "scale", *end), by_block / sizes[:, None, None, None]),
            "drop_probe": (("block", "probe", *end), by_probe),
            "drop_latent": (("latent", "scale", *end), by_latent),
            "latents_in_block": (("block",), sizes.astype(np.float64)),
        },
        coords={
            "block": list(blocks),
            "scale": list(asked.scales),
            "measure": list(MEASURES),
            "bound": ["mean", "low", "high"],
            "probe": list(probes),
            "latent": latent_names(run),
        },
        attrs={"run": run.id, "images": len(codes)},
    )


def _measures(model: Model, images: int) -> Callable[[Codes], Array]:
    """Both measures of the reconstructions from codes, (measure, N)."""
    known, part = model.trained.scaling, model.part
    low, span = known.count_low, known.count_high - known.count_low
    counts = part.images[:images].numpy().astype(np.float64)
    exact = (part.truth if part.truth is not None else part.images)[:images].numpy().astype(np.float64)
    top = float(asinh_scale(np.array(known.count_high)) - asinh_scale(np.array(low)))
    paper, asinh = ssim_to((counts - low) / span, 1.0), ssim_to(asinh_scale(exact), top)

    def measure(codes: Codes) -> Array:
        made = model.decode_counts(codes).astype(np.float64)
        return np.stack([paper((made - low) / span), asinh(asinh_scale(made))])

    return measure


def _summary(drops: Array) -> Array:
    """Mean, low and high of each measure, (measure, bound)."""
    mean = drops.mean(1)
    half = 1.96 * drops.std(1, ddof=1) / np.sqrt(drops.shape[1])
    return np.stack([mean, mean - half, mean + half], 1)
