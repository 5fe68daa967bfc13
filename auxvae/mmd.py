r"""Maximum mean discrepancy between codes z (n, d) and samples y (m, d) of a prior (arXiv 2510.11953; Gretton 2012).

    MMD^2 = 1/(n(n-1)) sum_{i != j} k(z_i, z_j) + 1/(m(m-1)) sum_{i != j} k(y_i, y_j) - 2/(nm) sum_ij k(z_i, y_j)

unbiased, so that it may be negative. Three views of the same codes, since a joint kernel is blind to a single
dependent pair at d >= 32 (docs/mmd.md measures it):

    joint      k over all latents at once                                      n x n, auxvae.kernels.kernel
    marginal   k over one latent, summed over latents                          linear in n, by features
    pairs      k(z_i, z_i') k(z_j, z_j') over two latents, mean over pairs     linear in n, by features

In blocks: the mean of the joint MMD^2 over disjoint blocks of b rows (Zaremba et al., NeurIPS 2013), linear in n.

With codes of earlier batches (`past`, without gradient) beside those of the batch, z stands for all of them in the
value, and the gradient is that of the batch's codes moving among them, on the scale of a batch alone: weights keep
their meaning. The latents are weighed by `mask` (d,): where it is 0 a latent plays no part.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from auxvae.kernels import bandwidth, features, kernel, squared_distances
from auxvae.latents import Mmd

Codes = Float[Tensor, "n d"]
Scalar = Float[Tensor, ""]


def joint(z: Codes, past: Float[Tensor, "Q d"], y: Float[Tensor, "m d"], variance: Tensor, mmd: Mmd) -> Scalar:
    """Unbiased MMD^2 of all latents at once; variance (d,) is the prior's, for the bandwidth."""
    across = squared_distances(z, y)
    base = bandwidth(mmd, variance, across)
    if mmd.block is not None and mmd.block < len(z):
        return _blocks(z, y, base, mmd)
    inside = kernel(squared_distances(z, torch.cat([z, past]).detach()), base, mmd.kernel, mmd.scales)
    zz = _without_itself(inside)
    yy = _without_itself(kernel(squared_distances(y[: len(z)], y), base, mmd.kernel, mmd.scales))
    zy = kernel(across, base, mmd.kernel, mmd.scales).mean()
    return 2 * zz - zz.detach() + yy - 2 * zy  # each code moves among all others, held still: twice the gradient


def _without_itself(gram: Float[Tensor, "n N"]) -> Scalar:
    """Mean of a Gram matrix (n, N) whose first n columns are its rows, their diagonal of ones left out."""
    n, columns = gram.shape
    return (gram.sum() - gram.diagonal().sum()) / (n * (columns - 1))


def _blocks(z: Codes, y: Float[Tensor, "m d"], base: Tensor, mmd: Mmd) -> Scalar:
    """Mean of MMD^2 over disjoint blocks; rows beyond the last whole block play no part."""
    size = mmd.block or len(z)
    total = torch.zeros_like(z[0, 0])
    count = len(z) // size
    for i in range(count):
        both = torch.cat([z[i * size : (i + 1) * size], y[i * size : (i + 1) * size]])
        gram = kernel(squared_distances(both, both), base, mmd.kernel, mmd.scales)
        inside = _without_itself(gram[:size, :size]) + _without_itself(gram[size:, size:])
        total = total + inside - 2 * gram[:size, size:].mean()
    return total / count


def marginal(z: Codes, past: Float[Tensor, "Q d"], y: Float[Tensor, "m d"]) -> Float[Tensor, " d"]:
    """Unbiased MMD^2 of each latent alone, (d,)."""
    mine, older, theirs = features(z), features(past), features(y)
    seen = _moving(mine.sum(0), older.sum(0), len(z), len(past))
    wanted = theirs.mean(0)
    return _unbiased((seen - wanted).square().sum(-1), (seen.square().sum(-1), len(z) + len(past)),
                     (wanted.square().sum(-1), len(y)))  # fmt: skip


def pairs(z: Codes, past: Float[Tensor, "Q d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "d d"]:
    """Unbiased MMD^2 of every pair of latents, (d, d); the diagonal means nothing."""
    mine, older, theirs = features(z), features(past), features(y)
    seen = _moving(_moments(mine), _moments(older), len(z), len(past))
    return _distance(seen, _moments(theirs) / len(y), len(z) + len(past), len(y))


def chosen_pairs(
    z: Codes, past: Float[Tensor, "Q d"], y: Float[Tensor, "m d"], chosen: Int[Tensor, "2 P"]
) -> Float[Tensor, " P"]:
    """Unbiased MMD^2 of the pairs (first, second) of latents that are named, (P,)."""
    mine, older, theirs = features(z), features(past), features(y)
    each = [torch.einsum("npk,npl->pkl", f[:, chosen[0]], f[:, chosen[1]]) for f in (mine, older, theirs)]
    seen = _moving(each[0], each[1], len(z), len(past))
    wanted = each[2] / len(y)
    return _unbiased((seen - wanted).square().sum((-1, -2)), (seen.square().sum((-1, -2)), len(z) + len(past)),
                     (wanted.square().sum((-1, -2)), len(y)))  # fmt: skip


def _moments(f: Float[Tensor, "n d k"]) -> Float[Tensor, "d k d k"]:
    """Sum over rows of the products of all features of all latents: one matrix product."""
    n, d, k = f.shape
    flat = f.reshape(n, d * k)
    return (flat.T @ flat).reshape(d, k, d, k)


def _distance(seen: Tensor, wanted: Tensor, n: int, m: int) -> Float[Tensor, "d d"]:
    apart, own, theirs = (each.square().sum((1, 3)) for each in (seen - wanted, seen, wanted))
    return _unbiased(apart, (own, n), (theirs, m))


def _moving(mine: Tensor, older: Tensor, n: int, past: int) -> Tensor:
    """Mean over batch and queue, with the gradient of a mean over the batch alone."""
    mean = mine / n
    return (mine + older).detach() / (n + past) + mean - mean.detach()


def _unbiased(biased: Tensor, z: tuple[Tensor, int], y: tuple[Tensor, int]) -> Tensor:
    """Take the diagonals, each k(z, z) = 1, out of |mean_z - mean_y|^2."""
    for square, n in (z, y):
        biased = biased + (square - 1) / (n - 1)
    return biased
