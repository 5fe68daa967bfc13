r"""Maximum mean discrepancy between codes z (n, d) and samples y (m, d) of a prior (arXiv 2510.11953; Gretton 2012).

    MMD^2 = 1/(n(n-1)) sum_{i != j} k(z_i, z_j) + 1/(m(m-1)) sum_{i != j} k(y_i, y_j) - 2/(nm) sum_ij k(z_i, y_j)

unbiased, so that it may be negative. Three views of the same codes, since a joint kernel is blind to a single
dependent pair at d >= 32 (docs/mmd.md measures it):

    joint      k over all latents at once                                      n x n, auxvae.losses.kernels.kernel
    marginal   k over one latent, against the prior's mean features            linear in n, by features
    pairs      |C_z - C_y|^2, C the covariance of the features of two latents  linear in n, by features

The pairs are centred, so that they see what two latents have in common and leave their marginals to the marginal
term; for a prior of independent latents they are HSIC. Not centred, the chance error of a marginal enters d - 1 pairs
at once and hides a dependent one. Centring leaves a bias of order 1/n^2.

In blocks: the mean of the joint MMD^2 over disjoint blocks of b rows (Zaremba et al., NeurIPS 2013), linear in n.

With codes of earlier batches (`past`, without gradient) beside those of the batch, z stands for all of them in the
value, and the gradient is that of the batch's codes moving among them, on the scale of a batch alone: weights keep
their meaning. The latents are weighed by `mask` (d,): where it is 0 a latent plays no part.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from auxvae.config.latents import Mmd
from auxvae.losses.kernels import bandwidth, features, kernel, squared_distances

Codes = Float[Tensor, "n d"]
Scalar = Float[Tensor, ""]
Together = Callable[[Tensor], tuple[Tensor, Tensor]]  # sums over rows of the products of features, and of their sizes


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


def marginal(
    z: Codes, past: Float[Tensor, "Q d"], expected: Float[Tensor, "d k"], width: float = 1.0
) -> Float[Tensor, " d"]:
    """Unbiased MMD^2 of each latent alone, (d,), by an RBF kernel of that width, from the prior's mean features."""
    mine, older = features(z, width), features(past, width)
    seen = _rescaled(mine.sum(0), older.sum(0), len(z), len(past))
    own = seen.square().sum(-1)
    return _unbiased((seen - expected).square().sum(-1), (own, torch.ones_like(own), len(z) + len(past)))


def expected_features(draw: Callable[[int], Float[Tensor, "n d"]], width: float) -> Float[Tensor, "d k"]:
    """Mean features under a prior, (d, 2 m), from 65,536 samples: draw(i) gives the i-th part of them, (4096, d)."""
    return torch.stack([features(draw(i), width).mean(0) for i in range(16)]).mean(0)


def pairs(
    z: Codes, past: Float[Tensor, "Q d"], y: Float[Tensor, "m d"] | None, width: float = 1.0
) -> Float[Tensor, "d d"]:
    """Distance of the covariances of every pair of latents, (d, d); the diagonal means nothing.

    Without y the prior's latents are independent of each other, and C_y is 0 exactly.
    """

    def together(f: Float[Tensor, "n d k"]) -> tuple[Float[Tensor, "d d k k"], Float[Tensor, "d d"]]:
        _, d, k = f.shape
        flat, sizes = f.flatten(1), f.square().sum(-1)
        return (flat.T @ flat).reshape(d, k, d, k).transpose(1, 2), sizes.T @ sizes

    theirs = None if y is None else features(y, width)
    return _covariances(features(z, width), features(past, width), theirs, together)


def chosen_pairs(
    z: Codes, past: Float[Tensor, "Q d"], y: Float[Tensor, "m d"] | None, chosen: Int[Tensor, "2 P"], width: float = 1.0
) -> Float[Tensor, " P"]:
    """The same for the pairs (first, second) of latents that are named, (P,)."""

    def together(f: Float[Tensor, "n d k"]) -> tuple[Float[Tensor, "P k k"], Float[Tensor, " P"]]:
        first, second = f[:, chosen[0]], f[:, chosen[1]]
        sizes = (first.square().sum(-1) * second.square().sum(-1)).sum(0)
        return torch.einsum("npk,npl->pkl", first, second), sizes

    theirs = None if y is None else features(y, width)
    return _covariances(features(z, width), features(past, width), theirs, together)


def _covariances(mine: Tensor, older: Tensor, theirs: Tensor | None, together: Together) -> Tensor:
    """|C_z - C_y|^2 of every pair, C the covariance of their features, the diagonals of the estimates taken out."""
    centre = torch.cat([mine, older]).mean(0).detach()  # moving it changes no covariance
    now, before = together(mine - centre), together(older - centre)
    seen, size = (_rescaled(a, b, len(mine), len(older)) for a, b in zip(now, before, strict=True))
    own = (seen.square().sum((-1, -2)), size, len(mine) + len(older))
    if theirs is None:
        return _unbiased(own[0], own)
    wanted, their_size = (each / len(theirs) for each in together(theirs - theirs.mean(0)))
    other = (wanted.square().sum((-1, -2)), their_size, len(theirs))
    return _unbiased((seen - wanted).square().sum((-1, -2)), own, other)


def _rescaled(mine: Tensor, older: Tensor, n: int, past: int) -> Tensor:
    """Sums over the batch and the queue as a mean over both, with the gradient of a mean over the batch alone."""
    mean = mine / n
    return (mine + older).detach() / (n + past) + mean - mean.detach()


def _unbiased(apart: Tensor, *means: tuple[Tensor, Tensor, int]) -> Tensor:
    """Take what each row has with itself out of |a_z - a_y|^2: (n |a|^2 - mean_i |a_i|^2) / (n - 1) is for |a|^2."""
    for square, itself, n in means:
        apart = apart + (square - itself) / (n - 1)
    return apart
