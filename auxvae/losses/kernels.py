r"""Kernels between codes: of a squared distance D, or as Fourier features of single latents.

    imq                 mean_s C / (C + D),  C = s b           inverse multiquadratic, heavy tails (arXiv 1711.01558)
    rbf                 mean_s exp(-D / (s b))                 so that h^2 = s b / 2
    laplace             mean_s exp(-sqrt(D / (s b)))
    rational_quadratic  mean_s (1 + D / (2 s b))^{-s}

over the scales s, with the bandwidth b. All are 1 at D = 0. Rules for b: `prior`, the mean squared distance of two
prior samples, 2 sum_j var(z_j), which is the 2 d sigma^2 of arXiv 1711.01558; `median`, the median D between codes
and prior samples of the batch; or a number.

Features: by the midpoint rule over the spectrum of the RBF kernel of width h,

    exp(-(x - y)^2 / (2 h^2)) = sum_w a_w cos(t_w (x - y)),      t_w = (w + 1/2) pi / (6 h),   a_w ~ exp(-t_w^2 h^2 / 2)

so that a one-dimensional kernel mean is the mean of 2 m numbers, and a product kernel over two latents is a matrix
product: linear in the batch, without arrays of n x n. With m = 8 the error is below 2e-3 for |x - y| < 8 h (tested).
The approximation is periodic with period 24 h, and positive definite everywhere, since every a_w is positive.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from auxvae.config.latents import Mmd

NARROWEST = 1e-12  # smallest bandwidth, for codes that are all equal
NODES = 8  # positive frequencies of the features


def squared_distances(a: Float[Tensor, "N d"], b: Float[Tensor, "M d"]) -> Float[Tensor, "N M"]:
    """|a_i - b_j|^2, (N, M), from (N, d) and (M, d), without an array of N x M x d."""
    return (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp(min=0)


Radial = Callable[[Tensor, Tensor, float], Tensor]
KERNELS: dict[str, Radial] = {
    "imq": lambda squared, base, s: s * base / (s * base + squared),
    "rbf": lambda squared, base, s: torch.exp(-squared / (s * base)),
    "laplace": lambda squared, base, s: torch.exp(-((squared + 1e-12) / (s * base)).sqrt()),
    "rational_quadratic": lambda squared, base, s: (1 + squared / (2 * s * base)) ** -s,
}


def kernel(
    squared: Float[Tensor, "N M"], base: Float[Tensor, ""], name: str, scales: tuple[float, ...]
) -> Float[Tensor, "N M"]:
    """The mixture over the scales, of squared distances (N, M) and a bandwidth, in the squared unit of the codes."""
    total = KERNELS[name](squared, base, scales[0])
    for s in scales[1:]:
        total = total + KERNELS[name](squared, base, s)
    return total / len(scales)


def bandwidth(mmd: Mmd, variance: Float[Tensor, " d"], squared: Float[Tensor, "N M"]) -> Float[Tensor, ""]:
    """The bandwidth by the rule in `mmd`, from the prior's variances and the distances of codes and prior samples."""
    if mmd.bandwidth == "prior":
        return (2 * variance.sum()).clamp(min=NARROWEST)
    if mmd.bandwidth == "median":
        return squared.detach().flatten().median().clamp(min=NARROWEST)
    return torch.full_like(variance[0], float(mmd.bandwidth))


def _spectrum(like: Tensor) -> tuple[Tensor, Tensor]:
    """Frequencies for a width of 1 and their weights, of sum 1, each (m,)."""
    nodes = (torch.arange(NODES, dtype=like.dtype, device=like.device) + 0.5) * (math.pi / 6)
    weights = torch.exp(-0.5 * nodes.square())
    return nodes, weights / weights.sum()


def features(z: Float[Tensor, "N d"], width: Tensor | float = 1.0) -> Float[Tensor, "N d k"]:
    """sqrt(a_w) cos(t_w z) and sqrt(a_w) sin(t_w z) of every latent, (N, d, 2 m): their products are the RBF kernel."""
    nodes, weights = _spectrum(z)
    angle = z[..., None] * (nodes / width)
    return torch.cat([angle.cos(), angle.sin()], -1) * weights.sqrt().repeat(2)


def mean_features(draw: Callable[[int], Float[Tensor, "n d"]], width: float) -> Float[Tensor, "d k"]:
    """Mean features under a prior, (d, 2 m), from 65,536 samples: draw(i) gives the i-th block of them, (4096, d)."""
    return torch.stack([features(draw(i), width).mean(0) for i in range(16)]).mean(0)
