"""The auxiliary variables of rows: those of their factors, and those beside the factors (auxvae.config.auxiliaries)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from auxvae.config.auxiliaries import Added
from auxvae.config.run import Source
from auxvae.data.encoding import Columns, encoded
from auxvae.data.randomness import of_rows

Factors = Mapping[str, Float[ndarray, " N"]]


def variables_of_rows(source: Source, factors: Factors, rows: Int[ndarray, " N"]) -> Columns:
    """Every auxiliary variable (N,) by name, unscaled, of the rows with these factors and numbers in the store."""
    return encoded(factors, source.kinds) | {each.name: _values(each, factors, rows) for each in source.auxiliaries}


def _values(variable: Added, factors: Factors, rows: Int[ndarray, " N"]) -> Float[ndarray, " N"]:
    if variable.kind == "noise":
        return of_rows(variable.seed, f"auxiliary {variable.name}", rows, normally=True)
    if variable.kind == "sum":
        return np.asarray(np.sum([weight * factors[name] for name, weight in variable.of], 0))
    with np.errstate(all="ignore"):  # what is no number is refused where the variable is scaled
        return np.asarray(np.prod([np.abs(factors[name]) ** power for name, power in variable.of], 0))
