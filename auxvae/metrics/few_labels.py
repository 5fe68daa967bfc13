r"""How well each factor is told by a representation of which n rows are labelled, on test rows.

    number, circular    R2 = 1 - sum |y - yhat|^2 / sum |y - ybar|^2        over test rows, of the auxiliary variables
    categorical         accuracy of the class of the largest predicted variable

1 is good. Chance: R2 of 0 at best, since codes that say nothing predict the mean of the labelled rows; the share of the
largest class. R2 may be negative, where a few rows mislead. The regression is auxvae.metrics.kernel_ridge's unless
another is named. Intervals: Student's over draws of the labelled rows of one run. The draws share a pool of training
rows, of which a large n takes much: there they say less than their number, and seeds say more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from auxvae.config.kinds import Kind
from auxvae.data.encoding import encoded
from auxvae.metrics.kernel_ridge import Prediction, kernel_ridge
from auxvae.metrics.score import Rows, Score, student

Array = NDArray[np.float64]
Predict = Callable[[Array, Array, Array, Sequence[slice]], Prediction]


class Targets(NamedTuple):
    """Factors as auxiliary variables, (N, V), the columns of each factor by name, and which factors have classes."""

    values: Array
    columns: dict[str, slice]
    categorical: frozenset[str]


def targets_of(factors: dict[str, Array], kinds: Sequence[Kind] = ()) -> Targets:
    """Factors (N,) by name as what is predicted."""
    parts: list[Array] = []
    columns, start = {}, 0
    for name, values in factors.items():
        part = list(encoded({name: values}, kinds).values())
        columns[name] = slice(start, start + len(part))
        parts, start = parts + part, start + len(part)
    return Targets(np.stack(parts, 1), columns, frozenset(kind.factor for kind in kinds if kind.classes))


def explained(targets: Targets, predicted: Float[ndarray, "M V"]) -> Float[ndarray, " F"]:
    """R2 or accuracy of every factor on test rows; NaN for a factor that does not vary there."""
    scores = []
    for name, columns in targets.columns.items():
        true, estimate = targets.values[:, columns], predicted[:, columns]
        if name in targets.categorical:
            scores.append(np.mean(true.argmax(1) == estimate.argmax(1)))
        else:
            total = np.sum((true - true.mean(0)) ** 2)
            scores.append(1 - np.sum((true - estimate) ** 2) / total if total > 0 else np.nan)
    return np.array(scores, dtype=np.float64)


def few_labels(
    codes: Float[ndarray, "N D"],
    codes_test: Float[ndarray, "M D"],
    targets: Targets,
    targets_test: Targets,
    labelled: Sequence[Rows],
    predict: Predict = kernel_ridge,
) -> tuple[Float[ndarray, "S F"], list[Prediction]]:
    """The score of every set of labelled rows and factor, and the predictions behind it."""
    columns = list(targets.columns.values())
    predictions = [predict(codes[rows], targets.values[rows], codes_test, columns) for rows in labelled]
    return np.stack([explained(targets_test, each.test) for each in predictions]), predictions


def over_draws(values: Float[ndarray, " draws"], rows: int) -> Score:
    """The mean over draws with Student's 95 % interval; rows: number of test rows."""
    mean, error = float(values.mean()), float(values.std(ddof=1)) / float(np.sqrt(len(values)))
    half = student(len(values) - 1) * error
    return Score(mean, mean - half, mean + half, rows, se=error)
