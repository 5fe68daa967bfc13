"""Auxiliary variables made imperfect on purpose, as auxvae.config.imperfect says, each row by its own address.

The numbers of a row depend on the run's seed, the factor and the row's number in the store alone: not on the split, the
number of rows, the order or the batches. A row whose value is swapped takes that of a row of the same split.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Int
from numpy import ndarray
from torch import Tensor

from auxvae.config.imperfect import Imperfect
from auxvae.config.kinds import variables_of
from auxvae.config.run import Run
from auxvae.data.measured import Auxiliaries
from auxvae.data.randomness import of_rows


def imperfect(run: Run, whole: Auxiliaries, rows: Int[ndarray, " N"]) -> Auxiliaries:
    """What a run is trained on, from the auxiliary variables of the rows with these numbers in the store."""
    spec = run.settings.imperfect
    both = Auxiliaries(whole.values.clone(), whole.error.clone())
    if spec is None:
        return both
    start = 0
    for factor in run.aux:
        end = start + len(variables_of([factor], run.dataset.kinds))
        if not spec.of or factor in spec.of:
            _spoil(both, slice(start, end), partial(_numbers, run.seed, factor, rows), spec)
        start = end
    return both


def _numbers(seed: int, factor: str, rows: Int[ndarray, " N"], purpose: str, normally: bool = False) -> Tensor:
    return torch.from_numpy(of_rows(seed, f"imperfect {purpose} {factor}", rows, normally))


def _spoil(both: Auxiliaries, columns: slice, numbers: Callable[..., Tensor], spec: Imperfect) -> None:
    """Noise, bias, exchanges and gaps in the columns of one factor, in place."""
    values, count = both.values[:, columns], len(both.values)
    if spec.noise:
        values += spec.noise * numbers("noise", normally=True).float()[:, None]
    values += spec.bias
    if spec.swapped:
        chosen, others = numbers("swapped") < spec.swapped, (numbers("other") * count).long()
        values[chosen] = values[others][chosen]
    if spec.observed < 1:
        unknown = numbers("observed") >= spec.observed
        values[unknown], both.error[unknown, columns] = 0.0, torch.inf
