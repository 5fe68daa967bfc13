"""The suite: every metric of the table that a representation has the arrays for.

scores = suite(representation(codes, factors))          {"mig": Score(value, low, high, n, matrix), ...}
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from auxvae.config.kinds import Kind
from auxvae.metrics.columns import metric_of
from auxvae.metrics.information import BINS
from auxvae.metrics.metric import Metric, Needs
from auxvae.metrics.representation import Representation, representation
from auxvae.metrics.score import RESAMPLES, Score, evenly
from auxvae.metrics.table import METRICS
from auxvae.metrics.targets import flags_of

Array = NDArray[np.float64]
MOST = 4096  # rows of a study's suite: ten thousand of 192 latents took two minutes a run


def measured() -> dict[str, Metric]:
    """The metrics that are functions of a representation; the others need a trained run."""
    return {name: metric for name, metric in METRICS.items() if metric.measure}


def named(score: str) -> str | None:
    """The name of the metric of the suite that has that name or a score of that name; None if there is none."""
    name = metric_of(score)
    return name if name in measured() else None


def lacks(name: str, inputs: Representation) -> bool:
    """Whether a representation lacks what a metric needs."""
    factors = 0 if inputs.factors is None else inputs.factors.shape[1]
    present: dict[Needs, bool] = {
        "codes": True,
        "factors": factors > 0,
        "two factors": factors > 1,
        "discrete": any(inputs.discrete),
        "binary": factors > 0 and len(inputs.binary) > 0,
        "prior": "prior" in inputs.extra,
        "films": "films" in inputs.extra,
    }
    return not present[METRICS[name].needs]


def suite(
    inputs: Representation, only: Iterable[str] | None = None, reference: bool = False, resamples: int = RESAMPLES
) -> dict[str, Score]:
    """Every metric that the representation has the arrays for, or those named; reference: the boosted ones too."""
    metrics = measured()
    wanted = set(only) if only is not None else {name for name, m in metrics.items() if reference or not m.boosted}
    scores: dict[str, Score] = {}
    for name, metric in metrics.items():
        if wanted & {name, *metric.columns} and not lacks(name, inputs):
            result = metric.function()(inputs, resamples)
            by_name = {name: result} if isinstance(result, Score) else result
            scores |= {key: score for key, score in by_name.items() if wanted & {name, key}}
    return scores


def study_scores(
    mean: Array, sampled: Array, factors: dict[str, Array], resamples: int, kinds: Sequence[Kind] = ()
) -> dict[str, Score]:
    """The suite as a study has it, of posterior means or samples (N, D) as the table says, over all varying factors.

    Boosted metrics, and those computed for the coverage of a run, are left out; empty for fewer rows than bins. Of more
    than MOST rows so many at equal steps are scored: the spread between seeds is wider than theirs.
    """
    rows = evenly(len(mean), MOST)
    mean, sampled, factors = mean[rows], sampled[rows], {name: column[rows] for name, column in factors.items()}
    varying = {name: column for name, column in factors.items() if np.ptp(column) > 0}
    if len(mean) < BINS or not varying:
        return {}
    table = xr.DataArray(np.stack(list(varying.values()), 1), {"factor": list(varying)}, ["row", "factor"])
    flags = flags_of(kinds, varying)
    metrics = {name: metric for name, metric in measured().items() if not (metric.boosted or metric.by_coverage)}
    scores: dict[str, Score] = {}
    for codes, kind in ((mean, "means"), (sampled, "samples")):
        chosen = [name for name, metric in metrics.items() if metric.of == kind]
        scores |= suite(representation(codes, table, **flags), chosen, resamples=resamples)
    return scores
