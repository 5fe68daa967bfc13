r"""The effects that a trained context module has between its concepts, beside the structure of its data.

    strength_ji    the Euclidean norm of the block of A_obs by which concept i acts on concept j
                                                                        (auxvae.models.context_module, `pooled`)
    edge i -> j    a factor of i causes a factor of j, directly or through factors that belong to no concept
    effects        area under the ROC curve of the strengths, edges against other pairs (auxvae.metrics.interventions)

Nothing identifies A: eps is known up to a function of its own concept, and the decoder may undo what A does. Strengths
are read beside those of models of independent factors, with several seeds, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from auxvae.analysis.model import TrainedModel
from auxvae.config.contexts import DataContext
from auxvae.data.store import Store
from auxvae.metrics.interventions import effects
from auxvae.metrics.score import Score

Structure = NDArray[np.bool_]
Mechanisms = Mapping[str, Sequence[str]]


def mechanisms_of(store: Store) -> Mechanisms | None:
    """The causes of each factor that has any; None for images that were not drawn here, whose structure is unknown."""
    spec = store.dataset.attrs.get("spec")
    return None if spec is None else {effect: [*causes] for effect, causes in spec.get("mechanisms", {}).items()}


def structure(concepts: Sequence[DataContext], mechanisms: Mechanisms) -> Structure:
    """Whether each concept (column) acts on each other one (row), (m, m), past factors of no concept alone."""
    owned = {name for concept in concepts for name in concept.of}
    causes = [_causes({*concept.of}, mechanisms, owned) for concept in concepts]
    acts = [[bool({*other.of} & of) for other in concepts] for of in causes]
    return np.array(acts, dtype=bool) & ~np.eye(len(concepts), dtype=bool)


def _causes(names: set[str], mechanisms: Mechanisms, owned: set[str]) -> set[str]:
    """The factors of concepts that cause any of these, directly or through factors of no concept."""
    causes: set[str] = set()
    waiting, visited = [*names], {*names}
    while waiting:
        for cause in {*mechanisms.get(waiting.pop(), ())} - visited:
            visited.add(cause)
            if cause in owned:
                causes.add(cause)
            else:
                waiting.append(cause)
    return causes


def effects_on(names: Iterable[str], mechanisms: Mechanisms) -> set[str]:
    """All factors that these cause, directly or through others."""
    caused, size = {*names}, -1
    while len(caused) > size:
        size = len(caused)
        caused |= {effect for effect, causes in mechanisms.items() if caused & {*causes}}
    return caused - {*names}


def effects_of(model: TrainedModel, mechanisms: Mechanisms | None) -> tuple[list[dict[str, object]], dict[str, Score]]:
    """A row for each pair of concepts of a run, and how well the strengths rank the edges; none without a module."""
    concepts = model.run.concepts
    if mechanisms is None or len(concepts) < 2:
        return [], {}
    strengths, edges = model.effects(), structure(concepts, mechanisms)
    rows = [
        {
            "cause": cause.name,
            "effect": effect.name,
            "is_edge": bool(edges[j, i]),
            "strength": float(strengths[j, i]),
        }
        for j, effect in enumerate(concepts)
        for i, cause in enumerate(concepts)
        if i != j
    ]
    value = effects(strengths, edges.astype(np.float64))
    return rows, {"effects": Score(value, np.nan, np.nan, len(rows))} if np.isfinite(value) else {}
