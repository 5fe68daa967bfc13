r"""Latent predictability score (LPS): how well each latent can be told from the others (arXiv 2510.11953).

    R2_i = 1 - sum_n (z_ni - g_i(z_n,-i))^2 / sum_n (z_ni - mean z_i)^2      over rows that g_i has not seen, five folds
    LPS  = mean_i max(0, R2_i)                                               range [0, 1], 0 is good

The paper names no regressor. Here, each as a metric of its own: `lps`, networks of two layers of 64 beside a linear
term; `lps_ridge`, the linear term alone; `lps_trees`, gradient boosted trees. Latents are standardised, those of
variance below 1e-4 left out (NaN in the matrix, which holds R2_i). For equicorrelated Gaussians R2_i is
rho^2 (d - 1) / (1 + (d - 2) rho). The interval is that of the rows told, the regressors held still.

The networks of all folds and latents are one batch of matrix products. They are trained by Adam for two epochs of
minibatches on 4,000 rows at most; then their last layer, the linear term within it, is solved exactly by least squares
on all rows that they may learn from, with the ridge on the hidden features that is best on a tenth of them kept aside:
the place of early stopping. Rows are dealt to folds and weights drawn by address.

Blind spots: LPS sees the conditional mean alone. Two uniforms turned by 45 degrees, or a circle, are dependent and
score 0: `pair_dependence` stands beside it.
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

from auxvae.metrics.alignment import standard
from auxvae.metrics.score import RESAMPLES, Score, Table, group_of_rows, group_weights, interval, names

Array = NDArray[np.float64]
Folds = Int[ndarray, " N"]
REST = 1e-4  # variance below which a latent is left out
FOLDS, WIDTH, EPOCHS, BATCH, SPEED = 5, 64, 2, 250, 1e-2
SHOWN = 4000  # rows that hidden layers are trained on, at most; the last layer takes all
RIDGES = (1e-4, 1e-2, 1.0)  # shares of the mean square of the features


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
    live = z.var(0) > REST
    r2 = np.full((1 + resamples, z.shape[1]), np.nan)
    if live.sum() > 1:
        known = standard(z[:, live])
        r2[:, live] = _explained(known, predict(known, folds(len(z))), resamples)
    value = np.nan_to_num(r2.clip(0)).sum(1) / max(1, live.sum())
    latents = names(codes, z.shape[1], "z")
    return interval(value, len(z), xr.DataArray(r2[0], {"latent": latents}, ["latent"]))


def _explained(known: Array, told: Array, resamples: int) -> Array:
    """R2 of every column, (1 + resamples, D), the first of all rows."""
    group = group_of_rows(len(known))
    sums = [np.stack([np.bincount(group, column) for column in each.T], 1) for each in ((known - told) ** 2, known**2)]
    weights = group_weights(len(known), resamples).numpy()
    return np.asarray(1 - (weights @ sums[0]) / (weights @ sums[1]))


def folds(rows: int) -> Folds:
    """The fold of every row, (N,), dealt by an address made of the number of rows."""
    return np.asarray(np.random.Generator(np.random.Philox(key=(rows, 2))).permutation(rows) % FOLDS)


def linear(z: Float[ndarray, "N D"], fold: Folds) -> Float[ndarray, "N D"]:
    """Every column told from the others by least squares on the other folds."""
    told = np.empty_like(z)
    for k in range(FOLDS):
        seen = z[fold != k]
        precision = np.linalg.inv(np.cov(seen.T, bias=True) + 1e-9 * np.eye(z.shape[1]))
        weights = np.eye(z.shape[1]) - precision / precision.diagonal()
        mean = seen.mean(0)
        told[fold == k] = (z[fold == k] - mean) @ weights + mean
    return told


def trees(z: Float[ndarray, "N D"], fold: Folds) -> Float[ndarray, "N D"]:
    """Every column told from the others by gradient boosted trees grown on the other folds."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    told = np.empty_like(z)
    for k in range(FOLDS):
        for j in range(z.shape[1]):
            others = np.delete(z, j, 1)
            model = HistGradientBoostingRegressor(random_state=0).fit(others[fold != k], z[fold != k, j])
            told[fold == k, j] = model.predict(others[fold == k])
    return told


def networks(z: Float[ndarray, "N D"], fold: Folds) -> Float[ndarray, "N D"]:
    """Every column told from the others by networks of two layers beside a linear term."""
    source = torch.Generator().manual_seed(len(z))
    rows, told = torch.from_numpy(z).float(), np.empty_like(z)
    size = int(np.bincount(fold, minlength=FOLDS).max())
    seen = torch.stack([_drawn(np.flatnonzero(fold != k), len(z) - size, source) for k in range(FOLDS)])
    layers = _trained(rows, seen[:, :SHOWN], source)
    for k in range(FOLDS):
        held = np.flatnonzero(fold == k)
        told[held] = _solved([layer[k] for layer in layers], rows, seen[k], torch.from_numpy(held)).numpy()
    return told


def _drawn(rows: NDArray[np.intp], size: int, source: torch.Generator) -> Tensor:
    return torch.from_numpy(rows)[torch.randperm(len(rows), generator=source)[:size]]


def _trained(z: Float[Tensor, "N D"], seen: Int[Tensor, "K M"], source: torch.Generator) -> list[Tensor]:
    """The first two layers of every fold and latent, (K, D, D + 1, W) and (K, D, W, W), from rows seen, (K, M)."""
    latents = z.shape[1]
    blind = 1 - torch.eye(latents, latents + 1)[:, :, None]
    shapes = ((latents + 1, WIDTH), (WIDTH, WIDTH), (WIDTH, 1))
    first, second, last = (
        torch.randn(len(seen), latents, a, b, generator=source) * (2 / a) ** 0.5 * (b > 1) for a, b in shapes
    )
    skip = torch.zeros(len(seen), latents, latents + 1, 1)
    trained = [each.requires_grad_() for each in (first, second, last, skip)]
    optimiser = torch.optim.Adam(trained, lr=SPEED, fused=True)
    for _ in range(EPOCHS):
        for at in seen[:, torch.randperm(seen.shape[1], generator=source)].split(BATCH, 1):
            x = _with_constant(z[at])[:, None]
            made = _hidden(x, first * blind, second) @ last + x @ (skip * blind)
            optimiser.zero_grad()
            (made[..., 0] - z[at].transpose(1, 2)).square().mean(-1).sum().backward()
            optimiser.step()
    return [(first * blind).detach(), second.detach()]


def _with_constant(z: Float[Tensor, "*K M D"]) -> Float[Tensor, "*K M D+1"]:
    return torch.cat([z, torch.ones_like(z[..., :1])], -1)


def _hidden(x: Tensor, first: Tensor, second: Tensor) -> Tensor:
    return torch.relu(torch.relu(x @ first) @ second)


def _solved(layers: list[Tensor], z: Tensor, seen: Int[Tensor, " M"], held: Int[Tensor, " H"]) -> Float[Tensor, "H D"]:
    """Last layers (W + D + 1 weights each) solved on nine tenths of the rows seen, and told for the rows held out."""
    aside = len(seen) // 10
    learned, judged, told = (_features(z[rows], layers) for rows in (seen[aside:], seen[:aside], held))
    gram = learned.transpose(1, 2) @ learned / learned.shape[1]
    moment = learned.transpose(1, 2) @ z[seen[aside:]].T[..., None] / learned.shape[1]
    weights = torch.cat([torch.linalg.solve(gram + _ridge(gram, len(z.T), share), moment) for share in RIDGES], -1)
    error = (judged @ weights - z[seen[:aside]].T[..., None]).square().mean(1)
    best = weights.gather(-1, error.argmin(-1)[:, None, None].expand(-1, weights.shape[1], 1))
    return (told @ best)[..., 0].T


def _ridge(gram: Tensor, latents: int, share: float) -> Tensor:
    """A diagonal that holds back the hidden features, and hardly the linear term, which stands last."""
    scale = gram.diagonal(dim1=1, dim2=2).mean(1)[:, None].expand(-1, gram.shape[1]).clone()
    scale[:, -latents - 1 :] *= 1e-6
    return torch.diag_embed(scale * share + 1e-6)


def _features(z: Float[Tensor, "M D"], layers: list[Tensor]) -> Float[Tensor, "D M C"]:
    """Hidden features, the other latents (a latent's own column is 0) and a constant, for every latent to be told."""
    others = _with_constant(z * (1 - torch.eye(z.shape[1]))[:, None])
    return torch.cat([_hidden(_with_constant(z)[None], *layers), others], -1)
