r"""TAD, total attribute disentanglement: the lead of the best latent over the second for binary attributes.

With A_ja = max(AUC(z_j), AUC(-z_j)) for attribute a, and A_(1)a, A_(2)a the two largest, over the attributes that are
kept,

    TAD = sum_a (A_(1)a - A_(2)a)                                range [0, (attributes kept) / 2], more is better

(NashAE, Yeats et al., ECCV 2022, as computed by InfoDiffusion, Wang et al., ICML 2023). An attribute is kept if some
latent separates it with A >= 0.75 and its largest mutual information with another attribute is at most 20 % of its own
entropy. The matrix is A. Known failures: a sum, so that it grows with the number of attributes; 0 for a code that holds
every attribute twice. Intervals: bootstrap over rows, with the attributes that are kept for all rows.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray
from numpy.typing import NDArray

from auxvae.metrics.information import information_of
from auxvae.metrics.readout import auc
from auxvae.metrics.score import RESAMPLES, Score, Table, interval, labelled

SEPARATED, SHARED = 0.75, 0.2


def tad(codes: Table, attributes: Table, resamples: int = RESAMPLES) -> Score:
    """TAD of codes (N, D) for binary attributes (N, F), 0 or 1."""
    z, u = np.asarray(codes, dtype=np.float64), np.asarray(attributes).astype(bool)
    areas = np.stack([np.stack([auc(latent, column, resamples) for column in u.T], -1) for latent in z.T], 1)
    areas = np.maximum(areas, 1 - areas)
    counted = (areas[0].max(0) >= SEPARATED) & unrelated(u)
    ordered = np.sort(areas, 1)
    second = ordered[:, -2] if z.shape[1] > 1 else 0.5
    value = ((ordered[:, -1] - second) * counted).sum(1)
    return interval(value, len(z), labelled(areas[0], codes, attributes), most=np.inf)


def unrelated(attributes: NDArray[np.bool_]) -> Bool[ndarray, " F"]:
    """Whether each attribute shares little information with every other, (F,)."""
    classes = torch.from_numpy(attributes.astype(np.int64))
    shared, entropy = information_of(classes, classes)
    largest = shared[0].fill_diagonal_(0).amax(0)
    return np.asarray((largest <= SHARED * entropy[0]).numpy())
