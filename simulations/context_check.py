r"""Whether the rows of a store show the mechanisms and interventions that its spec declares, context by context.

    s_k = Phi^-1(F_k(value))                               normal scores of the stored factors
    r_k = s_k - sum_i w_ik s_i                             mean 0 and std sigma_k, where nothing is done to k
    s_k of an intervention {mean, std}                     that mean and std
    value of an intervention {low, high}                   within them, on average in their middle
    s_k of either                                          no correlation with the causes of k

each within 5 standard errors of independent rows. Latin hypercubes and Sobol points lie nearer. The Sérsic index is
left out: it is rounded, so that its normal score is not Gaussian.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foundation.faults import Fault, Words
from simulations.factors import scores_of, share_below
from simulations.randomness import Floats
from simulations.spec import Dataset
from simulations.structure import Intervention, in_order, scatters

ERRORS = 5.0  # standard errors
ROUNDED = ("sersic_index",)
REMEDY = "report this disagreement as a bug"


def context_faults(path: Path, dataset: Dataset, columns: Mapping[str, NDArray[np.generic]]) -> Iterator[Fault]:
    """Interventions and mechanisms that the rows of a context do not show."""
    if not dataset.mechanisms and not dataset.contexts:
        return
    values = {name: np.asarray(columns[name], dtype=np.float64) for name in dataset.factors}
    scores = {name: scores_of(share_below(dataset.factors[name], each)) for name, each in values.items()}
    for number, (name, do) in enumerate([(n, c.do) for n, c in dataset.contexts.items()] or [("all rows", {})]):
        rows = columns["context"] == number if dataset.contexts else np.ones(dataset.galaxies, dtype=bool)
        if rows.sum() < 3:
            continue
        chosen = ({key: each[rows] for key, each in part.items()} for part in (values, scores))
        for factor, problem in _problems(dataset, do, *chosen):
            yield Fault(f"{path}: context {name}, {factor}", Words(problem), "it is declared otherwise", REMEDY)


def _problems(
    dataset: Dataset, do: Mapping[str, Intervention], values: dict[str, Floats], scores: dict[str, Floats]
) -> Iterator[tuple[str, str]]:
    """Factors of one context that do not follow what is declared, and what their rows show instead."""
    ordered = in_order(dataset.mechanisms, dataset.factors) or []
    for name, scatter in scatters(dataset.mechanisms, ordered).items():
        causes = dataset.mechanisms.get(name, {})
        if name in ROUNDED or {*ROUNDED} & {*causes}:
            continue
        if name not in do:
            residual = scores[name] - sum(weight * scores[cause] for cause, weight in causes.items())
            problem = _differs(residual, 0.0, scatter)
        else:
            problem = _of_intervention(do[name], values[name], scores[name])
            problem = problem or _related(scores[name], [scores[cause] for cause in causes])
        if problem:
            yield name, problem


def _of_intervention(intervention: Intervention, values: Floats, scores: Floats) -> str:
    """What is wrong with the values, or their normal scores, of a factor that is intervened on; '' if nothing is."""
    if intervention.low is None or intervention.high is None:
        return _differs(scores, intervention.mean or 0.0, intervention.std or 0.0)
    return _outside(values, intervention.low, intervention.high)


def _differs(scores: Floats, mean: float, std: float) -> str:
    """What is wrong with the mean or the standard deviation of Gaussian numbers; '' if nothing is."""
    rows = len(scores)
    if abs(scores.mean() - mean) > ERRORS * std / np.sqrt(rows):
        return f"a mean of {scores.mean():.4g}, where {mean:.4g} is declared, over {rows:,} rows"
    if abs(scores.std(ddof=1) - std) > ERRORS * std / np.sqrt(2 * (rows - 1)):
        return f"a scatter of {scores.std(ddof=1):.4g}, where {std:.4g} is declared, over {rows:,} rows"
    return ""


def _related(scores: Floats, causes: list[Floats]) -> str:
    """The correlation of an intervened factor with a cause that it should not hear; '' if there is none."""
    for cause in causes:
        rho = float(np.corrcoef(scores, cause)[0, 1])
        if abs(rho) > ERRORS / np.sqrt(len(scores)):
            return f"a correlation of {rho:.3g} with a cause, of which the intervention cuts it off"
    return ""


def _outside(values: Floats, low: float, high: float) -> str:
    """What is wrong with values that are to be uniform between two bounds; '' if nothing is."""
    rounding = 1e-9 * max(abs(low), abs(high))
    if values.min() < low - rounding or values.max() > high + rounding:
        return f"values from {values.min():.6g} to {values.max():.6g}, where {low:g} to {high:g} is declared"
    off = values.mean() - (low + high) / 2
    if abs(off) > ERRORS * (high - low) / np.sqrt(12 * len(values)):
        return f"a mean of {values.mean():.6g}, where {(low + high) / 2:.6g} is declared"
    return ""
