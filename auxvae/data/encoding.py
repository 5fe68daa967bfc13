r"""Factors as auxiliary variables: one number on a line each, cosine and sine of a circular one, one-hot classes.

    number       v
    circular     cos(2 pi v / P), sin(2 pi v / P)      period P: v and v + P are the same image
    categorical  [v = c] for each class c              classes have no order, and no distance between them

in double precision; min-max scaling to [0, 1] comes after it, of the last two with their exact limits. Named as in
auxvae.config.kinds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from auxvae.config.kinds import Kind

Columns = dict[str, NDArray[np.float64]]
DIGITS = 12  # of cosine and sine: the sine of half a turn is 0, and no rounding of it


def encoded(factors: Mapping[str, NDArray[np.float64]], kinds: Iterable[Kind]) -> Columns:
    """The auxiliary variables (N,) of factors (N,), by name, in their order."""
    by_factor = {kind.factor: kind for kind in kinds}
    variables: Columns = {}
    for name, values in factors.items():
        variables |= _of_kind(by_factor[name], values) if name in by_factor else {name: values}
    return variables


def _of_kind(kind: Kind, values: NDArray[np.float64]) -> Columns:
    if kind.period is None:
        columns = [(values == each).astype(np.float64) for each in kind.classes]
    else:
        angle = 2 * np.pi * np.remainder(values, kind.period) / kind.period
        columns = [np.round(each, DIGITS) for each in (np.cos(angle), np.sin(angle))]
    return dict(zip(kind.variables, columns, strict=True))


def limits(variables: Columns, kinds: Collection[Kind]) -> tuple[dict[str, float], dict[str, float]]:
    """The least and the greatest value of each auxiliary variable (N,).

    Cosine and sine have those of the circle; a variable that does not vary over the rows has the same twice. NaN, of
    rows without a value, counts nothing.
    """
    low = {name: float(np.nanmin(values)) for name, values in variables.items()}
    high = {name: float(np.nanmax(values)) for name, values in variables.items()}
    for name in (name for kind in kinds if not kind.classes for name in kind.variables):
        if low[name] < high[name]:
            low[name], high[name] = -1.0, 1.0
    return low, high
