r"""How much one column depends on another, over a minibatch: correlations of powers (arXiv 2507.00298, eq. 7 to 9).

    R_0^K(a, b) = 1/K^2 sum_{p,q <= K} |rho(a^p, b^q)|          0 where a says nothing of b
    R_1^K(a, b) = 1/K   sum_{p <= K}  (1 - rho(a^p, b^p))       0 where a follows b; signed: a mirror image costs

rho is Pearson's correlation over the batch. Columns are standardised before they are raised to a power, with 1e-8
added to their variance, so that a dead latent gives 0 and not NaN. `normalise=False` gives the released sums.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

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
    lost = 1 - (powers(a, degree) * powers(b, degree)).mean(1)
    return lost.mean(0) if normalise else lost.sum(0)
