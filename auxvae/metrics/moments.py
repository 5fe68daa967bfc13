r"""Covariances of many columns at once, of all rows and of bootstrap samples, batched over runs, on any device.

    C_b = sum_n w_bn x_n x_n' / sum_n w_bn - m_b m_b'        with the bootstrap weights of auxvae.metrics.score

In double precision. Columns are centred first, so that large offsets cost no digits, and a constant column has a
variance of exactly 0.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from auxvae.metrics.score import group_of_rows, group_weights


def covariances(x: Float[Tensor, "*R N C"], resamples: int = 0) -> Float[Tensor, "*R S C C"]:
    """Covariance matrices (..., 1 + resamples, C, C), the first of all rows, from columns (..., N, C)."""
    weights = torch.from_numpy(group_weights(x.shape[-2], resamples)).to(x.device)
    varies = x.amax(-2, keepdim=True) > x.amin(-2, keepdim=True)
    grouped = _in_groups((x.double() - x.double().mean(-2, keepdim=True)) * varies)
    total = weights @ _sizes(x)
    mean = weights @ grouped.sum(-2) / total[:, None]
    products: Tensor = weights @ (grouped.transpose(-1, -2) @ grouped).flatten(-2)
    covariance: Tensor = products.unflatten(-1, 2 * grouped.shape[-1:])  # type: ignore[no-untyped-call]
    covariance /= total[:, None, None]  # in place, as there are 0.2 GB of 512 columns
    covariance.addcmul_(mean[..., :, None], mean[..., None, :], value=-1)
    return covariance


def correlations(covariance: Float[Tensor, "*S C C"]) -> Float[Tensor, "*S C C"]:
    """Pearson's rho, 0 for constant columns."""
    variance = covariance.diagonal(dim1=-2, dim2=-1)
    scale = torch.where(variance > 0, variance, torch.inf).rsqrt()
    rho: Tensor = covariance * scale[..., :, None] * scale[..., None, :]
    return rho


def _sizes(x: Tensor) -> Tensor:
    return torch.from_numpy(np.bincount(group_of_rows(x.shape[-2]))).to(x.device).double()


def _in_groups(x: Float[Tensor, "*R N C"]) -> Float[Tensor, "*R G M C"]:
    """Rows (..., N, C) by group, (..., G, M, C), groups of fewer than M rows padded with zeros."""
    group = group_of_rows(x.shape[-2])
    order = torch.from_numpy(np.argsort(group, kind="stable"))
    groups = int(group.max()) + 1
    size = -(-len(group) // groups)
    position = np.arange(len(group)) - np.searchsorted(np.sort(group), np.sort(group))
    place = torch.from_numpy(np.sort(group) * size + position).to(x.device)
    padded = x.new_zeros((*x.shape[:-2], groups * size, x.shape[-1]))
    padded.index_copy_(padded.ndim - 2, place, x.index_select(x.ndim - 2, order.to(x.device)))
    in_groups: Tensor = padded.unflatten(-2, (groups, size))
    return in_groups
