r"""Maximum mean discrepancy between codes z (n, d) and samples y (m, d) of a prior (arXiv 2510.11953; Gretton 2012).

    MMD^2 = 1/(n(n-1)) sum_{i != j} k(z_i, z_j) + 1/(m(m-1)) sum_{i != j} k(y_i, y_j) - 2/(nm) sum_ij k(z_i, y_j)

This is the unbiased estimate (U-statistic), so it may be negative. Three views of the same codes, since a joint kernel
is blind to a single dependent pair at d >= 32 (docs/mmd.md measures it):

    joint      k over all latents at once                                      n x n, losses.kernels.kernel
    marginal   k over one latent, against the prior's mean features            linear in n, by features
    pairs      |C_z - C_y|^2, C the covariance of the features of two latents  linear in n, by features

The pairs are centred: they measure the dependence of two latents, and their marginals are left to the marginal term.
For a prior of independent latents they equal HSIC. Without the centring, the sampling error of one marginal would enter
d - 1 pairs at once and hide a dependent one. Centring leaves a bias of order 1/n^2.

In blocks: the mean of the joint MMD^2 over disjoint blocks of b rows (Zaremba et al., NeurIPS 2013), linear in n.

The codes of earlier batches (`Queue`, without gradient) extend the batch: the value is the estimate from all rows. The
gradient moves the codes of the batch alone, and is as large as without the queue, so that the weight of a term means
the same with any queue.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from auxvae.config.latents import Mmd
from auxvae.losses.kernels import bandwidth, features, kernel, squared_distances
from auxvae.losses.queue import Queue

Codes = Float[Tensor, "n d"]
Scalar = Float[Tensor, ""]
Moments = Callable[[Tensor], tuple[Tensor, Tensor]]  # sums over rows of the products of features, and of their squares


def joint(z: Codes, queue: Queue, y: Float[Tensor, "m d"], variance: Tensor, mmd: Mmd) -> Scalar:
    """Unbiased MMD^2 of all latents at once; variance (d,) is the prior's, for the bandwidth."""
    across = squared_distances(z, y)
    base = bandwidth(mmd, variance, across)
    if mmd.block is not None and mmd.block < len(z):
        return _mean_over_blocks(z, y, base, mmd)
    inside = kernel(squared_distances(z, torch.cat([z, queue.codes]).detach()), base, mmd.kernel, mmd.scales)
    zz = _mean_off_diagonal(inside, torch.cat([torch.ones_like(z[:, 0]), queue.filled]))
    yy = _mean_off_diagonal(kernel(squared_distances(y[: len(z)], y), base, mmd.kernel, mmd.scales))
    zy = kernel(across, base, mmd.kernel, mmd.scales).mean()
    # Each code moves among all the others, which are held fixed: half the gradient of the symmetric sum, so twice zz.
    return 2 * zz - zz.detach() + yy - 2 * zy


def _mean_off_diagonal(gram: Float[Tensor, "n N"], weight: Float[Tensor, " N"] | None = None) -> Scalar:
    """Mean without the diagonal of a Gram matrix (n, N) whose first n columns are its rows; columns have weights."""
    n, columns = gram.shape
    weighted, count = (gram, columns) if weight is None else (gram * weight, weight.sum())
    return (weighted.sum() - weighted.diagonal().sum()) / (n * (count - 1))


def _mean_over_blocks(z: Codes, y: Float[Tensor, "m d"], base: Tensor, mmd: Mmd) -> Scalar:
    """Mean of MMD^2 over disjoint blocks; the rows after the last whole block are not used."""
    size = mmd.block or len(z)
    total = torch.zeros_like(z[0, 0])
    count = len(z) // size
    for i in range(count):
        both = torch.cat([z[i * size : (i + 1) * size], y[i * size : (i + 1) * size]])
        gram = kernel(squared_distances(both, both), base, mmd.kernel, mmd.scales)
        inside = _mean_off_diagonal(gram[:size, :size]) + _mean_off_diagonal(gram[size:, size:])
        total = total + inside - 2 * gram[:size, size:].mean()
    return total / count


def marginal(
    z: Codes, queue: Queue, prior_features: Float[Tensor, "d k"], width: Tensor | float = 1.0
) -> Float[Tensor, " d"]:
    """Unbiased MMD^2 of each latent alone, (d,), with an RBF kernel of that width, from the prior's mean features."""
    batch, earlier = features(z, width), features(queue.codes, width) * queue.filled[:, None, None]
    mean = _mean_with_queue(batch.sum(0), earlier.sum(0), len(z), queue)
    square = mean.square().sum(-1)
    rows = len(z) + queue.filled.sum()  # every row of features has length 1
    return _unbiased((mean - prior_features).square().sum(-1), (square, torch.ones_like(square), rows))


def pairs(z: Codes, queue: Queue, y: Float[Tensor, "m d"] | None, width: Tensor | float = 1.0) -> Float[Tensor, "d d"]:
    """Squared distance of the feature covariances of every pair of latents, (d, d); the diagonal means nothing.

    Without y the latents of the prior are independent of each other, and C_y is 0 exactly.
    """

    def moments(f: Float[Tensor, "n d k"]) -> tuple[Float[Tensor, "d d k k"], Float[Tensor, "d d"]]:
        _, d, k = f.shape
        flat, squares = f.flatten(1), f.square().sum(-1)
        return (flat.T @ flat).reshape(d, k, d, k).transpose(1, 2), squares.T @ squares

    prior = None if y is None else features(y, width)
    return _covariance_distance(features(z, width), features(queue.codes, width), queue, prior, moments)


def chosen_pairs(
    z: Codes,
    queue: Queue,
    y: Float[Tensor, "m d"] | None,
    chosen: Int[Tensor, "2 P"],
    width: Tensor | float = 1.0,
) -> Float[Tensor, " P"]:
    """Squared distance of the feature covariances for the chosen pairs (first, second) of latents, (P,)."""

    def moments(f: Float[Tensor, "n d k"]) -> tuple[Float[Tensor, "P k k"], Float[Tensor, " P"]]:
        first, second = f[:, chosen[0]], f[:, chosen[1]]
        squares = (first.square().sum(-1) * second.square().sum(-1)).sum(0)
        return torch.einsum("npk,npl->pkl", first, second), squares

    prior = None if y is None else features(y, width)
    return _covariance_distance(features(z, width), features(queue.codes, width), queue, prior, moments)


def _covariance_distance(
    batch: Tensor, earlier: Tensor, queue: Queue, prior: Tensor | None, moments: Moments
) -> Tensor:
    """|C_z - C_y|^2 of every pair, C the covariance of their features, without the i = j terms of the estimates."""
    filled = queue.filled[:, None, None]
    rows = len(batch) + queue.filled.sum()
    centre = ((batch.sum(0) + (earlier * filled).sum(0)) / rows).detach()  # a shift changes no covariance: no gradient
    now, before = moments(batch - centre), moments((earlier - centre) * filled)
    mean, square = (_mean_with_queue(a, b, len(batch), queue) for a, b in zip(now, before, strict=True))
    codes = (mean.square().sum((-1, -2)), square, rows)
    if prior is None:
        return _unbiased(codes[0], codes)
    target, target_square = (each / len(prior) for each in moments(prior - prior.mean(0)))
    samples = (target.square().sum((-1, -2)), target_square, len(prior))
    return _unbiased((mean - target).square().sum((-1, -2)), codes, samples)


def _mean_with_queue(batch: Tensor, earlier: Tensor, n: int, queue: Queue) -> Tensor:
    """The mean over batch and queue from the sums over each, with the gradient of a mean over the batch alone."""
    mean = batch / n
    return (batch + earlier).detach() / (n + queue.filled.sum()) + mean - mean.detach()


def _unbiased(distance: Tensor, *estimates: tuple[Tensor, Tensor, Tensor | int]) -> Tensor:
    """Subtract the i = j terms (U-statistic) of |a_z - a_y|^2 for each estimated mean a.

    An estimate is (|a|^2, mean_i |a_i|^2, n), and n |a|^2 / (n - 1) - mean_i |a_i|^2 / (n - 1) stands for |a|^2.
    """
    for square, mean_of_squares, n in estimates:
        distance = distance + (square - mean_of_squares) / (n - 1)
    return distance
