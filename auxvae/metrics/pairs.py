r"""Distance correlation of pairs of latents, which is 0 for independent latents only (Szekely et al., Ann. Stat. 2007).

    pair_dependence         mean over pairs i < j of the distance correlation of z_i and z_j; [0, 1], 0 is independent
    pair_dependence_floor   the same after shuffling the rows of each latent: its value under independence, by chance

At most 1,000 rows. Rows drawn twice look dependent, and deleted ones count the chance part of the statistic twice, so
that the interval comes from mirrored weights (auxvae.metrics.score). It covers the expected score of so many rows,
which is above that of very many by up to the floor. Shuffles depend on the number of rows alone. Known failure: it does
not see the dependence of three latents that are independent in pairs.
"""

from __future__ import annotations

import itertools

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import NDArray

from auxvae.metrics.score import (
    RESAMPLES,
    Score,
    Table,
    exact,
    group_of_rows,
    mirrored_interval,
    mirrored_weights,
    names,
)

Array = NDArray[np.float64]
PAIRED_ROWS = 1000
BLOCK = 16  # latents whose distance matrices are in memory together, twice


def pair_dependence(codes: Table, resamples: int = RESAMPLES) -> Score:
    """Mean distance correlation over pairs of latents of codes (N, D); the matrix holds all pairs, (D, D)."""
    z = np.asarray(codes, dtype=np.float64)[:PAIRED_ROWS]
    means, first = _of_pairs(z, mirrored_weights(len(z), resamples))
    latents = names(codes, z.shape[1], "z")
    matrix = xr.DataArray(first, {"latent": latents, "other": latents}, ["latent", "other"])
    return mirrored_interval(means, len(z), matrix)


def pair_dependence_floor(codes: Table) -> Score:
    """The score of independent latents with the same marginals: the rows of each latent are shuffled."""
    z = np.asarray(codes, dtype=np.float64)
    source = np.random.Generator(np.random.Philox(key=len(z)))
    shuffled = np.stack([source.permutation(column) for column in z.T], 1)[:PAIRED_ROWS]
    return exact(float(_of_pairs(shuffled, np.ones((1, 1)))[0][0]), len(shuffled))


def _of_pairs(z: Float[ndarray, "N D"], weights: Float[ndarray, "S G"]) -> tuple[Float[ndarray, " S"], Array]:
    """Mean distance correlation of the pairs for each row of weights, (S,), and all of the first row, (D, D).

    Pairs of blocks of latents at a time: the distance matrices of all would take 4 N^2 D bytes.
    """
    latents = z.shape[1]
    blocks = [np.arange(start, min(start + BLOCK, latents)) for start in range(0, latents, BLOCK)]
    total, first = np.zeros(len(weights)), np.zeros((latents, latents))
    for a, b in itertools.combinations_with_replacement(range(len(blocks)), 2):
        both = blocks[a] if a == b else np.concatenate([blocks[a], blocks[b]])
        drawn = _correlation(_products(_centred(z[:, both]), weights))
        upper = (both[:, None] < both) if a == b else (both[:, None] <= blocks[a][-1]) & (both > blocks[a][-1])
        total += drawn[:, upper].sum(1)
        first[np.ix_(both, both)] = drawn[0]
    return total / max(1, latents * (latents - 1) // 2), first


def _centred(codes: Float[ndarray, "N D"]) -> Float[ndarray, "D N N"]:
    """Doubly centred distance matrices of the latents: less the means of row and column, plus the overall mean."""
    distances = np.abs(codes.T[:, :, None] - codes.T[:, None, :]).astype(np.float32)
    rows = distances.mean(2)
    distances -= rows[:, :, None]
    distances -= (rows - rows.mean(1, keepdims=True))[:, None, :]
    return np.asarray(distances)


def _products(centred: Float[ndarray, "D N N"], weights: Float[ndarray, "S G"]) -> Float[ndarray, "S D D"]:
    """Squared distance covariances of the latents, for each row of weights of the groups (or of the single group).

    With W the sum of the weights of all rows and A_k. = sum_l w_l A_kl / W, doubly centred for those weights anew:
    1/W^2 sum_kl w_k w_l A_kl B_kl - 2/W sum_k w_k A_k. B_k. + A.. B.. .
    """
    group = group_of_rows(centred.shape[1]) if weights.shape[1] > 1 else np.zeros(centred.shape[1], dtype=np.intp)
    total = (weights @ np.bincount(group))[:, None, None]
    products, sums = _in_groups(centred, group)
    both = np.einsum("sg,sh,ghde->sde", weights, weights, products, optimize=True) / total**2
    means = np.einsum("sg,gdn->sdn", weights, sums, optimize=True) / total
    weighted = means * weights[:, None, group]
    overall = weighted.sum(-1) / total[..., 0]
    return np.asarray(both - 2 * weighted @ means.transpose(0, 2, 1) / total + overall[:, :, None] * overall[:, None])


def _in_groups(
    centred: Float[ndarray, "D N N"], group: Int[ndarray, " N"]
) -> tuple[Float[ndarray, "G G D D"], Float[ndarray, "G D N"]]:
    """Sums of A_kl B_kl over the rows k of one group and l of another, (G, G, D, D), and of A_kl over k, (G, D, N)."""
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max() + 1))
    products, sums = [], []
    for rows in np.split(order, starts[1:]):
        strip = centred[:, rows]
        sums.append(strip.sum(1, dtype=np.float64))
        columns = strip[:, :, order].transpose(2, 0, 1)
        of_columns = (columns @ columns.transpose(0, 2, 1)).astype(np.float64)
        products.append(np.add.reduceat(of_columns, starts))
    return np.stack(products), np.stack(sums)


def _correlation(products: Float[ndarray, "*S D D"]) -> Float[ndarray, "*S D D"]:
    """Distance correlations from distance covariances; 0 where a latent is constant."""
    spread = np.sqrt(np.diagonal(products, axis1=-2, axis2=-1).clip(0))
    scale = spread[..., :, None] * spread[..., None, :]
    return np.asarray(np.sqrt(np.divide(products, scale, out=np.zeros_like(products), where=scale > 0).clip(0)))
