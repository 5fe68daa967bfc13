"""Auxiliary variables in a context, trained or not: what a model that is given u is asked for an intervention with.

    u  ~  training rows of the context, if it has any
    u  =  (u_1 of rows of context 1, u_2 of rows of context 2, ...)        for a context composed of several

with u_k the auxiliary variables of the factors that context k intervenes on; all others are those of the rows of the
first. Where interventions have effects in common this is no draw from the composed context, and no such model says it
better: what one variable does to another is not learned.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from auxvae.config.contexts import DataContext, concepts_of
from auxvae.config.kinds import variables_of
from auxvae.config.run import Run
from auxvae.models.prior_checks import some_rows


def rows_in_context(
    run: Run,
    aux: Float[Tensor, "N a"],
    of_rows: Int[Tensor, " N"],
    context: int,
    count: int,
    source: torch.Generator,
    inputs: tuple[str, ...] = (),
) -> Float[Tensor, "n a"]:
    """So many rows of auxiliary variables in a context by number, from those of the training rows in theirs.

    inputs: names of further columns, what is given beside the images (auxvae.config.inputs).
    """
    contexts = run.dataset.contexts
    present = {contexts[number].name for number in of_rows.unique().tolist()}
    parts = _parts(contexts[context], [each for each in contexts if each.name in present])
    if not parts:
        return some_rows(aux, count, source)
    first, *others = (some_rows(aux[of_rows == contexts.index(part)], count, source) for part in parts)
    rows = first.clone()
    for part, values in zip(parts[1:], others, strict=True):
        changed = {*variables_of(part.of, run.dataset.kinds)}
        columns = [k for k, name in enumerate(run.variables) if name in changed]
        columns += [k for k, name in enumerate(inputs, len(run.variables)) if name in part.of]
        rows[:, columns] = values[:, columns]
    return rows


def _parts(context: DataContext, present: list[DataContext]) -> list[DataContext]:
    """The context itself if there are rows of it; else the concepts that it is composed of."""
    if context in present:
        return [context]
    return [concept for concept in concepts_of(present) if {*concept.of} <= {*context.of}]
