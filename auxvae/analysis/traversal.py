"""What one latent draws: images along each latent, the others held at the code of one galaxy.

The released code walks from -2 to 2, which leaves the range of a told latent in [0, 1]; here each latent walks from the
1 % to the 99 % quantile of its test codes. The galaxies are those nearest to the middle of all factors.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from auxvae.analysis.model import Model
from auxvae.config.analyses import Traversal
from auxvae.config.labels import latent_names
from auxvae.config.run import Run


def traversal(run: Run, model: Model, codes: NDArray[np.float32], asked: Traversal) -> xr.Dataset:
    """Images (start, latent, step, y, x) in photons, summed over channels, and the walked values (latent, step)."""
    values = np.stack(list(model.part.factors.values()), 1)
    middle = np.abs((values - values.mean(0)) / values.std(0)).max(1)
    starts = np.argsort(middle)[: asked.images].tolist()
    walked = np.quantile(codes, np.linspace(0.01, 0.99, asked.steps), axis=0).T.astype(np.float32)
    drawn = np.stack([[_walk(model, codes, i, j, along) for j, along in enumerate(walked)] for i in starts])
    return xr.Dataset(
        {
            "image": (("start", "latent", "step", "y", "x"), drawn, {"units": "ph"}),
            "value": (("latent", "step"), walked),
            "row": (("start",), starts),
        },
        coords={"latent": latent_names(run)},
        attrs={"run": run.id, "dataset": run.dataset.name},
    )


def _walk(
    model: Model, codes: NDArray[np.float32], image: int, latent: int, along: NDArray[np.float32]
) -> NDArray[np.float32]:
    row = np.full(len(along), image)
    walked = codes[row]
    walked[:, latent] = along
    return np.asarray(model.decode_counts(walked, row).sum(1))
