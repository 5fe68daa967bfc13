r"""How uncorrelated latents are, from the covariance matrix C of codes (N, D) alone.

    total_correlation       1/2 (sum_j log C_jj - log det C), nats: that of a Gaussian of covariance C; 0 is good; each
                            duplicate of a latent adds 14 nats, its eigenvalue being clipped; constant latents left out
    wasserstein_correlation 2 tr C - 2 tr (D^1/2 C D^1/2)^1/2 with D the diagonal of C: squared 2-Wasserstein distance
                            between the Gaussians of covariance C and D; in the squared unit of the codes; 0 is good
    covariance_ratio        sum_j C_jj^2 / sum_ij C_ij^2; [1/D, 1], 1 is uncorrelated   (arXiv:2510.11953, Table 5)

Known failure: they see linear dependence only. Intervals: bootstrap of auxvae.metrics.score.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from auxvae.metrics.moments import correlations, covariances
from auxvae.metrics.score import RESAMPLES, Score, Table, interval, names

SINGULAR = 1e-12  # eigenvalues of a correlation matrix are clipped to it: -1/2 log(1e-12) = 14 nats


def total_correlation(codes: Table, resamples: int = RESAMPLES) -> Score:
    """Total correlation of codes (N, D), taken as Gaussian, in nats; the matrix is their correlation, (D, D)."""
    covariance = _covariances(codes, resamples)
    rho = correlations(covariance[:1])
    return _score(_one_by_one(total_correlation_of, covariance), codes, rho, np.inf)


def wasserstein_correlation(codes: Table, resamples: int = RESAMPLES) -> Score:
    """Squared Wasserstein distance between Gaussians of covariance C and of its diagonal; the matrix is C, (D, D)."""
    covariance = _covariances(codes, resamples)
    return _score(_one_by_one(wasserstein_correlation_of, covariance), codes, covariance, np.inf)


def covariance_ratio(codes: Table, resamples: int = RESAMPLES) -> Score:
    """Share of the diagonal in the squared entries of the covariance C of codes (N, D); the matrix is C, (D, D)."""
    covariance = _covariances(codes, resamples)
    return _score(covariance_ratio_of(covariance), codes, covariance)


def total_correlation_of(covariance: Float[Tensor, "*S D D"]) -> Float[Tensor, "*S"]:
    """Total correlation of Gaussians of these covariance matrices, nats."""
    rho = correlations(covariance)
    constant = (rho.diagonal(dim1=-2, dim2=-1) == 0).to(rho.dtype)
    eigenvalues = torch.linalg.eigvalsh(rho + torch.diag_embed(constant))
    nats: Tensor = -0.5 * eigenvalues.clamp(min=SINGULAR).log().sum(-1)
    return nats


def wasserstein_correlation_of(covariance: Float[Tensor, "*S D D"]) -> Float[Tensor, "*S"]:
    """Squared 2-Wasserstein distance between Gaussians of these covariance matrices and of their diagonals."""
    root = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    eigenvalues = torch.linalg.eigvalsh(root[..., :, None] * covariance * root[..., None, :])
    distance: Tensor = 2 * (root.square().sum(-1) - eigenvalues.clamp(min=0).sqrt().sum(-1))
    return distance


def covariance_ratio_of(covariance: Float[Tensor, "*S D D"]) -> Float[Tensor, "*S"]:
    """Share of the diagonal in the squared entries of these matrices; 1 where all latents are constant."""
    squares = covariance.square()
    total = squares.sum((-1, -2))
    return torch.where(total > 0, squares.diagonal(dim1=-2, dim2=-1).sum(-1) / total, 1)


def _one_by_one(measure: Callable[[Tensor], Tensor], covariance: Float[Tensor, "S D D"]) -> Float[Tensor, " S"]:
    """A number of each matrix: its parts for all matrices of 512 latents would take 0.2 GB each."""
    return torch.stack([measure(each) for each in covariance])


def _covariances(codes: Table, resamples: int) -> Float[Tensor, "S D D"]:
    """Unbiased covariance matrices, (1 + resamples, D, D)."""
    z = torch.from_numpy(np.asarray(codes, dtype=np.float64))
    return covariances(z, resamples).mul_(len(z) / (len(z) - 1))


def _score(value: Tensor, codes: Table, matrix: Tensor, most: float = 1) -> Score:
    latents = names(codes, matrix.shape[-1], "z")
    square = xr.DataArray(matrix[0].numpy().copy(), {"latent": latents, "other": latents}, ["latent", "other"])
    return interval(value, len(np.asarray(codes)), square, most=most)
