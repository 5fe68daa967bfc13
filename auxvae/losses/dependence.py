r"""How much one column depends on another, over a minibatch: correlations of powers (arXiv 2507.00298, eq. 7 to 9).

    R_0^K(a, b) = 1/K^2 sum_{p,q <= K} |rho(a^p, b^q)|          0 where a and b are uncorrelated
    R_1^K(a, b) = 1/K   sum_{p <= K}  (1 - rho(a^p, b^p))       0 where a follows b; signed: a mirror image costs

rho is Pearson's correlation over the batch. Columns are standardised before they are raised to a power, with 1e-8
added to their variance, so that a constant latent gives 0 and not NaN. `normalise=False` sums, as the released
code does.

Alternatives that are sensitive to any dependence (the paper's first open question):

    HSIC(a, b) = |Cov(phi(a), phi(b))|^2 / (|Cov(phi(a))| |Cov(phi(b))|)      in [0, 1]; phi of losses.kernels.features,
                                                                              RBF of one standard deviation (ALT 2005)
    MINE(a, b) = E_joint T(a, b) - log E_shuffled exp T(a, b)                    nats (arXiv 1801.04062, eq. 10)

with a small network T for every pair of columns (models.critics). Deviation: the gradient of the logarithm is that of
the batch, without the moving average of the paper.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from auxvae.losses.kernels import features

EPSILON = 1e-8


def standardise(a: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
    """Columns of (B, D) with mean 0 and variance 1; a constant column becomes 0."""
    centred = a - a.mean(0)
    return centred / (centred.square().mean(0) + EPSILON).sqrt()


def powers(a: Float[Tensor, "B D"], degree: int) -> Float[Tensor, "K B D"]:
    """Standardised powers 1..K of the standardised columns, shape (K, B, D)."""
    once = standardise(a)
    raised = torch.stack([once**p for p in range(1, degree + 1)])
    centred = raised - raised.mean(1, keepdim=True)
    return centred / (centred.square().mean(1, keepdim=True) + EPSILON).sqrt()


def correlations(a: Float[Tensor, "B D"], b: Float[Tensor, "B F"]) -> Float[Tensor, "D F"]:
    """Pearson's rho of every column of a (B, D) with every column of b (B, F), shape (D, F)."""
    return standardise(a).T @ standardise(b) / len(a)


def r0(a: Float[Tensor, "B D"], b: Float[Tensor, "B F"], degree: int, normalise: bool = True) -> Float[Tensor, "D F"]:
    """R_0^K of every column of a (B, D) with every column of b (B, F), shape (D, F)."""
    rho = torch.einsum("pbd,qbf->pqdf", powers(a, degree), powers(b, degree)) / len(a)
    return rho.abs().mean((0, 1)) if normalise else rho.abs().sum((0, 1))


def r1(a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], degree: int, normalise: bool = True) -> Float[Tensor, " D"]:
    """R_1^K of each column of a (B, D) with the same column of b (B, D), shape (D,)."""
    missing = 1 - (powers(a, degree) * powers(b, degree)).mean(1)
    return missing.mean(0) if normalise else missing.sum(0)


def hsic(a: Float[Tensor, "B D"], b: Float[Tensor, "B F"]) -> Float[Tensor, "D F"]:
    """HSIC of every standardised column of a (B, D) with every one of b (B, F), scaled to [0, 1], (D, F)."""
    first, second = _centred_features(a), _centred_features(b)
    across = torch.einsum("bik,bjl->ijkl", first, second).square().sum((2, 3))
    squares = [torch.einsum("bik,bil->ikl", f, f).square().sum((1, 2)) for f in (first, second)]
    return across / ((squares[0][:, None] * squares[1]) + EPSILON).sqrt()


def _centred_features(a: Float[Tensor, "B D"]) -> Float[Tensor, "B D k"]:
    """Features of the RBF kernel of one standard deviation, centred."""
    phi = features(standardise(a))
    return phi - phi.mean(0)


def mutual_information(joint: Float[Tensor, "B D F"], shuffled: Float[Tensor, "B D F"]) -> Float[Tensor, "D F"]:
    """Donsker-Varadhan bound in nats, (D, F), from a critic's values on paired rows and on shuffled ones."""
    return joint.mean(0) - (shuffled.logsumexp(0) - math.log(len(shuffled)))
