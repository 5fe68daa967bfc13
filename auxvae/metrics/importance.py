r"""DCI: disentanglement, completeness and informativeness from importances (Eastwood & Williams, ICLR 2018, section 3).

One ensemble of trees tells each factor from all latents, a classifier for a discrete factor and a regressor for a
continuous one; R_jk is the importance of latent j for factor k, and P its shares of a row or column (plus 1e-11):

    disentanglement = sum_j w_j (1 - H_F(P_j.)),  w_j the row's share of all importance; [0, 1]; 1: no latent says two
    completeness    = sum_k w_k (1 - H_D(P_.k)),  w_k the column's share; [0, 1]; 1: no factor is said by two
    informativeness = mean_k of the accuracy, or of R2 for a continuous factor, on rows that were not seen

with entropies H to the base of the number of entries. Two estimators:

    fast       forests of 12 trees of depth 8 at most and 20 rows to a leaf, each grown on its own 2,000 rows drawn with
               replacement: by these limits the importances spread as those of boosting do
    reference  gradient boosting with scikit-learn's defaults, as in the field's standard library (discrete factors);
               minutes for 10,000 rows

docs/metrics.md compares how they rank models. Intervals: of the accuracy by the bootstrap over the unseen rows; of the
others, for the forests, by the jackknife over trees: with s_t^2 the variance of a tree's influence and m of N rows in a
tree, the variance is m/N s_t^2 (the bootstrap of m out of N rows). Boosting has no such interval: it is not a number.

Known failures: a code that says everything twice is complete by half at most; capacity decides what counts as said.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from auxvae.metrics.score import (
    RESAMPLES,
    Flags,
    Score,
    Table,
    group_of_rows,
    group_weights,
    interval,
    labelled,
    within,
)

Array = NDArray[np.float64]
TREES, ROWS = 12, 2000
SMALL = 1e-11


def dci(
    codes: Table,
    factors: Table,
    discrete: Flags,
    codes_test: Table,
    factors_test: Table,
    reference: bool = False,
    resamples: int = RESAMPLES,
) -> dict[str, Score]:
    """The three of codes (N, D) and factors (N, F), discrete (F,), told from (M, D) and (M, F); the matrix is R."""
    z, u, z_test, u_test = (np.array(each, dtype=np.float64) for each in (codes, factors, codes_test, factors_test))
    flags = np.asarray(discrete)
    for k in np.flatnonzero(flags):
        u[:, k], u_test[:, k] = _counted(u[:, k], u_test[:, k])
    models = [_model(bool(flag), reference, len(z)).fit(z, u[:, k]) for k, flag in enumerate(flags)]
    importance = np.stack([model.feature_importances_ for model in models], 1)
    matrix = labelled(importance, codes, factors)
    said = np.stack([model.predict(z_test) for model in models], 1)
    scores = {"dci_informativeness": _informativeness(said, u_test, flags, resamples)._replace(matrix=matrix)}
    share = min(ROWS, len(z)) / len(z)
    for name, measure in (("dci_disentanglement", disentanglement), ("dci_completeness", completeness)):
        half = np.nan if reference else 1.96 * _of_trees(models, measure) * np.sqrt(share)
        scores[name] = within(measure(importance), half, len(z), matrix)
    return scores


def _model(discrete: bool, reference: bool, rows: int) -> Any:
    if reference:
        return (GradientBoostingClassifier if discrete else GradientBoostingRegressor)(random_state=0)
    forest = RandomForestClassifier if discrete else RandomForestRegressor
    limits = {"max_depth": 8, "min_samples_leaf": 20}
    return forest(TREES, max_features=None, max_samples=min(ROWS, rows), random_state=0, **limits)


def _counted(column: Array, other: Array) -> tuple[Array, Array]:
    """Values of a discrete factor counted from 0, and those of other rows, -1 where a value is new."""
    values = np.unique(column)
    place = np.searchsorted(values, other).clip(max=len(values) - 1)
    return np.searchsorted(values, column).astype(np.float64), np.where(values[place] == other, place, -1.0)


def _of_trees(models: list[Any], measure: Any) -> float:
    """Standard deviation of a single tree's influence on a measure of the mean importances, by the jackknife."""
    grown = np.stack([[tree.feature_importances_ for tree in model.estimators_] for model in models], 2)
    left = [measure((grown.sum(0) - tree) / (len(grown) - 1)) for tree in grown]
    return float(np.sqrt(len(left) * (len(left) - 1) * np.var(left)))


def _informativeness(said: Array, factors: Array, discrete: NDArray[Any], resamples: int) -> Score:
    """Mean accuracy or R2 over the factors, resampled by groups of rows."""
    error = np.where(discrete, said != factors, (said - factors) ** 2)
    spread = np.where(discrete, 1.0, (factors - factors.mean(0)) ** 2)
    group, weights = group_of_rows(len(said)), group_weights(len(said), resamples).numpy()
    lost, all_of = (weights @ np.stack([np.bincount(group, c) for c in each.T], 1) for each in (error, spread))
    value = (1 - lost / all_of).mean(1)
    return interval(value, len(said), least=-np.inf)


def disentanglement(importance: Float[ndarray, "D F"]) -> float:
    """1 minus the entropy of each row's shares, weighed by the row's share of all importance; 0 where all is 0."""
    return _weighed(importance, importance.sum(1))


def completeness(importance: Float[ndarray, "D F"]) -> float:
    """The same of the columns."""
    return _weighed(importance.T, importance.sum(0))


def _weighed(rows: Array, weight: Array) -> float:
    if weight.sum() == 0:
        return 0.0
    share = (rows + SMALL) / (rows + SMALL).sum(1, keepdims=True)
    entropy = -(share * np.log(share)).sum(1) / np.log(max(2, rows.shape[1]))
    return float((weight * (1 - entropy)).sum() / weight.sum())
