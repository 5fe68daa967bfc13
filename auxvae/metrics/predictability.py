r"""Latent predictability score (LPS): how well each latent can be predicted from the others (arXiv:2510.11953).

    R2_i = 1 - sum_n (z_ni - g_i(z_n,-i))^2 / sum_n (z_ni - mean z_i)^2      over held-out rows of five folds
    LPS  = mean_i max(0, R2_i)                                               range [0, 1], 0 is good

The paper does not say which regressor predicts. Three are offered, each as a metric: `lps`, networks with two layers of
64 units plus a linear term; `lps_ridge`, the linear term alone; `lps_trees`, gradient boosted trees. Latents are
standardised; those of variance below 1e-4 are *constant* and left out (NaN in the matrix, which holds R2_i), since
standardising would blow up noise to the size of a signal. For equicorrelated Gaussians R2_i is
rho^2 (d - 1) / (1 + (d - 2) rho). The interval is over the predicted rows, for fixed regressors.

The networks of all folds and of a block of latents are one batch of matrix products. They are trained by Adam for two
epochs of minibatches on at most 4,000 rows; then their last layer and the linear term are solved by least squares on
all training rows of the fold, with a ridge penalty on the hidden features chosen on a tenth of them, in place of early
stopping. Folds and initial weights depend on the number of rows alone. Of more than 128 latents, `lps` predicts 128 at
equal steps, each from all others: the mean over all is estimated.

Known failures: LPS sees the conditional mean only. Two uniforms rotated by 45 degrees, or a circle, are dependent and
score 0, so that `pair_dependence` complements it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import NDArray
from torch import Tensor

from auxvae.metrics.score import RESAMPLES, Score, Table, group_of_rows, group_weights, interval, names, some_latents
from auxvae.metrics.standardise import standard

Array = NDArray[np.float64]
Folds = Int[ndarray, " N"]
CONSTANT = 1e-4  # variance below which a latent is left out
FOLDS, WIDTH, EPOCHS, BATCH, RATE = 5, 64, 2, 250, 1e-2
BLOCK = 32  # latents that are predicted together
HIDDEN_ROWS = 4000  # at most so many train the hidden layers; the last layer uses all
RIDGES = (1e-4, 1e-2, 1.0)  # penalties, in units of the mean square of the features


def lps(codes: Table, resamples: int = RESAMPLES) -> Score:
    """LPS of codes (N, D) by networks; the matrix is R2 of each latent, (D,)."""
    return _lps(codes, networks, resamples)


def lps_ridge(codes: Table, resamples: int = RESAMPLES) -> Score:
    """LPS of codes (N, D) by linear regression; the matrix is R2 of each latent, (D,)."""
    return _lps(codes, linear, resamples)


def lps_trees(codes: Table, resamples: int = RESAMPLES) -> Score:
    """LPS of codes (N, D) by gradient boosted trees; the matrix is R2 of each latent, (D,)."""
    return _lps(codes, trees, resamples)


def _lps(codes: Table, predict: Callable[[Array, Folds], Array], resamples: int) -> Score:
    z = np.asarray(codes, dtype=np.float64)
    varies = z.var(0) > CONSTANT
    r2 = np.full((1 + resamples, z.shape[1]), np.nan)
    if varies.sum() > 1:
        columns = standard(z[:, varies])
        r2[:, varies] = _explained(columns, predict(columns, folds(len(z))), resamples)
    value = np.nan_to_num(r2.clip(0)).sum(1) / max(1, np.isfinite(r2[0]).sum())
    latents = names(codes, z.shape[1], "z")
    return interval(value, len(z), xr.DataArray(r2[0], {"latent": latents}, ["latent"]))


def _explained(z: Array, predicted: Array, resamples: int) -> Array:
    """R2 of every column, (1 + resamples, D), the first of all rows."""
    group = group_of_rows(len(z))
    sums = [np.stack([np.bincount(group, column) for column in each.T], 1) for each in ((z - predicted) ** 2, z**2)]
    weights = group_weights(len(z), resamples)
    return np.asarray(1 - (weights @ sums[0]) / (weights @ sums[1]))


def folds(rows: int) -> Folds:
    """The fold of every row, (N,), drawn with a key made of the number of rows."""
    return np.asarray(np.random.Generator(np.random.Philox(key=(rows, 2))).permutation(rows) % FOLDS)


def linear(z: Float[ndarray, "N D"], fold: Folds) -> Float[ndarray, "N D"]:
    """Every column predicted from the others, by least squares on the other folds."""
    predicted = np.empty_like(z)
    for k in range(FOLDS):
        training = z[fold != k]
        precision = np.linalg.inv(np.cov(training.T, bias=True) + 1e-9 * np.eye(z.shape[1]))
        weights = np.eye(z.shape[1]) - precision / precision.diagonal()
        mean = training.mean(0)
        predicted[fold == k] = (z[fold == k] - mean) @ weights + mean
    return predicted


def trees(z: Float[ndarray, "N D"], fold: Folds) -> Float[ndarray, "N D"]:
    """Every column predicted from the others, by gradient boosted trees grown on the other folds."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    predicted = np.empty_like(z)
    for k in range(FOLDS):
        for j in range(z.shape[1]):
            others = np.delete(z, j, 1)
            model = HistGradientBoostingRegressor(random_state=0).fit(others[fold != k], z[fold != k, j])
            predicted[fold == k, j] = model.predict(others[fold == k])
    return predicted


def networks(z: Float[ndarray, "N D"], fold: Folds) -> Float[ndarray, "N D"]:
    """Every column predicted from the others, by networks of two layers plus a linear term.

    Blocks of predicted columns at a time: the layers of all, with their gradients, take 1.6 MB for each of 512. NaN in
    the columns that are not predicted, where there are many.
    """
    source = torch.Generator().manual_seed(len(z))
    columns, predicted = torch.from_numpy(z).float(), np.full_like(z, np.nan)
    size = int(np.bincount(fold, minlength=FOLDS).max())
    training = torch.stack([_shuffled(np.flatnonzero(fold != k), len(z) - size, source) for k in range(FOLDS)])
    start = _drawn_layers(z.shape[1], source)
    batches = _batches(training[:, :HIDDEN_ROWS], source)
    for block in torch.from_numpy(some_latents(z.shape[1])).split(BLOCK):
        layers = _hidden_layers(columns, block, [layer[:, block] for layer in start], batches)
        for k in range(FOLDS):
            held_out = np.flatnonzero(fold == k)
            of_fold = [layer[k] for layer in layers]
            of_block = _last_layer(of_fold, columns, block, training[k], torch.from_numpy(held_out))
            predicted[np.ix_(held_out, block)] = of_block.numpy()
    return predicted


def _shuffled(rows: NDArray[np.intp], size: int, source: torch.Generator) -> Tensor:
    return torch.from_numpy(rows)[torch.randperm(len(rows), generator=source)[:size]]


def _drawn_layers(latents: int, source: torch.Generator) -> list[Tensor]:
    """Weights to start from, of every fold and latent: (K, D, D + 1, W), (K, D, W, W) and zeros (K, D, W, 1)."""
    shapes = ((latents + 1, WIDTH), (WIDTH, WIDTH), (WIDTH, 1))
    return [torch.randn(FOLDS, latents, a, b, generator=source).mul_((2 / a) ** 0.5 * (b > 1)) for a, b in shapes]


def _batches(training: Int[Tensor, "K M"], source: torch.Generator) -> list[Tensor]:
    """The rows of every minibatch, (K, B), from the training rows (K, M)."""
    orders = [torch.randperm(training.shape[1], generator=source) for _ in range(EPOCHS)]
    return [rows for order in orders for rows in training[:, order].split(BATCH, 1)]


def _hidden_layers(
    z: Float[Tensor, "N D"], block: Int[Tensor, " b"], start: list[Tensor], batches: list[Tensor]
) -> list[Tensor]:
    """The first two layers of every fold and latent of the block, (K, b, D + 1, W) and (K, b, W, W), trained."""
    latents = z.shape[1]
    blind = 1 - torch.eye(latents, latents + 1)[block, :, None]
    skip = torch.zeros(FOLDS, len(block), latents + 1, 1)
    parameters = [each.requires_grad_() for each in (*start, skip)]
    first, second, last, _ = parameters
    optimiser = torch.optim.Adam(parameters, lr=RATE, fused=True)
    for rows in batches:
        x = _with_constant(z[rows])[:, None]
        output = _hidden(x, first * blind, second) @ last + x @ (skip * blind)
        optimiser.zero_grad()
        (output[..., 0] - z[rows][..., block].transpose(1, 2)).square().mean(-1).sum().backward()
        optimiser.step()
    return [(first * blind).detach(), second.detach()]


def _with_constant(z: Float[Tensor, "*K M D"]) -> Float[Tensor, "*K M D+1"]:
    return torch.cat([z, torch.ones_like(z[..., :1])], -1)


def _hidden(x: Tensor, first: Tensor, second: Tensor) -> Tensor:
    return torch.relu(torch.relu(x @ first) @ second)


def _last_layer(
    layers: list[Tensor],
    z: Float[Tensor, "N D"],
    block: Int[Tensor, " b"],
    training: Int[Tensor, " M"],
    held_out: Int[Tensor, " H"],
) -> Float[Tensor, "H b"]:
    """Predictions for held-out rows, by last layers of W + D + 1 weights solved on nine tenths of the training rows.

    The other tenth chooses the ridge penalty.
    """
    tenth = len(training) // 10
    fit, choose, test = (_features(z[rows], block, layers) for rows in (training[tenth:], training[:tenth], held_out))
    gram = fit.transpose(1, 2) @ fit / fit.shape[1]
    moment = fit.transpose(1, 2) @ z[training[tenth:]][:, block].T[..., None] / fit.shape[1]
    weights = torch.cat([torch.linalg.solve(gram + _ridge(gram, len(z.T), share), moment) for share in RIDGES], -1)
    error = (choose @ weights - z[training[:tenth]][:, block].T[..., None]).square().mean(1)
    best = weights.gather(-1, error.argmin(-1)[:, None, None].expand(-1, weights.shape[1], 1))
    return (test @ best)[..., 0].T


def _ridge(gram: Tensor, latents: int, share: float) -> Tensor:
    """A diagonal penalty on the hidden features, and a negligible one on the linear term, which comes last."""
    scale = gram.diagonal(dim1=1, dim2=2).mean(1)[:, None].expand(-1, gram.shape[1]).clone()
    scale[:, -latents - 1 :] *= 1e-6
    return torch.diag_embed(scale * share + 1e-6)


def _features(z: Float[Tensor, "M D"], block: Int[Tensor, " b"], layers: list[Tensor]) -> Float[Tensor, "b M C"]:
    """For every predicted latent: hidden features, the other latents (the latent itself is set to 0), a constant."""
    others = _with_constant(z * (1 - torch.eye(z.shape[1]))[block, None])
    return torch.cat([_hidden(_with_constant(z)[None], *layers), others], -1)
