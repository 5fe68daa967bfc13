"""Auxiliary variables as a run is given them: values with their errors, in shares of the range of their factors.

    u_i  <-  (m_i - LOW) / (HIGH - LOW),   e_i / (HIGH - LOW)      measurement m_i and its error e_i in row i

with the limits of the factor in the training rows. A row without a value, without an error where there are errors, or
with a value more than FAR ranges outside of the limits has none: its error is infinite.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from auxvae.config.measured import FAR
from auxvae.config.run import Run
from auxvae.data.encoding import Columns
from auxvae.data.scaling import Scaling


class Auxiliaries(NamedTuple):
    """Auxiliary variables, (N, a) in [0, 1] but for noise, and their errors, (N, a).

    An error is a standard deviation: 0 of what is exact, infinite where nothing is known and the value is 0.
    """

    values: Float[Tensor, "N a"]
    error: Float[Tensor, "N a"]


def exact(values: Float[Tensor, "N a"]) -> Auxiliaries:
    """The values without errors."""
    return Auxiliaries(values, torch.zeros_like(values))


def measured(run: Run, true: Float[Tensor, "N a"], columns: Columns, scaling: Scaling) -> Auxiliaries:
    """The auxiliary variables of rows: measurements (N,) in `columns` where the run reads them, else the true ones."""
    both = exact(true.clone())
    for each in run.measurements if columns else ():
        j, low = run.variables.index(each.of), scaling.factor_low[each.of]
        width = scaling.factor_high[each.of] - low
        values = torch.from_numpy((columns[each.name] - low) / width)
        error = torch.from_numpy(columns[each.error] / width) if each.error else torch.zeros_like(values)
        lost = ~(values.isfinite() & error.isfinite() & (values > -FAR) & (values < 1 + FAR))
        both.values[:, j] = torch.where(lost, 0.0, values).float()
        both.error[:, j] = torch.where(lost, torch.inf, error).float()
    return both
