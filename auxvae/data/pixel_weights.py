"""Weights of pixels, where a store has inverse variances or masks: what each pixel counts for, and what is left of one.

    w_p = sigma^2 ivar_p m_p        m_p: 1 of a good pixel, 0 of a masked one;   ivar_p: inverse variance (photons^-2)

of the likelihood `noise` on the scale x = c / sigma, with sigma^-2 the mean of ivar over the good pixels of the
training rows; any other likelihood takes m_p alone. A pixel of weight 0 counts in no loss and in no image metric, and
nothing of it reaches a network: it is set to 0 photons, the sky, when images are read.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from auxvae.data.store import Store
from foundation.faults import Fault, Refused, Words


class PixelWeights(NamedTuple):
    """What the pixels of a store count for, by rows; `sigma` (photons) is that of w_p, None for m_p alone."""

    store: Store
    sigma: float | None

    def of(self, rows: NDArray[np.intp]) -> Float[Tensor, "N C H W"]:
        """Weights of some rows, ascending."""
        good = self.store.good(rows)
        if self.sigma is None:
            return good
        return good * self.store.layer("inverse_variance", rows) * self.sigma**2


def pixel_weights(store: Store, likelihood: str) -> PixelWeights | None:
    """The weights of a run with a likelihood of that name; None where all pixels of the store count the same."""
    if not store.weighs_pixels:
        return None
    return PixelWeights(store, _typical(store) if likelihood == "noise" and store.has_variances else None)


@lru_cache(1)
def _typical(store: Store) -> float:
    """The noise (photons) whose inverse variance is the mean over the good pixels of the training rows."""
    rows, total, count = store.numbers("train"), 0.0, 0.0
    for part in np.array_split(rows, max(1, math.ceil(len(rows) / store.block))):
        good = store.good(part)
        total += float((good * store.layer("inverse_variance", part)).sum(dtype=torch.float64))
        count += float(good.sum(dtype=torch.float64))
    if total == 0:
        value = Words("an inverse variance of 0 in every good pixel of the training rows")
        raise Refused(Fault(f"{store.path}/inverse_variance", value, "some pixels must count", "make the store again"))
    return math.sqrt(count / total)
