r"""The codes of many images taken together: how independent they are, and how they lie beside their prior.

Of the covariance C of the codes (N, D), by the bootstrap of auxvae.metrics.score:

    total_correlation       1/2 (sum_j log C_jj - log det C), nats, of a Gaussian with that covariance; 0 is good,
                            copies of a latent count 14 nats each; latents that do not vary are left out
    wasserstein_correlation 2 tr C - 2 tr (D^1/2 C D^1/2)^1/2, D the diagonal of C: squared 2-Wasserstein distance of
                            that Gaussian from the one without correlations; in the codes' unit squared; 0 is good
    covariance_ratio        sum_j C_jj^2 / sum_ij C_ij^2; [1/D, 1], 1 is uncorrelated   (arXiv 2510.11953, Table 5)

of the codes themselves, by a jackknife over ten blocks of rows, since rows that are drawn twice look dependent:

    pair_dependence         mean over pairs i < j of the distance correlation of z_i and z_j (Szekely et al. 2007),
                            which sees any dependence; [0, 1]; ..._floor where the rows of each latent are
                            shuffled. 1,000 rows at most.
    prior_distance          mean over 200 directions of the 1-Wasserstein distance between codes and prior samples
    prior_marginals         the same over the axes alone, each latent by itself
    prior_mmd               unbiased MMD^2 with the IMQ kernels of auxvae.losses.kernels; 1,000 rows at most
    prior_ks                mean over latents of the two-sample Kolmogorov-Smirnov distance; [0, 1]
    ..._floor               the same between two samples of the prior of that size: what a perfect match scores

Samples of the posterior are compared, as the prior asks, and in the prior's unit: nothing is standardised. Directions
and shuffles are fixed by the number of latents and rows. Known failures: the first three see the line alone; distances
in random directions of many latents are all near Gaussian and see single latents little, which the marginals do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray
from scipy.stats import ks_2samp, wasserstein_distance
from torch import Tensor

from auxvae.config.latents import Mmd
from auxvae.losses.mmd import joint
from auxvae.losses.queue import empty_queue
from auxvae.metrics.moments import correlations, covariances
from auxvae.metrics.score import BLOCKS, RESAMPLES, Rows, Score, Table, exact, interval, jackknife, jackknifed, names

Array = NDArray[np.float64]
DIRECTIONS = 200
PAIRED_ROWS = 1000
SINGULAR = 1e-12  # least eigenvalue of a correlation matrix: copies of a latent count 14 nats each


def total_correlation(codes: Table, resamples: int = RESAMPLES) -> Score:
    """Total correlation of codes (N, D) as of a Gaussian, in nats; the matrix is their correlation, (D, D)."""
    covariance = _covariances(codes, resamples)
    rho = correlations(covariance)
    return _of_samples(total_correlation_of(covariance), codes, rho, np.inf)


def wasserstein_correlation(codes: Table, resamples: int = RESAMPLES) -> Score:
    """Squared Wasserstein distance of codes (N, D) from uncorrelated ones, as of Gaussians; the matrix is C, (D, D)."""
    covariance = _covariances(codes, resamples)
    return _of_samples(wasserstein_correlation_of(covariance), codes, covariance, np.inf)


def covariance_ratio(codes: Table, resamples: int = RESAMPLES) -> Score:
    """Share of the diagonal in the squared entries of the covariance of codes (N, D); the matrix is C, (D, D)."""
    covariance = _covariances(codes, resamples)
    return _of_samples(covariance_ratio_of(covariance), codes, covariance)


def total_correlation_of(covariance: Float[Tensor, "*S D D"]) -> Float[Tensor, "*S"]:
    """The same of covariance matrices."""
    rho = correlations(covariance)
    constant = (rho.diagonal(dim1=-2, dim2=-1) == 0).to(rho.dtype)
    spread = torch.linalg.eigvalsh(rho + torch.diag_embed(constant))
    nats: Tensor = -0.5 * spread.clamp(min=SINGULAR).log().sum(-1)
    return nats


def wasserstein_correlation_of(covariance: Float[Tensor, "*S D D"]) -> Float[Tensor, "*S"]:
    """The same of covariance matrices."""
    root = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    spread = torch.linalg.eigvalsh(root[..., :, None] * covariance * root[..., None, :])
    distance: Tensor = 2 * (root.square().sum(-1) - spread.clamp(min=0).sqrt().sum(-1))
    return distance


def covariance_ratio_of(covariance: Float[Tensor, "*S D D"]) -> Float[Tensor, "*S"]:
    """The same of covariance matrices; nothing but constants is uncorrelated."""
    squares = covariance.square()
    total = squares.sum((-1, -2))
    return torch.where(total > 0, squares.diagonal(dim1=-2, dim2=-1).sum(-1) / total, 1)


def _covariances(codes: Table, resamples: int) -> Float[Tensor, "S D D"]:
    """Unbiased covariance matrices, (1 + resamples, D, D)."""
    z = torch.from_numpy(np.asarray(codes, dtype=np.float64))
    return covariances(z, resamples) * (len(z) / (len(z) - 1))


def _of_samples(value: Tensor, codes: Table, matrix: Tensor, most: float = 1) -> Score:
    latents = names(codes, matrix.shape[-1], "z")
    square = xr.DataArray(matrix[0].numpy(), {"latent": latents, "other": latents}, ["latent", "other"])
    return interval(value, len(np.asarray(codes)), square, most=most)


def pair_dependence(codes: Table) -> Score:
    """Mean distance correlation over pairs of latents of codes (N, D); the matrix holds all pairs, (D, D)."""
    centred = _centred(np.asarray(codes, dtype=np.float64)[:PAIRED_ROWS])
    latents = names(codes, len(centred), "z")
    whole = _correlated(_products(centred))
    matrix = xr.DataArray(whole, {"latent": latents, "other": latents}, ["latent", "other"])
    left = [_mean_pair(_correlated(products)) for products in _left_out(centred)]
    return jackknifed(_mean_pair(whole), left, centred.shape[1])._replace(matrix=matrix)


def pair_dependence_floor(codes: Table) -> Score:
    """What codes of these marginals and of no dependence score, by shuffling the rows of each latent."""
    z = np.asarray(codes, dtype=np.float64)
    source = np.random.Generator(np.random.Philox(key=len(z)))
    shuffled = np.stack([source.permutation(column) for column in z.T], 1)[:PAIRED_ROWS]
    return exact(_mean_pair(_correlated(_products(_centred(shuffled)))), len(shuffled))


def _mean_pair(matrix: Array) -> float:
    return float(matrix[np.triu_indices(len(matrix), 1)].mean()) if len(matrix) > 1 else 0.0


def _centred(codes: Float[ndarray, "N D"]) -> Float[ndarray, "D N N"]:
    """Distances of the rows in every latent, less the means of row and column."""
    distances = np.abs(codes.T[:, :, None] - codes.T[:, None, :]).astype(np.float32)
    rows = distances.mean(2)
    distances -= rows[:, :, None]
    distances -= (rows - rows.mean(1, keepdims=True))[:, None, :]
    return np.asarray(distances)


def _products(distances: Float[ndarray, "D M N"]) -> Float[ndarray, "D D"]:
    flat = distances.reshape(len(distances), -1)
    return np.asarray((flat @ flat.T).astype(np.float64))


def _left_out(centred: Float[ndarray, "D N N"]) -> Iterator[Float[ndarray, "D D"]]:
    """Squared distance covariances of the latents with one block of rows left out at a time.

    Sums over the rows kept are those over all rows less those over the block, and centring anew takes away what the
    rows' sums have become: sum A B - 2/m sum_k A_k. B_k. + 1/m^2 A.. B.. .
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


def _correlated(products: Float[ndarray, "D D"]) -> Float[ndarray, "D D"]:
    """Distance correlations of distance covariances; 0 where a latent does not vary."""
    own = np.sqrt(products.diagonal().clip(0))
    scale = own[:, None] * own
    return np.asarray(np.sqrt(np.divide(products, scale, out=np.zeros_like(products), where=scale > 0).clip(0)))


def divergence(mean: Float[ndarray, "N D"], log_variance: Float[ndarray, "N D"]) -> Float[ndarray, "N D"]:
    """KL of each posterior from N(0, 1), nats of every row and latent, (N, D): 1/2 (s^2 + m^2 - 1 - log s^2)."""
    return np.asarray(0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance))


def match_scores(codes: Float[ndarray, "N D"], prior: Float[ndarray, "M D"]) -> dict[str, Score]:
    """Every measure of the match of codes (N, D) and a prior, from 2 N samples of it (2 N, D), and their floors."""
    sample, again = prior[: len(prior) // 2], prior[len(prior) // 2 :]
    scores = {}
    for name, measure in MATCH.items():
        scores[name] = jackknife(_near(measure, codes, sample), len(codes))
        scores[f"{name}_floor"] = exact(measure(again, sample), len(codes))
    return scores


def _near(measure: Callable[[Array, Array], float], codes: Array, sample: Array) -> Callable[[Rows], float]:
    return lambda rows: measure(codes[rows], sample)


def sliced_wasserstein(codes: Float[ndarray, "N D"], prior: Float[ndarray, "M D"]) -> float:
    """Mean 1-Wasserstein distance over random directions."""
    return marginal_wasserstein(projected(codes), projected(prior))


def projected(rows: Float[ndarray, "N D"]) -> Float[ndarray, "N P"]:
    """Rows along the random directions, (N, 200), which their number of columns decides."""
    directions = np.random.Generator(np.random.Philox(key=0)).standard_normal((DIRECTIONS, rows.shape[1]))
    return np.asarray(rows @ (directions / np.linalg.norm(directions, axis=1, keepdims=True)).T)


def marginal_wasserstein(codes: Float[ndarray, "N D"], prior: Float[ndarray, "M D"]) -> float:
    """Mean 1-Wasserstein distance of the columns."""
    return float(np.mean([wasserstein_distance(a, b) for a, b in zip(codes.T, prior.T, strict=True)]))


def prior_mmd(codes: Float[ndarray, "N D"], prior: Float[ndarray, "M D"]) -> float:
    """Unbiased MMD^2 with the mixture of IMQ kernels, of 1,000 rows each at most."""
    z, y = (torch.from_numpy(rows[:PAIRED_ROWS]) for rows in (codes, prior))
    return float(joint(z, empty_queue(0, z.shape[1]), y[: len(z)], torch.from_numpy(prior.var(0)), Mmd()))


def marginal_ks(codes: Float[ndarray, "N D"], prior: Float[ndarray, "M D"]) -> float:
    """Mean Kolmogorov-Smirnov distance of the columns."""
    return float(np.mean([ks_2samp(a, b).statistic for a, b in zip(codes.T, prior.T, strict=True)]))


MATCH: dict[str, Callable[[Array, Array], float]] = {
    "prior_distance": sliced_wasserstein,
    "prior_marginals": marginal_wasserstein,
    "prior_mmd": prior_mmd,
    "prior_ks": marginal_ks,
}
