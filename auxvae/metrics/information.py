r"""Mutual information of latents and factors from histograms, and two scores computed from it: MIG and modularity.

With I_jk the mutual information of factor k and latent j, the latent cut into bins of equal width over its range, and
H_k the entropy of the factor, all from counts, in nats:

    MIG        = mean_k (I_(1)k - I_(2)k) / H_k                               (Chen et al., arXiv:1802.04942, eq. 6)
                 of the two latents most informative about factor k; [0, 1], 1 is one latent for each factor
    modularity = mean_j 1 - (sum_k I_jk^2 - max_k I_jk^2) / ((F - 1) max_k I_jk^2)
                 (Ridgeway & Mozer, arXiv:1802.05312, eq. 1 and 2); [0, 1], 1 is one factor in each latent; a latent
                 without any information counts 0

The values of a discrete factor are its bins; continuous factors are cut at quantiles, into bins of equal counts. Known
failures: MIG is 0 for a code that holds every factor twice, and two independent columns of N rows in 20 bins share
about (20 - 1)(20 - 1) / 2N nats by chance. Every resample uses the bins of all rows. The interval of modularity is the
bootstrap's; that of MIG comes from mirrored weights (auxvae.metrics.score), since its second largest information is
often chance alone, which rows drawn twice double. It covers the expected score of so many rows, which chance moves from
that of very many. The interval of modularity is too wide, up to 2.5 times, where every latent says something of every
factor, and covers 89 % or more elsewhere (tests/auxvae/test_coverage.py has both kinds of codes).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from auxvae.metrics.score import (
    RESAMPLES,
    Flags,
    Score,
    Table,
    group_of_rows,
    group_weights,
    interval,
    labelled,
    mirrored_interval,
    mirrored_weights,
)

BINS = 20
Weigh = Callable[[int, int], Float[ndarray, "S G"]]  # of rows and resamples: weights of groups, ones in the first row


def mig(codes: Table, factors: Table, discrete: Flags, bins: int = BINS, resamples: int = RESAMPLES) -> Score:
    """Mutual information gap of codes (N, D) and factors (N, F), discrete (F,); the matrix is I / H, (D, F)."""
    information, entropy = mutual_information(codes, factors, discrete, bins, resamples, mirrored_weights)
    share = _shares(information, entropy)
    return mirrored_interval(gap(share), len(np.asarray(codes)), labelled(share[0], codes, factors))


def modularity(codes: Table, factors: Table, discrete: Flags, bins: int = BINS, resamples: int = RESAMPLES) -> Score:
    """Modularity of codes (N, D) about factors (N, F), F > 1; the matrix is I in nats, (D, F)."""
    information, _ = mutual_information(codes, factors, discrete, bins, resamples)
    value = modularity_of(information)
    return interval(value, len(np.asarray(codes)), labelled(information[0], codes, factors))


def mig_of(information: Float[Tensor, "*R D F"], entropy: Float[Tensor, "S F"]) -> Float[Tensor, "*R"]:
    """MIG from mutual information and the factors' entropies; a factor of one value counts 0."""
    return gap(_shares(information, entropy))


def _shares(information: Tensor, entropy: Tensor) -> Tensor:
    return information / entropy.clamp(min=torch.finfo(entropy.dtype).tiny)[..., None, :]


def gap(matrix: Float[Tensor, "*S D F"]) -> Float[Tensor, "*S"]:
    """Mean over factors of the largest minus the second largest entry of each column; a single row counts in full."""
    if matrix.shape[-2] == 1:
        return matrix[..., 0, :].mean(-1)
    first, second = matrix.topk(2, dim=-2).values.unbind(-2)
    return (first - second).mean(-1)


def modularity_of(information: Float[Tensor, "*S D F"]) -> Float[Tensor, "*S"]:
    """Modularity from a matrix of mutual information."""
    squares = information.square()
    top = squares.amax(-1)
    deviation = (squares.sum(-1) - top) / (max(1, squares.shape[-1] - 1) * top)
    return torch.where(top > 0, 1 - deviation, 0).mean(-1)


def mutual_information(
    codes: Table, factors: Table, discrete: Flags, bins: int, resamples: int, weigh: Weigh = group_weights
) -> tuple[Float[Tensor, "S D F"], Float[Tensor, "S F"]]:
    """I of every latent and factor, H of every factor, one for each row of weights; the first is that of all rows."""
    latents = equal_bins(torch.from_numpy(np.asarray(codes, dtype=np.float64)), bins)
    columns = zip(np.asarray(factors, dtype=np.float64).T, np.asarray(discrete), strict=True)
    classes = np.stack([classes_of(column, column, bool(flag), bins) for column, flag in columns], 1)
    return information_of(latents, torch.from_numpy(classes), resamples, weigh)


def information_of(
    latents: Int[Tensor, "*R N D"], classes: Int[Tensor, "N F"], resamples: int = 0, weigh: Weigh = group_weights
) -> tuple[Float[Tensor, "*R S D F"], Float[Tensor, "S F"]]:
    """As mutual_information, from the bins of latents (..., N, D) of several runs and classes of factors (N, F)."""
    shares = (joint_shares(latents[..., j], classes, resamples, weigh) for j in range(latents.shape[-1]))
    parts = [(_entropy(s.sum(-1)), _entropy(s.sum(-2)), _entropy(s.flatten(-2))) for s in shares]
    information = torch.stack([(latent + factor - both).clamp(min=0) for latent, factor, both in parts], -2)
    factor_entropy = parts[0][1]
    return information, factor_entropy.reshape(-1, *factor_entropy.shape[-2:])[0]


def _entropy(share: Float[Tensor, "*S k"]) -> Float[Tensor, "*S"]:
    entropy: Tensor = torch.special.entr(share).sum(-1)
    return entropy


def joint_shares(
    latent: Int[Tensor, "*R N"], classes: Int[Tensor, "N F"], resamples: int, weigh: Weigh = group_weights
) -> Float[Tensor, "*R S F a b"]:
    """Joint distribution of the a bins of a latent and the b classes of each factor, one for each row of weights."""
    rows, factors = classes.shape
    shape = (factors, int(latent.max()) + 1, int(classes.max()) + 1)
    weights = torch.from_numpy(weigh(rows, resamples) if resamples else np.ones((1, 1))).to(latent.device)
    group = torch.from_numpy(group_of_rows(rows)).to(latent.device) if resamples else latent.new_zeros(rows)
    runs = torch.arange(latent.numel() // rows, device=latent.device)[:, None]
    head = (runs * weights.shape[1] + group) * factors
    cell = (head[..., None] + torch.arange(factors, device=latent.device)) * shape[1]
    cell = (cell + latent.reshape(-1, rows)[..., None]) * shape[2] + classes
    size = len(runs) * weights.shape[1] * math.prod(shape)
    counts = torch.bincount(cell.flatten(), minlength=size).double().reshape(len(runs), weights.shape[1], -1)
    resampled = (weights @ counts).reshape(*latent.shape[:-1], len(weights), *shape)
    return resampled / resampled.sum((-1, -2), keepdim=True)


def equal_bins(columns: Float[Tensor, "*R N D"], bins: int = BINS) -> Int[Tensor, "*R N D"]:
    """Bins of equal width from the least to the greatest value, 0 to bins - 1; the greatest is in the last."""
    x = columns.transpose(-1, -2).contiguous()
    low, high = x.amin(-1, keepdim=True), x.amax(-1, keepdim=True)
    edges = low + torch.arange(1, bins, device=x.device) * ((high - low) / bins)
    return torch.searchsorted(edges.contiguous(), x, right=True).transpose(-1, -2)


def classes_of(
    reference: Float[ndarray, " N"], rows: Float[ndarray, " M"], discrete: bool, bins: int = BINS
) -> Int[ndarray, " M"]:
    """Classes of rows (M,), counted from 0: by the values, or between the quantiles, of the reference rows (N,).

    A value that no reference row has is -1: no class that could be predicted.
    """
    if not discrete:
        return np.searchsorted(np.unique(np.quantile(reference, np.arange(1, bins) / bins)), rows, side="right")
    values = np.unique(reference)
    place = np.searchsorted(values, rows).clip(max=len(values) - 1)
    return np.where(values[place] == rows, place, -1)
