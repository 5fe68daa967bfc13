r"""DCI: disentanglement, completeness and informativeness from importances (Eastwood & Williams, ICLR 2018, section 3).

One ensemble of trees predicts each factor from all latents, a classifier for a discrete factor and a regressor for a
continuous one, of cosine and sine together for a circular one; R_jk is the importance of latent j for factor k, and P
the rows or columns of R normalised to a sum of 1 (after adding 1e-11):

    disentanglement = sum_j w_j (1 - H_F(P_j.)),  w_j the row's share of all importance; [0, 1]; 1: no latent
                      predicts two factors
    completeness    = sum_k w_k (1 - H_D(P_.k)),  w_k the column's share; [0, 1]; 1: no factor needs two latents
    informativeness = mean_k of the accuracy, or of R2 for a continuous factor, on test rows

with entropies H to the base of the number of entries. Two estimators:

    fast       forests of 12 trees, at most 8 deep and with at least 20 rows per leaf, each grown on 2,000 rows drawn
               with replacement: with these limits importances are as spread out as those of boosting
    reference  gradient boosting with scikit-learn's defaults, as in disentanglement_lib (discrete factors); takes
               minutes for 10,000 rows, and an angle for a number

Trees hold numbers in single precision, so that codes are standardised in double before.

docs/metrics.md compares how they rank models. Intervals: of informativeness by the bootstrap over test rows, for fixed
trees; of the others, for forests, by forests of six trees on random halves of the rows (auxvae.metrics.score). The
variance between the trees of one forest is no substitute: single trees scatter about twice as much as their rows make
them. Boosting has no interval, as it takes minutes, nor have forests of more than WIDEST latents: bounds are NaN.

Known failures: a code that holds every factor twice is incomplete; relations that the trees cannot represent are not
found.
"""

from __future__ import annotations

from collections.abc import Sequence
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

from auxvae.config.kinds import Kind
from auxvae.data.encoding import encoded
from auxvae.metrics.information import classes_of
from auxvae.metrics.score import (
    RESAMPLES,
    Flags,
    Rows,
    Score,
    Table,
    group_of_rows,
    group_weights,
    halves_error,
    interval,
    labelled,
    names,
    within,
)
from auxvae.metrics.standardise import standard_by_first

Array = NDArray[np.float64]
TREES, ROWS = 12, 2000
SPLITS = 5  # of the rows into halves
WIDEST = 64  # latents; the ten forests behind an interval take a minute for 192
SMALL = 1e-11


def dci(
    codes: Table,
    factors: Table,
    discrete: Flags,
    codes_test: Table,
    factors_test: Table,
    reference: bool = False,
    resamples: int = RESAMPLES,
    kinds: Sequence[Kind] = (),
    block: int = 1,
) -> dict[str, Score]:
    """The three scores of codes (N, D) and factors (N, F), discrete (F,), tested on (M, D), (M, F); the matrix is R.

    Of blocks of so many latents each, one code each, R sums the importances: (D / block, F).
    """
    z, z_test = standard_by_first(*(np.array(each, dtype=np.float64) for each in (codes, codes_test)))
    flags, u, u_test = np.asarray(discrete), [], []
    fit_and_test = zip(*(np.asarray(each, dtype=np.float64).T for each in (factors, factors_test)), strict=True)
    for name, flag, both in zip(names(factors, len(flags), "u"), flags, fit_and_test, strict=True):
        fit, test = _as_classes(*both) if flag else (_numbers(name, each, kinds) for each in both)
        u.append(fit)
        u_test.append(test)
    models = _models(z, u, flags, reference)
    importance = _importance(models, block)
    matrix = labelled(importance, codes if block == 1 else None, factors)
    predicted = [model.predict(z_test) for model in models]
    scores = {"dci_informativeness": _informativeness(predicted, u_test, flags, resamples)._replace(matrix=matrix)}
    has_errors = not reference and resamples and z.shape[1] <= WIDEST
    errors = _errors(z, u, flags, block) if has_errors else (np.nan, np.nan)
    for name, measure, error in zip(("dci_disentanglement", "dci_completeness"), SHARES, errors, strict=True):
        scores[name] = within(measure(importance), float(error), len(z), matrix)
    return scores


def _numbers(name: str, values: Array, kinds: Sequence[Kind]) -> Array:
    """A number as it is, (N,); an angle as cosine and sine, (N, 2)."""
    variables = [*encoded({name: values}, [kind for kind in kinds if kind.factor == name]).values()]
    return variables[0] if len(variables) == 1 else np.stack(variables, 1)


def _models(z: Array, u: list[Array], flags: NDArray[Any], reference: bool = False, trees: int = TREES) -> list[Any]:
    """One fitted ensemble per factor; where the rows have one class alone there is nothing to learn, nor to boost."""
    fitted = []
    for flag, each in zip(flags, u, strict=True):
        boosted = reference and not (flag and len(np.unique(each)) < 2)
        fitted.append(_model(bool(flag), boosted, len(z), trees).fit(z, each))
    return fitted


def _importance(models: list[Any], block: int) -> Array:
    """Importances summed over each block of latents, (D / block, F)."""
    by_latent = np.stack([model.feature_importances_ for model in models], 1)
    return np.asarray(by_latent.reshape(-1, block, len(models)).sum(1))


def _errors(z: Array, u: list[Array], flags: NDArray[Any], block: int) -> Array:
    """Standard errors of disentanglement and completeness, (2,)."""

    def measure(rows: Rows) -> Array:
        importance = _importance(_models(z[rows], [each[rows] for each in u], flags, trees=TREES // 2), block)
        return np.array([share(importance) for share in SHARES])

    return halves_error(measure, len(z), SPLITS)


def _model(discrete: bool, reference: bool, rows: int, trees: int) -> Any:
    if reference:
        return (GradientBoostingClassifier if discrete else GradientBoostingRegressor)(random_state=0)
    forest = RandomForestClassifier if discrete else RandomForestRegressor
    limits = {"max_depth": 8, "min_samples_leaf": 20}
    return forest(trees, max_features=None, max_samples=min(ROWS, rows), random_state=0, **limits)


def _as_classes(column: Array, column_test: Array) -> tuple[Array, Array]:
    """Values of a discrete factor as classes counted from 0, -1 for a value that only test rows have."""
    fit, test = (classes_of(column, rows, discrete=True).astype(np.float64) for rows in (column, column_test))
    return fit, test


def _informativeness(predicted: list[Array], factors: list[Array], discrete: NDArray[Any], resamples: int) -> Score:
    """Mean accuracy or R2 over the factors, with the bootstrap over groups of rows."""
    by_factor = [_wrong(*each) for each in zip(predicted, factors, discrete, strict=True)]
    error, spread = (np.stack(each, 1) for each in zip(*by_factor, strict=True))
    group, weights = group_of_rows(len(error)), group_weights(len(error), resamples)
    residual, total = (weights @ np.stack([np.bincount(group, c) for c in each.T], 1) for each in (error, spread))
    value = (1 - np.divide(residual, total, out=np.ones_like(total), where=total > 0)).mean(1)
    return interval(value, len(error), least=-np.inf)


def _wrong(predicted: Array, factor: Array, discrete: Any) -> tuple[Array, Array]:
    """What is missed of every row, (M,), and what there is to miss: of a class 1, of numbers the squared deviation."""
    if discrete:
        return (predicted != factor).astype(np.float64), np.ones(len(factor))
    missed, varied = (
        (each**2).reshape(len(factor), -1).sum(1) for each in (predicted - factor, factor - factor.mean(0))
    )
    return missed, varied


def disentanglement(importance: Float[ndarray, "D F"]) -> float:
    """1 minus the entropy of each row, averaged with the row's share of all importance; 0 for a matrix of zeros."""
    return _weighted(importance, importance.sum(1))


def completeness(importance: Float[ndarray, "D F"]) -> float:
    """1 minus the entropy of each column, averaged with the column's share of all importance."""
    return _weighted(importance.T, importance.sum(0))


def _weighted(rows: Array, weight: Array) -> float:
    if weight.sum() == 0:
        return 0.0
    share = (rows + SMALL) / (rows + SMALL).sum(1, keepdims=True)
    entropy = -(share * np.log(share)).sum(1) / np.log(max(2, rows.shape[1]))
    return float((weight * (1 - entropy)).sum() / weight.sum())


SHARES = (disentanglement, completeness)
