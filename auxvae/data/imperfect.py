"""Auxiliary variables made imperfect on purpose, as auxvae.config.imperfect says, each row by its own address.

The numbers of a row depend on the run's seed, the factor and the row's number in the store alone: not on the split, the
number of rows, the order or the batches. A row whose value is swapped takes that of a row of the same split.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from auxvae.config.imperfect import Imperfect
from auxvae.config.kinds import variables_of
from auxvae.config.run import Run


class Auxiliaries(NamedTuple):
    """Auxiliary variables, (N, a) in [0, 1] but for noise, and 1 where they are known, (N, a); 0 stands for unknown."""

    values: Float[Tensor, "N a"]
    observed: Float[Tensor, "N a"]


def imperfect(run: Run, aux: Float[Tensor, "N a"], rows: Int[ndarray, " N"]) -> Auxiliaries:
    """What a run is trained on, from the true auxiliary variables of the rows with these numbers in the store."""
    spec = run.settings.imperfect
    both = Auxiliaries(aux.clone(), torch.ones_like(aux))
    if spec is None:
        return both
    start = 0
    for factor in run.aux:
        end = start + len(variables_of([factor], run.dataset.kinds))
        if not spec.of or factor in spec.of:
            _spoil(both, slice(start, end), Address(run.seed, factor, rows), spec)
        start = end
    return both


class Address(NamedTuple):
    """Where the numbers of one factor come from: the run's seed, the factor's name, the rows."""

    seed: int
    factor: str
    rows: Int[ndarray, " N"]

    def numbers(self, purpose: str, kind: str) -> Float[ndarray, " N"]:
        """A number for each row: `random` in [0, 1) or `standard_normal`; the stream is read from row 0 on."""
        digest = hashlib.sha256(f"{self.seed}/imperfect {purpose} {self.factor}".encode()).digest()
        stream = np.random.Generator(np.random.Philox(int.from_bytes(digest[:8], "little")))
        return np.asarray(getattr(stream, kind)(int(self.rows.max()) + 1)[self.rows])


def _spoil(both: Auxiliaries, columns: slice, address: Address, spec: Imperfect) -> None:
    """Noise, bias, exchanges and gaps in the columns of one factor, in place."""
    values, count = both.values[:, columns], len(both.values)
    if spec.noise:
        values += spec.noise * torch.from_numpy(address.numbers("noise", "standard_normal")).float()[:, None]
    values += spec.bias
    if spec.swapped:
        chosen = torch.from_numpy(address.numbers("swapped", "random") < spec.swapped)
        others = torch.from_numpy((address.numbers("other", "random") * count).astype(np.intp))
        values[chosen] = values[others][chosen]
    if spec.observed < 1:
        unknown = torch.from_numpy(address.numbers("observed", "random") >= spec.observed)
        values[unknown], both.observed[unknown, columns] = 0.0, 0.0
