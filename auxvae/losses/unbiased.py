r"""Dependence of codes on factors, estimated without bias over a minibatch: 0 in expectation for independent columns.

    a_i^(p), b_i^(q)   standardised powers of a latent and of a factor in row i; the factor's are standardised by the
                       moments of all training rows, so that E b^(q) = 0
    U_pq   = 1/(n (n - 1)) sum_{i != j} a_i^(p) b_i^(q) a_j^(p) b_j^(q)       estimates Cov(a^(p), b^(q))^2
    U(a,b) = 1/K^2 sum_{p,q <= K} U_pq
    HSIC_u = 1/(n (n - 3)) [tr K L + 1'K1 1'L1 / ((n - 1)(n - 2)) - 2/(n - 2) 1'K L1]
                                                                              (Song et al., JMLR 2012, eq. 5)

with Gram matrices K and L whose diagonals are 0, of RBF kernels: of width 1 for two columns, r^1/2 for the r columns of
a block at once. HSIC_u is divided by (HSIC(K, K) HSIC(L, L))^1/2. Pairs of rows of which one is from an earlier batch,
which a queue keeps, enter U_pq, too, without gradient to that row.

Why not |rho| over the batch: at independence its expectation is (2 / (pi n))^1/2, which is not its least. A latent that
is large only where a factor is near its mean has a smaller one (E z^2 u^2 is 0.1 to 0.13 in place of 1), so that the
penalty is least at a dependence, and training finds that (docs/findings.md). Both estimates here have expectation 0 for
every code that is independent of the factors, although its own moments scale it: given the codes, the factors still
have mean 0 (U) and are exchangeable (HSIC_u).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from auxvae.losses.dependence import EPSILON, standardise
from auxvae.losses.kernels import features, squared_distances
from auxvae.losses.moments import Moments, moments, raised
from auxvae.losses.queue import Queue


def squared_covariances(
    a: Float[Tensor, "P B D"],
    b: Float[Tensor, "Q B F"],
    earlier_a: Float[Tensor, "P M D"],
    earlier_b: Float[Tensor, "Q M F"],
    in_use: Float[Tensor, " M"],
) -> Float[Tensor, "P Q D F"]:
    """U_pq of every column of a with every column of b, over this batch and the earlier rows in use."""
    rows, products = a.shape[1], torch.einsum("pbd,qbf->pqdf", a, b)
    squares = torch.einsum("pbd,qbf->pqdf", a.square(), b.square())
    before = torch.einsum("pmd,qmf->pqdf", earlier_a * in_use[:, None], earlier_b).detach()
    pairs = rows * (rows - 1) + 2 * rows * in_use.sum()
    return (products.square() - squares + 2 * products * before) / pairs


def of_powers(
    z: Float[Tensor, "B D"], u: Float[Tensor, "B F"], by: Moments, degree: int, queue: Queue
) -> Float[Tensor, "P Q D F"]:
    """U_pq of codes and factors; `by` has the factors' moments, the queue earlier codes beside their factors."""
    of_codes = moments(z, degree)
    earlier_z, earlier_u = queue.codes.split([z.shape[1], u.shape[1]], 1)
    return squared_covariances(
        raised(z, of_codes, degree),
        raised(u, by, degree),
        raised(earlier_z, of_codes, degree).detach(),
        raised(earlier_u, by, degree),
        queue.filled,
    )


def hsic_of_pairs(a: Float[Tensor, "B D"], b: Float[Tensor, "B F"]) -> Float[Tensor, "D F"]:
    """HSIC_u of every column of a with every column of b, from features, without arrays of B x B."""
    n, first, second = len(a), features(standardise(a)), features(standardise(b))
    products = torch.einsum("bik,bjl->ijkl", first, second).square().sum((2, 3))
    rows = [torch.einsum("bik,ik->bi", f, f.sum(0)) - 1 for f in (first, second)]  # row sums without the diagonal
    value = _combined(products - n, rows[0].sum(0)[:, None], rows[1].sum(0), rows[0].T @ rows[1], n)
    scale = [_variance_of(torch.einsum("bik,bil->ikl", c, c) / n) for c in (f - f.mean(0) for f in (first, second))]
    return value / (scale[0][:, None] * scale[1]).clamp(min=EPSILON).sqrt()


def _variance_of(covariance: Float[Tensor, "D k l"]) -> Float[Tensor, " D"]:
    return covariance.square().sum((1, 2))


def hsic_of_blocks(
    a: Float[Tensor, "B D"], b: Float[Tensor, "B F"], in_a: Float[Tensor, " D"], in_b: Float[Tensor, " F"]
) -> Float[Tensor, ""]:
    """HSIC_u of two blocks of columns, each one vector, that the 0/1 tensors mark; 0 for an empty block."""
    n = len(a)
    grams = [_gram(standardise(x) * marked, marked.sum().clamp(min=1)) for x, marked in ((a, in_a), (b, in_b))]
    scale = [_centred(gram).square().mean() for gram in grams]
    k, m = (gram - torch.eye(n, device=gram.device, dtype=gram.dtype) for gram in grams)
    rows = [each.sum(1) for each in (k, m)]
    value = _combined((k * m).sum(), rows[0].sum(), rows[1].sum(), rows[0] @ rows[1], n)
    none_is_empty = in_a.amax() * in_b.amax()
    return none_is_empty * value / (scale[0] * scale[1]).clamp(min=EPSILON).sqrt()


def _gram(x: Float[Tensor, "B D"], width: Float[Tensor, ""]) -> Float[Tensor, "B B"]:
    """Gram matrix of the RBF kernel of that squared width, with ones on its diagonal to the last digit."""
    gram = torch.exp(-squared_distances(x, x) / (2 * width))
    return torch.where(torch.eye(len(x), device=x.device, dtype=torch.bool), 1.0, gram)


def _centred(gram: Float[Tensor, "B B"]) -> Float[Tensor, "B B"]:
    mean: Tensor = gram.mean(0)
    return gram - mean - mean[:, None] + mean.mean()


def _combined(trace: Tensor, sum_k: Tensor, sum_l: Tensor, between: Tensor, n: int) -> Tensor:
    """HSIC_u from tr K L, 1'K1, 1'L1 and 1'K L1."""
    return (trace + sum_k * sum_l / ((n - 1) * (n - 2)) - 2 / (n - 2) * between) / (n * (n - 3))
