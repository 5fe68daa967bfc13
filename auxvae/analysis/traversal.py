"""What each latent changes in the image: images along one latent, the others fixed at the code of one galaxy.

The released code walks from -2 to 2, which leaves the range of an auxiliary latent in [0, 1]; here each latent walks
from the 1 % to the 99 % quantile of its test codes. The galaxies are those nearest to the middle of all factors.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from auxvae.analysis.model import TrainedModel
from auxvae.config.analyses import Traversal
from auxvae.config.labels import latent_names
from auxvae.config.run import Run
from auxvae.data.likelihoods import Gaussian, Poisson
from auxvae.metrics.standardise import standard

Codes = NDArray[np.float32]


def traversal(run: Run, model: TrainedModel, codes: Codes, wanted: Traversal) -> xr.Dataset:
    """Images (start, latent, step, y, x) in photons, summed over channels, and the latent's values (latent, step).

    And their differences from the image at the code where they start, in standard deviations of the noise, where known.

    Empty for a model that does not decode.
    """
    attributes = {"run": run.id, "dataset": run.dataset.name}
    if not model.can_decode:
        return xr.Dataset(attrs=attributes)
    starts = typical_rows(model.rows.variables, wanted.images)
    values = np.quantile(codes, np.linspace(0.01, 0.99, wanted.steps), axis=0).T.astype(np.float32)
    walked = np.stack([[_walk(model, codes, i, j, along) for j, along in enumerate(values)] for i in starts])
    place = ("start", "latent", "step", "y", "x")
    in_sigma = isinstance(model.likelihood, (Poisson, Gaussian))  # a standard deviation of about 1 on the scale
    residuals = {"residual": (place, _residuals(model, walked, codes[starts], np.array(starts)))} if in_sigma else {}
    return xr.Dataset(
        {
            "image": (place, walked.sum(3), {"units": "ph"}),
            **residuals,
            "value": (("latent", "step"), values),
            "row": (("start",), starts),
        },
        coords={"latent": latent_names(run)},
        attrs=attributes,
    )


def typical_rows(variables: dict[str, NDArray[np.float64]], count: int) -> list[int]:
    """The rows whose variables are nearest to the means of all, in standard deviations of the worst variable."""
    values = np.stack(list(variables.values()), 1)
    distance = np.abs(standard(values)).max(1)
    rows: list[int] = np.argsort(distance)[:count].tolist()
    return rows


def _walk(model: TrainedModel, codes: Codes, image: int, latent: int, values: NDArray[np.float32]) -> Codes:
    rows = np.full(len(values), image)
    walked = codes[rows]
    walked[:, latent] = values
    return model.decode_counts(walked, rows)


def _residuals(model: TrainedModel, walked: Codes, codes: Codes, rows: NDArray[np.intp]) -> Codes:
    """Images walked to (start, latent, step, channel, y, x) less the one where all start, in sigma of the noise.

    On the likelihood's scale, on which the noise is 1; over the root of their number, summed over channels.
    """
    several = (walked, model.decode_counts(codes, rows))
    scaled, start = (model.likelihood.to_scale(torch.from_numpy(each)) for each in several)
    difference = (scaled - start[:, None, None]).sum(3) / scaled.shape[3] ** 0.5
    return np.asarray(difference.numpy())
