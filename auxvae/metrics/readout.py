r"""How well simple classifiers read discrete factors from the codes: discrete SAP, and explicitness by ROC-AUC.

    sap_discrete     = mean_k (a_(1)k - a_(2)k), a_jk the accuracy on unseen rows of a linear SVM that tells factor k
                       from latent j alone                  (Kumar et al., arXiv:1711.00848, section 4); [0, 1], 1 good
    explicitness_auc = mean_k mean_c AUC of a logistic regression on all latents for class c of factor k against the
                       rest, on unseen rows                 (Ridgeway & Mozer, arXiv:1802.05312, section 3); [0.5, 1]

The SVMs are those of the field's standard library (one class against the rest, squared hinge, C = 0.01, balanced
classes, a penalty on the offset too), solved by Newton's method to the optimum, all latents and classes at once. Codes
are standardised by the training rows for the logistic regression, whose C is 1; a constant latent stays at 0.

Known failures: sap_discrete is not free of the codes' scale, by its penalty; a linear SVM on one latent cannot single
out a class in the middle of several; SAP is 0 for a code that says everything twice. Classes of continuous factors are
quantiles. Intervals: bootstrap over the unseen rows.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from auxvae.metrics.information import gap
from auxvae.metrics.score import RESAMPLES, Score, Table, group_of_rows, group_weights, interval, labelled

Array = NDArray[np.float64]
COST = 0.01
STEPS = 50


def sap_discrete(
    codes: Table, classes: Table, codes_test: Table, classes_test: Table, resamples: int = RESAMPLES
) -> Score:
    """Discrete SAP of codes (N, D) and classes (N, F), on (M, D) and (M, F); the matrix is the accuracy, (D, F)."""
    z, z_test = (torch.from_numpy(np.asarray(each, dtype=np.float64)) for each in (codes, codes_test))
    known, told = np.asarray(classes), np.asarray(classes_test)
    hits = torch.stack([_hits(z, known[:, k], z_test, told[:, k]) for k in range(known.shape[1])], -1)
    group = torch.from_numpy(group_of_rows(len(told)))
    weights = group_weights(len(told), resamples)
    summed = torch.zeros(weights.shape[1], *hits.shape[1:]).double().index_add_(0, group, hits.double())
    accuracy = torch.einsum("sg,gdf->sdf", weights, summed) / len(told)
    value = gap(accuracy)
    return interval(value, len(told), labelled(accuracy[0], codes, classes))


def _hits(z: Tensor, known: NDArray[np.generic], z_test: Tensor, told: NDArray[np.generic]) -> Tensor:
    """Whether each latent alone tells the class of a row, (M, D)."""
    names, classes = np.unique(known, return_inverse=True)
    weight, offset = squared_hinge(z.T, torch.from_numpy(classes), len(names))
    if len(names) == 2:
        said = (z_test * weight[:, 1] + offset[:, 1] > 0).long()
    else:
        said = (z_test[..., None] * weight + offset).argmax(-1)
    return torch.from_numpy(names)[said] == torch.from_numpy(told)[:, None]


def squared_hinge(
    x: Float[Tensor, "D N"], classes: Int[Tensor, " N"], several: int
) -> tuple[Float[Tensor, "D c"], Float[Tensor, "D c"]]:
    """Weight and offset of linear SVMs of one column each, for every class against the rest, by Newton's method.

    Minimises 1/2 (w^2 + b^2) + C sum_n c_n max(0, 1 - y_n (w x_n + b))^2 with c_n = N / (several N_c) for the rows of
    the class and 1 for the rest (both balanced where there are two classes).
    """
    count = torch.bincount(classes, minlength=several).double()
    sign = torch.where(classes == torch.arange(several)[:, None], 1.0, -1.0).double()
    balanced = len(classes) / (several * count)
    rest = balanced.flip(0)[:, None] if several == 2 else torch.ones(several, 1).double()
    cost = COST * torch.where(sign > 0, balanced[:, None], rest)
    w = torch.zeros(len(x), several, 2).double()
    columns = torch.stack([x, torch.ones_like(x)], -1)[:, None]
    for _ in range(STEPS):
        w, moved = _newton(w, columns, sign, cost)
        if moved < 1e-9:
            break
    return w[..., 0], w[..., 1]


def _newton(w: Tensor, columns: Tensor, sign: Tensor, cost: Tensor) -> tuple[Tensor, float]:
    """One step towards the optimum, and how far it went."""
    slack = (1 - sign * (columns @ w[..., None])[..., 0]).clamp(min=0)
    active = 2 * cost * (slack > 0)
    x, one = columns[..., 0], columns[..., 1]
    second = torch.stack([(active * x * x).sum(-1) + 1, (active * x).sum(-1), (active * one).sum(-1) + 1], -1)
    pull = 2 * cost * slack * sign
    first = w - torch.stack([(pull * x).sum(-1), pull.sum(-1)], -1)
    a, b, c = second.unbind(-1)
    step = torch.stack([c * first[..., 0] - b * first[..., 1], a * first[..., 1] - b * first[..., 0]], -1)
    step = step / (a * c - b * b)[..., None]
    return w - step, float(step.abs().max())


def explicitness_auc(
    codes: Table, classes: Table, codes_test: Table, classes_test: Table, resamples: int = RESAMPLES
) -> Score:
    """Mean ROC-AUC for codes (N, D), classes (N, F), on (M, D), (M, F)."""
    known, told = np.asarray(classes), np.asarray(classes_test)
    z, z_test = _standardised(np.asarray(codes, dtype=np.float64), np.asarray(codes_test, dtype=np.float64))
    each = [_auc_of_factor(z, known[:, k], z_test, told[:, k], resamples) for k in range(known.shape[1])]
    value = np.mean(each, 0)
    return interval(value, len(told))


def _standardised(z: Array, other: Array) -> tuple[Array, Array]:
    spread = np.where(np.ptp(z, axis=0) > 0, z.std(0), np.inf)
    return np.asarray((z - z.mean(0)) / spread), np.asarray((other - z.mean(0)) / spread)


def _auc_of_factor(
    z: Array, known: NDArray[np.generic], z_test: Array, told: NDArray[np.generic], resamples: int
) -> Array:
    """Mean AUC over the classes, (1 + resamples,)."""
    if len(np.unique(known)) < 2:
        return np.full(1 + resamples, np.nan)
    model = LogisticRegression(max_iter=1000).fit(z, known)
    shares = model.predict_proba(z_test)
    present = [c for c, name in enumerate(model.classes_) if 0 < (told == name).sum() < len(told)]
    if not present:
        return np.full(1 + resamples, np.nan)
    return np.asarray(np.mean([auc(shares[:, c], told == model.classes_[c], resamples) for c in present], 0))


def auc(score: Float[ndarray, " N"], positive: NDArray[np.bool_], resamples: int) -> Float[ndarray, " S"]:
    """Area under the ROC curve, (1 + resamples,): the share of pairs in the right order, ties by half; 1/2 of no pairs.

    Pairs are counted between groups of rows, A_gh, so that a bootstrap sample is w' A w over its number of pairs.
    """
    group, weights = group_of_rows(len(score)), group_weights(len(score), resamples).numpy()
    level, groups = np.unique(score, return_inverse=True)[1], weights.shape[1]
    counts = np.bincount(level[~positive] * groups + group[~positive], minlength=(level.max() + 1) * groups)
    negatives = counts.reshape(-1, groups).astype(np.float64)
    below = (np.cumsum(negatives, 0) - 0.5 * negatives)[level[positive]]
    own = np.eye(groups)[group[positive]]
    ordered = own.T @ below
    right = np.einsum("sg,gh,sh->s", weights, ordered, weights, optimize=True)
    pairs = (weights @ own.sum(0)) * (weights @ negatives.sum(0))
    areas = np.divide(right, pairs, out=np.full(len(pairs), 0.5), where=pairs > 0)
    return np.asarray(areas)
