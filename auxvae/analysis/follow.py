"""What is measured of the validation codes after every epoch: the metrics that have a closed form."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auxvae.metrics.closed import FactorColumns, closed_forms, factor_columns


def follow_metrics(
    factors: Mapping[str, NDArray[np.float64]], device: torch.device
) -> Callable[[Tensor], Mapping[str, float]]:
    """The observer of training (training.loop.Observer): closed-form metrics of posterior means (N, d_Z).

    The factors (N,) are those of all validation rows; fewer codes belong to the first rows.
    """
    columns = factor_columns(factors, device)

    def follow(codes: Tensor) -> Mapping[str, float]:
        if columns is None:
            return {}
        rows = FactorColumns(*(each[: len(codes)] for each in columns))
        return {name: float(value) for name, value in closed_forms(codes, rows).items()}

    return follow
