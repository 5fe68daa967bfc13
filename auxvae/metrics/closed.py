"""Metrics that need no fitting, of several runs at once, on the device of their codes: validation scores in training.

lds, lds_corrected, sap, mig, modularity, total_correlation and covariance_ratio as auxvae.metrics.alignment,
information and covariance define them, over all factors that are numbers, from one covariance matrix and one set of
histograms per run;
without intervals, or with the bootstrap of auxvae.metrics.score (the suite's interval of mig has other weights).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from auxvae.metrics.alignment import CONSTANT, lds_of, null_threshold
from auxvae.metrics.covariance import covariance_ratio_of, total_correlation_of
from auxvae.metrics.information import BINS, classes_of, equal_bins, gap, information_of, mig_of, modularity_of
from auxvae.metrics.moments import correlations, covariances
from auxvae.metrics.representation import is_discrete


class FactorColumns(NamedTuple):
    """Factors (N, F) and their classes (N, F), on a device."""

    factors: Float[Tensor, "N F"]
    classes: Int[Tensor, "N F"]


def factor_columns(columns: Mapping[str, NDArray[np.float64]], device: torch.device) -> FactorColumns | None:
    """The factors (N,) of some rows as one table, cut into classes once; None where there are no factors."""
    if not columns:
        return None
    table = np.stack(list(columns.values()), 1).astype(np.float64)
    classes = np.stack([classes_of(column, column, is_discrete(column)) for column in table.T], 1)
    return FactorColumns(torch.from_numpy(table).to(device), torch.from_numpy(classes).to(device))


def closed_forms(
    codes: Float[Tensor, "*R N D"], columns: FactorColumns, resamples: int = 0
) -> dict[str, Float[Tensor, "*R S"]]:
    """Each of these metrics of codes (..., N, D), (..., 1 + resamples); the first value is that of all rows."""
    latents, rows = codes.shape[-1], codes.shape[-2]
    factors = columns.factors.expand(*codes.shape[:-1], -1)
    covariance = covariances(torch.cat([codes.double(), factors], -1), resamples)
    of_latents = covariance[..., :latents, :latents]
    rho = correlations(covariance)[..., :latents, latents:]
    varies = of_latents.diagonal(dim1=-2, dim2=-1) > CONSTANT
    information, entropy = information_of(equal_bins(codes.double(), BINS), columns.classes, resamples)
    return {
        "lds": lds_of(rho),
        "lds_corrected": lds_of(rho, null_threshold(rows, latents)),
        "sap": gap(rho.square() * varies[..., None]),
        "mig": mig_of(information, entropy),
        "modularity": modularity_of(information),
        "total_correlation": total_correlation_of(of_latents),
        "covariance_ratio": covariance_ratio_of(of_latents),
    }
