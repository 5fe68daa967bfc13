"""Auxiliary variables as a run is given them: values with their errors, in shares of the range of their factors.

    u_i  <-  (m_i - LOW) / (HIGH - LOW),   e_i / (HIGH - LOW)      measurement m_i and its error e_i in row i

with the limits of the factor in the training rows. A row without a value, without an error where there are errors, or
with a value more than FAR ranges outside of the limits has none: its error is infinite.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from auxvae.config.measured import FAR, Measured
from auxvae.config.run import Run
from auxvae.data.encoding import Columns
from auxvae.data.scaling import Scaling

Array = NDArray[np.float64]


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
        j, (values, error) = run.variables.index(each.of), in_shares(each, columns, scaling)
        lost = torch.from_numpy(np.isnan(values))
        both.values[:, j] = torch.where(lost, 0.0, torch.from_numpy(values)).float()
        both.error[:, j] = torch.where(lost, torch.inf, torch.from_numpy(error)).float()
    return both


def in_shares(each: Measured, columns: Columns, scaling: Scaling) -> tuple[Array, Array]:
    """A measurement and its errors in shares of the factor's range, (N,) each; NaN where it is missing or failed."""
    low, high = scaling.factor_low[each.of], scaling.factor_high[each.of]
    values = (columns[each.name] - low) / (high - low)
    error = columns[each.error] / (high - low) if each.error else np.zeros_like(values)
    has_value = np.isfinite(values) & np.isfinite(error) & (values > -FAR) & (values < 1 + FAR)
    return np.where(has_value, values, np.nan), error
