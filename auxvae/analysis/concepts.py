"""The concepts of a trained context module: is each a function of the factors that its context intervenes on?

From the codes c_j of test rows of trained contexts, a block for each concept j (auxvae.models.context_module), each
row in its context:

    identified             R2 by which a linear map of c_j tells the factors of concept j, on other rows: mean over j
    identified_elsewhere   the same for the factors of every other concept
    block_dci_...          DCI with the block of a concept as one code

Theorem 3.3 of arXiv:2507.04754 says that c_j is known up to a linear map, for independent noise and an intervention on
every concept. Where factors depend on each other, a concept rightly tells some of another's factors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auxvae.analysis.model import TrainedModel
from auxvae.config.contexts import DataContext
from auxvae.metrics.interventions import block_dci, identifiability
from auxvae.metrics.score import Score

FEWEST = 40  # rows, half of which are learned from
SEED = 0  # of the halves, for all runs


def concept_scores(model: TrainedModel, resamples: int) -> dict[str, Score]:
    """Scores of the concepts of a run; none without a context module."""
    run = model.run
    trained = np.flatnonzero(np.isin(model.rows.context, [run.dataset.contexts.index(each) for each in run.contexts]))
    names = [name for concept in run.concepts for name in concept.of]
    if not run.concepts or len(trained) < FEWEST:
        return {}
    codes = model.concepts()[trained].astype(np.float64)
    factors = np.stack([model.rows.factors[name][trained] for name in names], 1)
    explained = identifiability(codes, factors, len(run.concepts), SEED)
    is_own = _is_own(run.concepts, names)
    count = len(trained)
    half = count // 2
    parts = (codes[:half], factors[:half], np.zeros(len(names), bool), codes[half:], factors[half:])
    return {
        "identified": _without_interval(explained[is_own], count),
        "identified_elsewhere": _without_interval(explained[~is_own], count),
        **block_dci(*parts, concepts=len(run.concepts), resamples=resamples),
    }


def _is_own(concepts: tuple[DataContext, ...], names: list[str]) -> NDArray[np.bool_]:
    """Whether a factor is of a concept, (m, F)."""
    return np.array([[name in concept.of for name in names] for concept in concepts])


def _without_interval(values: NDArray[np.float64], count: int) -> Score:
    return Score(float(np.nanmean(values)) if np.isfinite(values).any() else np.nan, np.nan, np.nan, count)
