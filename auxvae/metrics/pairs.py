r"""Distance correlation of pairs of latents, which is 0 for independent latents only (Szekely et al., Ann. Stat. 2007).

    pair_dependence         mean over pairs i < j of the distance correlation of z_i and z_j; [0, 1], 0 is independent
    pair_dependence_floor   the same after shuffling the rows of each latent: its value under independence, by chance

At most 1,000 rows, and the pairs of 128 latents at equal steps where there are more. Rows drawn twice look dependent,
and deleted ones count the chance part of the statistic twice, so that the interval comes from mirrored weights
(auxvae.metrics.score). It covers the expected score of so many rows, which is above that of very many by up to the
floor. Shuffles depend on the number of rows alone. Known failure: it does not see the dependence of three latents that
are independent in pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Float32, Int
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
    some_latents,
)
from auxvae.metrics.standardise import standard

Array = NDArray[np.float64]
PAIRED_ROWS = 1000
BLOCK = 32  # latents whose distance matrices are in memory together with those of as many others: 0.8 GB


class Block(NamedTuple):
    """Some latents: their centred distances by pairs of groups, and what follows for each row of weights.

    Rows are in the order of their groups, each padded to m rows with zeros. cells: (G G, D, m m). means: the weighted
    mean distance A_k. of every row, (S, D, G m). overall: the weighted mean A.. of those, (S, D). rows: the weights of
    the rows, (S, G m), and total: their sum over the rows that there are, (S, 1).
    """

    cells: NDArray[np.float32]
    means: Array
    overall: Array
    rows: Array
    total: Array


def pair_dependence(codes: Table, resamples: int = RESAMPLES) -> Score:
    """Mean distance correlation over pairs of latents of codes (N, D); the matrix holds all pairs, (D, D)."""
    z = np.asarray(codes, dtype=np.float64)[:PAIRED_ROWS]
    chosen, latents = some_latents(z.shape[1]), names(codes, z.shape[1], "z")
    means, of_chosen = _of_pairs(z[:, chosen], mirrored_weights(len(z), resamples))
    first = np.full((len(latents), len(latents)), np.nan)
    first[np.ix_(chosen, chosen)] = of_chosen
    matrix = xr.DataArray(first, {"latent": latents, "other": latents}, ["latent", "other"])
    return mirrored_interval(means, len(z), matrix)


def pair_dependence_floor(codes: Table) -> Score:
    """The score of independent latents with the same marginals: the rows of each latent are shuffled."""
    z = np.asarray(codes, dtype=np.float64)
    z = z[:, some_latents(z.shape[1])]
    source = np.random.Generator(np.random.Philox(key=len(z)))
    shuffled = np.stack([source.permutation(column) for column in z.T], 1)[:PAIRED_ROWS]
    return exact(float(_of_pairs(shuffled, mirrored_weights(len(shuffled), 0))[0][0]), len(shuffled))


def _of_pairs(z: Float[ndarray, "N D"], weights: Float[ndarray, "S G"]) -> tuple[Float[ndarray, " S"], Array]:
    """Mean distance correlation of the pairs for each row of weights, (S,), and all of the first row, (D, D).

    Latents are standardised, as single precision does not hold squares of every unit, and the score has none. Pairs of
    blocks of latents at a time, from the last block on: the distance matrices of all would take 4 N^2 D bytes.
    """
    z, latents = standard(z), z.shape[1]
    blocks = [np.arange(start, min(start + BLOCK, latents)) for start in range(0, latents, BLOCK)]
    total, first, spread = np.zeros(len(weights)), np.zeros((latents, latents)), np.zeros((len(weights), latents))
    for i in reversed(range(len(blocks))):
        a, one = blocks[i], _block(z[:, blocks[i]], weights)
        for b in blocks[i:]:
            covariance = _covariances(one, one if b is a else _block(z[:, b], weights), weights)
            if b is a:
                spread[:, a] = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2).clip(0))
            drawn = _correlation(covariance, spread[:, a], spread[:, b])
            total += drawn[:, a[:, None] < b].sum(1)
            first[np.ix_(a, b)], first[np.ix_(b, a)] = drawn[0], drawn[0].T
    return total / max(1, latents * (latents - 1) // 2), first


def _block(z: Float[ndarray, "N D"], weights: Float[ndarray, "S G"]) -> Block:
    group, groups = group_of_rows(len(z)), weights.shape[1]
    size = -(-len(z) // groups)
    order = np.argsort(group, kind="stable")
    place = group[order] * size + np.arange(len(z)) - np.searchsorted(group[order], group[order])
    cells = np.empty((groups, groups, z.shape[1], size, size), dtype=np.float32)
    sums = np.empty((z.shape[1], groups, groups * size))
    for j, latent in enumerate(z[order].T):
        padded = _padded(_centred(latent), place, groups * size).reshape(groups, size, groups, size)
        cells[:, :, j] = padded.swapaxes(1, 2)
        sums[j] = padded.sum(1, dtype=np.float64).reshape(groups, -1)
    rows, total = np.repeat(weights, size, 1), (weights @ np.bincount(group).astype(np.float64))[:, None]
    means = np.einsum("sg,dgn->sdn", weights, sums, optimize=True) / total[..., None]
    overall = (means @ rows[..., None])[..., 0] / total
    return Block(cells.reshape(groups**2, -1, size**2), means, overall, rows, total)


def _padded(square: Float32[ndarray, "N N"], place: Int[ndarray, " N"], size: int) -> Float32[ndarray, "M M"]:
    """Rows and columns at their places among `size`, with zeros between."""
    if size == len(square):
        return square
    padded = np.zeros((size, size), dtype=np.float32)
    padded[np.ix_(place, place)] = square
    return padded


def _centred(latent: Float[ndarray, " N"]) -> Float32[ndarray, "N N"]:
    """The doubly centred distance matrix: less the means of row and column, plus the overall mean."""
    distances = np.abs(latent[:, None] - latent).astype(np.float32)
    rows = distances.mean(1)
    distances -= rows[:, None]
    distances -= rows - rows.mean()
    return np.asarray(distances)


def _covariances(one: Block, other: Block, weights: Float[ndarray, "S G"]) -> Float[ndarray, "S D E"]:
    """Squared distance covariances of the latents of two blocks, for each row of weights of the groups.

    With W the sum of the weights of all rows and A_k. = sum_l w_l A_kl / W, doubly centred for those weights anew:
    1/W^2 sum_kl w_k w_l A_kl B_kl - 2/W sum_k w_k A_k. B_k. + A.. B.. .
    """
    groups, total = weights.shape[1], one.total[..., None]
    products = (one.cells @ other.cells.transpose(0, 2, 1)).astype(np.float64)
    products = products.reshape(groups, groups, *products.shape[1:])
    both = np.einsum("sg,sh,ghde->sde", weights, weights, products, optimize=True) / total**2
    by_row = (one.means * one.rows[:, None]) @ other.means.transpose(0, 2, 1) / total
    return np.asarray(both - 2 * by_row + one.overall[:, :, None] * other.overall[:, None])


def _correlation(
    covariance: Float[ndarray, "S D E"], one: Float[ndarray, "S D"], other: Float[ndarray, "S E"]
) -> Float[ndarray, "S D E"]:
    """Distance correlations from distance covariances and standard deviations; 0 where a latent is constant."""
    scale = one[:, :, None] * other[:, None]
    return np.asarray(np.sqrt(np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0).clip(0)))
