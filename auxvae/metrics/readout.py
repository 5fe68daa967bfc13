r"""How well simple classifiers read discrete factors from the codes: discrete SAP, and explicitness by ROC-AUC.

    sap_discrete     = mean_k (a_(1)k - a_(2)k), a_jk the accuracy on test rows of a linear SVM that predicts factor k
                       from latent j alone                  (Kumar et al., arXiv:1711.00848, section 4); [0, 1], 1 good
    explicitness_auc = mean_k mean_c AUC of a logistic regression on all latents for class c of factor k against the
                       rest, on test rows                   (Ridgeway & Mozer, arXiv:1802.05312, section 3); [0.5, 1]

The SVMs are those of disentanglement_lib (one class against the rest, squared hinge, C = 0.01, balanced classes, a
penalty on the offset too), solved to the optimum by Newton's method, all latents and classes at once. For the logistic
regression (C = 1) codes are standardised by the training rows, and constant latents set to 0.

Known failures: sap_discrete depends on the scale of the codes, through its penalty; a linear SVM on one latent cannot
single out a class whose values lie between those of others; SAP is 0 for a code that holds every factor twice. Classes
of continuous factors are quantiles; explicitness_auc leaves out a factor none of whose classes is learned and tested.
Intervals: bootstrap over the test rows.
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
from auxvae.metrics.standardise import standard_by_first
from foundation.faults import Fault, Refused, Words

Array = NDArray[np.float64]
COST = 0.01
STEPS = 50


def sap_discrete(
    codes: Table, classes: Table, codes_test: Table, classes_test: Table, resamples: int = RESAMPLES
) -> Score:
    """Discrete SAP of codes (N, D), classes (N, F), tested on (M, D), (M, F); the matrix is the accuracy, (D, F)."""
    z, z_test = (torch.from_numpy(np.asarray(each, dtype=np.float64)) for each in (codes, codes_test))
    u, u_test = np.asarray(classes), np.asarray(classes_test)
    hits = torch.stack([_hits(z, u[:, k], z_test, u_test[:, k]) for k in range(u.shape[1])], -1)
    group = torch.from_numpy(group_of_rows(len(u_test)))
    weights = torch.from_numpy(group_weights(len(u_test), resamples))
    summed = torch.zeros(weights.shape[1], *hits.shape[1:]).double().index_add_(0, group, hits.double())
    accuracy = torch.einsum("sg,gdf->sdf", weights, summed) / len(u_test)
    value = gap(accuracy)
    return interval(value, len(u_test), labelled(accuracy[0], codes, classes))


def _hits(z: Tensor, u: NDArray[np.generic], z_test: Tensor, u_test: NDArray[np.generic]) -> Tensor:
    """Whether the SVM on each latent alone predicts the class of a test row, (M, D)."""
    values, classes = np.unique(u, return_inverse=True)
    weight, offset = squared_hinge(z.T, torch.from_numpy(classes), len(values))
    if len(values) == 2:
        predicted = (z_test * weight[:, 1] + offset[:, 1] > 0).long()
    else:
        predicted = (z_test[..., None] * weight + offset).argmax(-1)
    return torch.from_numpy(values)[predicted] == torch.from_numpy(u_test)[:, None]


def squared_hinge(
    x: Float[Tensor, "D N"], classes: Int[Tensor, " N"], number: int
) -> tuple[Float[Tensor, "D c"], Float[Tensor, "D c"]]:
    """Weight and offset of linear SVMs of one column each, for each of `number` classes against the rest.

    Minimises 1/2 (w^2 + b^2) + C sum_n c_n max(0, 1 - y_n (w x_n + b))^2 by Newton's method, with c_n =
    N / (number N_c) for the rows of the class and 1 for the rest (both balanced where there are two classes).
    """
    count = torch.bincount(classes, minlength=number).double()
    sign = torch.where(classes == torch.arange(number)[:, None], 1.0, -1.0).double()
    balanced = len(classes) / (number * count)
    rest = balanced.flip(0)[:, None] if number == 2 else torch.ones(number, 1).double()
    cost = COST * torch.where(sign > 0, balanced[:, None], rest)
    w = torch.zeros(len(x), number, 2).double()
    columns = torch.stack([x, torch.ones_like(x)], -1)[:, None]
    for _ in range(STEPS):
        w, change = _newton(w, columns, sign, cost)
        if change < 1e-9:
            break
    return w[..., 0], w[..., 1]


def _newton(w: Tensor, columns: Tensor, sign: Tensor, cost: Tensor) -> tuple[Tensor, float]:
    """One Newton step, and the largest change of a parameter."""
    slack = (1 - sign * (columns @ w[..., None])[..., 0]).clamp(min=0)
    curvature = 2 * cost * (slack > 0)
    x, one = columns[..., 0], columns[..., 1]
    hessian = torch.stack([(curvature * x * x).sum(-1) + 1, (curvature * x).sum(-1), (curvature * one).sum(-1) + 1], -1)
    slope = 2 * cost * slack * sign
    gradient = w - torch.stack([(slope * x).sum(-1), slope.sum(-1)], -1)
    a, b, c = hessian.unbind(-1)
    step = torch.stack([c * gradient[..., 0] - b * gradient[..., 1], a * gradient[..., 1] - b * gradient[..., 0]], -1)
    step = step / (a * c - b * b)[..., None]
    return w - step, float(step.abs().max())


def explicitness_auc(
    codes: Table, classes: Table, codes_test: Table, classes_test: Table, resamples: int = RESAMPLES
) -> Score:
    """Mean ROC-AUC of codes (N, D) for classes (N, F), tested on (M, D), (M, F)."""
    u, u_test = np.asarray(classes), np.asarray(classes_test)
    z, z_test = standard_by_first(np.asarray(codes, dtype=np.float64), np.asarray(codes_test, dtype=np.float64))
    areas = [_auc_of_factor(z, u[:, k], z_test, u_test[:, k], resamples) for k in range(u.shape[1])]
    tested = [each for each in areas if each is not None]
    if not tested:
        value, text = (
            Words("no class with rows of both kinds"),
            "a class is learned from some rows and tested on others",
        )
        raise Refused(Fault("explicitness_auc", value, text, "give test rows, or more rows of each class"))
    return interval(np.mean(tested, 0), len(u_test))


def _auc_of_factor(
    z: Array, u: NDArray[np.generic], z_test: Array, u_test: NDArray[np.generic], resamples: int
) -> Array | None:
    """Mean AUC over the classes, (1 + resamples,); None for a factor none of whose classes both fit and test show."""
    if len(np.unique(u)) < 2:
        return None
    model = LogisticRegression(max_iter=1000).fit(z, u)
    probability = model.predict_proba(z_test)
    present = [c for c, value in enumerate(model.classes_) if 0 < (u_test == value).sum() < len(u_test)]
    if not present:
        return None
    return np.asarray(np.mean([auc(probability[:, c], u_test == model.classes_[c], resamples) for c in present], 0))


def auc(score: Float[ndarray, " N"], positive: NDArray[np.bool_], resamples: int) -> Float[ndarray, " S"]:
    """Area under the ROC curve, (1 + resamples,): the share of pairs in the right order, ties by half; else 1/2.

    Pairs are counted between groups of rows, A_gh, so that a bootstrap sample is w' A w over its number of pairs.
    """
    group, weights = group_of_rows(len(score)), group_weights(len(score), resamples)
    level, groups = np.unique(score, return_inverse=True)[1], weights.shape[1]
    counts = np.bincount(level[~positive] * groups + group[~positive], minlength=(level.max() + 1) * groups)
    negatives = counts.reshape(-1, groups).astype(np.float64)
    below = (np.cumsum(negatives, 0) - 0.5 * negatives)[level[positive]]
    membership = np.eye(groups)[group[positive]]
    ordered = membership.T @ below
    right = np.einsum("sg,gh,sh->s", weights, ordered, weights, optimize=True)
    pairs = (weights @ membership.sum(0)) * (weights @ negatives.sum(0))
    areas = np.divide(right, pairs, out=np.full(len(pairs), 0.5), where=pairs > 0)
    return np.asarray(areas)
