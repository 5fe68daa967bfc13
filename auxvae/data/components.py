"""Principal components of the training images: the directions in which they vary, and how far each is above the noise.

    C = 1/(n - 1) sum_i (x_i - m)(x_i - m)' = sum_j lambda_j v_j v_j'        lambda_1 >= lambda_2 >= ...

x_i are the n training images on the likelihood's scale, P pixels each, where the noise of a pixel has variance 1. In n
samples a direction whose signal has s times the variance of the noise has an eigenvalue of

    lambda(s) = (1 + s)(1 + gamma / s),    gamma = P / n,   s > sqrt(gamma)        (Baik and Silverstein 2006)

The encoder is given the directions with s >= 2; the decoder uses KEPT of them, at least. On a scale without a known
noise (images in [0, 1]) the encoder is given all KEPT. The rule was chosen on validation rows (LOG.md).

Up to EXACT pixels the eigenvectors of C are computed exactly; beyond, by incremental PCA (Ross et al. 2008,
scikit-learn) in the memory of one block of rows. The sign of v_j is that for which its largest pixel is positive.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from foundation.faults import Fault, Refused, Words

SIGNAL = 2.0  # least ratio of signal to noise variance of a direction that the encoder is given
KEPT = 64  # directions that the decoder uses, where the network says nothing
EXACT = 2048  # pixels up to which C is decomposed exactly
BLOCK = 512  # rows at a time


class Components(NamedTuple):
    """Mean image (P,), the leading directions (K, P) and their variances (K,).

    inputs: how many of them the encoder is given. bounded: whether the images lie in [0, 1].
    """

    mean: Float[Tensor, " P"]
    directions: Float[Tensor, "K P"]
    variances: Float[Tensor, " K"]
    inputs: int
    bounded: bool


@runtime_checkable
class Images(Protocol):
    """Images that are visited in blocks: a tensor (n, C, H, W), or those of a store."""

    @property
    def shape(self) -> torch.Size:
        """(n, C, H, W)."""

    def split(self, size: int, /) -> Iterable[Tensor]:
        """Blocks of so many images in order, the last one smaller."""


def principal_components(
    images: Images, mean: Float[Tensor, " P"], bounded: bool, inputs: int | None, where: str
) -> Components:
    """The components of the training images on the likelihood's scale; `inputs` replaces the rule for the encoder.

    Refused are images that do not vary, and more inputs than the rows or pixels of the data set `where` allow.
    """
    rows, pixels = images.shape[0], len(mean)
    most = min(rows - 1, pixels)
    if inputs is not None and inputs > most:
        allowed = f"{rows} training rows of {pixels} pixels have {most} components at most"
        raise Refused(Fault("network.components", inputs, allowed, f"lower it, or leave it out ({where})"))
    if not _vary(images):
        allowed = "a network on components needs images that vary over the training rows"
        raise Refused(Fault(where, Words("images that are all the same"), allowed, "take another data set"))
    kept = min(max(KEPT, inputs or 0), most)
    variances, directions = _exact(images, mean, kept) if pixels <= EXACT else _incremental(images, kept)
    if inputs is None:
        inputs = kept if bounded else max(1, int((variances >= _eigenvalue(pixels / rows)).sum()))
    return Components(mean, _signed(directions), variances, inputs, bounded)


def _vary(images: Images) -> bool:
    first = next(iter(images.split(1)))
    return any(bool((block != first).any()) for block in images.split(BLOCK))


def _eigenvalue(gamma: float) -> float:
    """lambda(SIGNAL), or the upper edge of the noise's eigenvalues (Marchenko and Pastur 1967) where it is larger."""
    s = max(SIGNAL, math.sqrt(gamma))
    return (1 + s) * (1 + gamma / s)


def _exact(images: Images, mean: Tensor, kept: int) -> tuple[Tensor, Tensor]:
    """Leading eigenvalues (K,) and eigenvectors (K, P) of the covariance matrix, summed in blocks in double."""
    covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for block in images.split(BLOCK):
        centred = (block.flatten(1) - mean).double()
        covariance += centred.T @ centred
    values, vectors = torch.linalg.eigh(covariance / (images.shape[0] - 1))
    return values.flip(0)[:kept].float(), vectors.flip(1)[:, :kept].T.float()


def _incremental(images: Images, kept: int) -> tuple[Tensor, Tensor]:
    """The same by incremental PCA."""
    from sklearn.decomposition import IncrementalPCA

    analysis = IncrementalPCA(kept)
    for block in _full(images.split(max(BLOCK, 2 * kept)), kept):
        analysis.partial_fit(block.flatten(1).numpy())
    values, vectors = (torch.from_numpy(each) for each in (analysis.explained_variance_, analysis.components_))
    return values.float(), vectors.float()


def _full(blocks: Iterable[Tensor], least: int) -> Iterator[Tensor]:
    """The blocks, a last one of fewer rows than the least joined to that before it."""
    waiting: list[Tensor] = []
    for block in blocks:
        if waiting and len(block) >= least:
            yield torch.cat(waiting)
            waiting = []
        waiting.append(block)
    yield torch.cat(waiting)


def _signed(directions: Tensor) -> Tensor:
    """Each direction with the sign for which its largest pixel is positive."""
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    return (directions * largest.sign()).contiguous()
