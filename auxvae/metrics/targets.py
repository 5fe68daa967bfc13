r"""Factors as columns that a latent can be correlated with: a number is one, an angle two, classes one each.

    R_jk^2 = c_jk' C_k^-1 c_jk / Var z_j        of the covariances c_jk of latent j with the columns of factor k, and
                                                C_k of the columns themselves: the squared multiple correlation

which is rho^2 for a number; for an angle it does not depend on where angles are counted from; for classes it is the
correlation ratio, the share of the variance of z_j that lies between the classes. Of a categorical factor the column of
the last class is left out, as it follows from the others. `size` counts its auxiliary variables (auxvae.config.kinds):
so many latents may stand for the factor.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from numpy.typing import ArrayLike
from torch import Tensor

from auxvae.config.kinds import Kind
from auxvae.data.encoding import encoded
from auxvae.metrics.moments import correlations, covariances
from auxvae.metrics.score import Table, names

RIDGE = 1e-9  # of correlations: a class that a bootstrap sample lacks has no variance


def kinds_in(factors: Table, period: ArrayLike, categorical: ArrayLike) -> tuple[Kind, ...]:
    """The kinds of factors (N, F), from their periods (F,), 0 for none, and whether they are classes (F,)."""
    values = np.asarray(factors, dtype=np.float64)
    flags = zip(np.asarray(period).tolist(), np.asarray(categorical).tolist(), strict=True)
    kinds = []
    for name, column, (each, is_class) in zip(names(factors, values.shape[1], "u"), values.T, flags, strict=True):
        if each or is_class:
            kinds.append(Kind(name, classes=tuple(np.unique(column).tolist())) if is_class else Kind(name, each))
    return tuple(kinds)


def flags_of(kinds: Sequence[Kind], factors: Iterable[str]) -> dict[str, list[float]]:
    """Periods and whether they are classes, of factors by name, as `kinds_in` reads them; empty without kinds."""
    by_name = {kind.factor: kind for kind in kinds}
    declared = [by_name.get(name, Kind(name)) for name in factors]
    periods, categorical = [each.period or 0.0 for each in declared], [float(bool(each.classes)) for each in declared]
    return {"period": periods, "categorical": categorical} if kinds else {}


class Targets(NamedTuple):
    """Columns (N, V) of F factors, the number of columns of each, and of auxiliary variables, each (F,)."""

    columns: Float[Tensor, "N V"]
    columns_of: tuple[int, ...]
    size: tuple[int, ...]


def targets(factors: Table, kinds: Sequence[Kind] = ()) -> Targets:
    """Those of a table of factors (N, F), whose kinds are found by the names of its columns."""
    values = np.asarray(factors, dtype=np.float64)
    by_name = {kind.factor: kind for kind in kinds}
    parts, sizes = [], []
    for name, column in zip(names(factors, values.shape[1], "u"), values.T, strict=True):
        kind = by_name.get(name)
        variables = [*encoded({name: column}, [kind] if kind else []).values()]
        sizes.append(len(variables))
        parts.append(variables[:-1] if kind and kind.classes else variables)
    whole = torch.from_numpy(np.stack([column for part in parts for column in part], 1))
    return Targets(whole, tuple(len(part) for part in parts), tuple(sizes))


def named_targets(factors: dict[str, np.ndarray], kinds: Sequence[Kind] = ()) -> Targets:
    """Those of factors (N,) by name."""
    table = xr.DataArray(np.stack(list(factors.values()), 1), {"factor": list(factors)}, ["row", "factor"])
    return targets(table, kinds)


def correlations_with(codes: Float[Tensor, "N D"], wanted: Targets, resamples: int) -> Float[Tensor, "S D F"]:
    """Pearson's rho of latents with numbers, and R, without a sign, with angles and classes; 0 for constant columns."""
    latents = codes.shape[1]
    matrix = correlations(covariances(torch.cat([codes, wanted.columns], 1), resamples))
    ends = np.cumsum([latents, *wanted.columns_of])
    factors = [slice(start, end) for start, end in itertools.pairwise(ends)]
    parts = [
        matrix[:, :latents, at] if size == 1 else _multiple(matrix[:, :latents, at], matrix[:, at, at])
        for at, size in zip(factors, wanted.size, strict=True)
    ]
    return torch.cat(parts, -1)


def _multiple(outer: Float[Tensor, "S D c"], inner: Float[Tensor, "S c c"]) -> Float[Tensor, "S D 1"]:
    """R of the latents with the columns of one factor, from their correlations with them and those of the columns."""
    ridge = RIDGE * torch.eye(inner.shape[-1], dtype=inner.dtype)
    explained = (outer * torch.linalg.solve(inner + ridge, outer.mT).mT).sum(-1, keepdim=True)
    multiple: Tensor = explained.clamp(0, 1).sqrt()
    return multiple
