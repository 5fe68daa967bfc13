r"""Distance correlation of pairs of latents, which is 0 for independent latents only (Szekely et al., Ann. Stat. 2007).

    pair_dependence         mean over pairs i < j of the distance correlation of z_i and z_j; [0, 1], 0 is independent
    pair_dependence_floor   the same after shuffling the rows of each latent: its value under independence, by chance

At most 1,000 rows. The interval is a jackknife over ten blocks of rows, because rows drawn twice look dependent.
Shuffles depend on the number of rows alone. Known failure: it does not see the dependence of three latents that are
independent in pairs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from auxvae.metrics.score import BLOCKS, Score, Table, exact, jackknifed, names

Array = NDArray[np.float64]
PAIRED_ROWS = 1000


def pair_dependence(codes: Table) -> Score:
    """Mean distance correlation over pairs of latents of codes (N, D); the matrix holds all pairs, (D, D)."""
    centred = _centred(np.asarray(codes, dtype=np.float64)[:PAIRED_ROWS])
    latents = names(codes, len(centred), "z")
    whole = _correlation(_products(centred))
    matrix = xr.DataArray(whole, {"latent": latents, "other": latents}, ["latent", "other"])
    replicates = [_mean_of_pairs(_correlation(products)) for products in _with_a_block_deleted(centred)]
    return jackknifed(_mean_of_pairs(whole), replicates, centred.shape[1])._replace(matrix=matrix)


def pair_dependence_floor(codes: Table) -> Score:
    """The score of independent latents with the same marginals: the rows of each latent are shuffled."""
    z = np.asarray(codes, dtype=np.float64)
    source = np.random.Generator(np.random.Philox(key=len(z)))
    shuffled = np.stack([source.permutation(column) for column in z.T], 1)[:PAIRED_ROWS]
    return exact(_mean_of_pairs(_correlation(_products(_centred(shuffled)))), len(shuffled))


def _mean_of_pairs(matrix: Array) -> float:
    return float(matrix[np.triu_indices(len(matrix), 1)].mean()) if len(matrix) > 1 else 0.0


def _centred(codes: Float[ndarray, "N D"]) -> Float[ndarray, "D N N"]:
    """Doubly centred distance matrices of the latents: less the means of row and column, plus the overall mean."""
    distances = np.abs(codes.T[:, :, None] - codes.T[:, None, :]).astype(np.float32)
    rows = distances.mean(2)
    distances -= rows[:, :, None]
    distances -= (rows - rows.mean(1, keepdims=True))[:, None, :]
    return np.asarray(distances)


def _products(distances: Float[ndarray, "D M N"]) -> Float[ndarray, "D D"]:
    flat = distances.reshape(len(distances), -1)
    return np.asarray((flat @ flat.T).astype(np.float64))


def _with_a_block_deleted(centred: Float[ndarray, "D N N"]) -> Iterator[Float[ndarray, "D D"]]:
    """Squared distance covariances of the latents, with each block of rows deleted in turn.

    Sums over the m rows that remain are those over all rows less those over the block; then re-centre after deleting
    the block: sum A B - 2/m sum_k A_k. B_k. + 1/m^2 A.. B.. .
    """
    rows = np.arange(centred.shape[1])
    strips = [centred[:, rows % BLOCKS == block] for block in range(min(BLOCKS, len(rows)))]
    whole = sum((_products(strip) for strip in strips), np.zeros((len(centred),) * 2))
    for block, strip in enumerate(strips):
        kept = rows % BLOCKS != block
        products = whole - 2 * _products(strip) + _products(strip[:, :, ~kept])
        sums = -strip[:, :, kept].sum(1, dtype=np.float64)
        total = sums.sum(1)
        yield products - 2 / kept.sum() * sums @ sums.T + np.outer(total, total) / kept.sum() ** 2


def _correlation(products: Float[ndarray, "D D"]) -> Float[ndarray, "D D"]:
    """Distance correlations from distance covariances; 0 where a latent is constant."""
    spread = np.sqrt(products.diagonal().clip(0))
    scale = spread[:, None] * spread
    return np.asarray(np.sqrt(np.divide(products, scale, out=np.zeros_like(products), where=scale > 0).clip(0)))
