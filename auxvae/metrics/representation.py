"""The input of the suite: codes and factors of the same rows, which factors are discrete, their kinds, and test rows.

Metrics that fit a model fit it to `codes`, `factors` and score it on the test rows; all others use the whole of
`codes`, `factors`. Without test rows, fitted metrics hold out a third of the rows, drawn with a key made of their
number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from auxvae.config.kinds import Kind
from auxvae.data.encoding import encoded
from auxvae.metrics.information import BINS, classes_of
from auxvae.metrics.integers import beyond_double, from_least
from auxvae.metrics.score import Table, names
from auxvae.metrics.targets import kinds_in
from foundation.faults import Fault, Refused, Words, listed

FEW = 64  # most distinct values of a discrete factor
ROWS = 10  # fewest rows per class
CLASSES = 256  # most classes of a categorical factor
LARGEST = 1e100  # its square is still finite


@dataclass(frozen=True)
class Representation:
    """Codes (N, D) and factors (N, F) with names, which factors are discrete (F,), their kinds, and any test rows."""

    codes: xr.DataArray
    factors: xr.DataArray | None = None
    discrete: tuple[bool, ...] = ()
    kinds: tuple[Kind, ...] = ()
    codes_test: xr.DataArray | None = None
    factors_test: xr.DataArray | None = None
    extra: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def factor_table(self) -> xr.DataArray:
        """The factors (N, F) of a representation that has them."""
        assert self.factors is not None, "a metric of factors needs factors"
        return self.factors

    @cached_property
    def binary(self) -> NDArray[np.intp]:
        """Positions of the factors that take two values."""
        columns = self.factor_table.values.T
        return np.array([k for k, column in enumerate(columns) if len(np.unique(column)) == 2], dtype=np.intp)

    @cached_property
    def parts(self) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray, xr.DataArray]:
        """Codes and factors to fit, and codes and factors to test."""
        if self.codes_test is not None and self.factors_test is not None:
            return self.codes, self.factor_table, self.codes_test, self.factors_test
        order = np.random.Generator(np.random.Philox(key=(len(self.codes), 3))).permutation(len(self.codes))
        fit, test = np.sort(order[len(order) // 3 :]), np.sort(order[: len(order) // 3])
        return self.codes[fit], self.factor_table[fit], self.codes[test], self.factor_table[test]

    def classes(self, rows: xr.DataArray) -> xr.DataArray:
        """Factors (M, F) as classes counted from 0; continuous ones are cut at the quantiles of `factors`."""
        columns = zip(self.factor_table.values.T, rows.values.T, self.discrete, strict=True)
        bins = min(BINS, max(2, len(self.factor_table) // ROWS))
        return rows.copy(data=np.stack([classes_of(fit, column, flag, bins) for fit, column, flag in columns], 1))


def representation(
    codes: Table,
    factors: Table | None = None,
    discrete: Table | None = None,
    codes_test: Table | None = None,
    factors_test: Table | None = None,
    period: Table | None = None,
    categorical: Table | None = None,
    **extra: Table,
) -> Representation:
    """A representation of arrays, named where they are DataArrays; refuses with every fault that they have.

    period (F,): of circular factors, in their unit, 0 for the others. categorical (F,): whether a factor's values are
    classes without an order, which are discrete, too.
    """
    factors, factors_test = _exact(factors, factors_test)
    z, u = _table(codes, "latent", "z"), None if factors is None else _table(factors, "factor", "u")
    z_test = None if codes_test is None else _table(codes_test, "latent", "z")
    u_test = None if factors_test is None else _table(factors_test, "factor", "u")
    faults = [*_faults(z, u, "codes", "factors"), *_test_faults(z, u, z_test, u_test)]
    flags = np.array([] if u is None else [is_discrete(column) for column in u.values.T])
    if discrete is not None and u is not None:
        flags = np.asarray(discrete).ravel()
        faults += _flag_faults("discrete", flags, u.shape[1])
    columns = 0 if u is None else u.shape[1]
    periods, classes = (np.zeros(columns) if x is None else np.asarray(x).ravel() for x in (period, categorical))
    faults += [] if u is None else _kind_faults(u, periods, classes)
    others = {name: _numbers(name, value) for name, value in extra.items()}
    faults += [fault for name, value in others.items() for fault in _extra_faults(name, value, z.shape[1])]
    if faults:
        raise Refused(faults)
    kinds = () if u is None else kinds_in(u, periods, classes)
    discrete_or_class = tuple(bool(flag) for flag in (flags != 0) | (classes[:columns] != 0))
    return Representation(z, u, discrete_or_class, kinds, z_test, u_test, others)


def _exact(factors: Table | None, factors_test: Table | None) -> tuple[Table | None, Table | None]:
    """Factors whose integers doubles can hold, those of the test rows counted from the same numbers."""
    present = [each for each in (factors, factors_test) if each is not None]
    same = len({np.asarray(each).shape[1:] for each in present}) == 1
    counted = iter(from_least("factors", present) if same else present)
    return tuple(None if each is None else next(counted) for each in (factors, factors_test))  # type: ignore[return-value]


def is_discrete(column: NDArray[np.float64]) -> bool:
    """Whether a factor takes few values, with ten rows or more for each."""
    values = len(np.unique(column))
    return values <= FEW and len(column) >= ROWS * values


def _table(values: Table, dim: str, stem: str) -> xr.DataArray:
    """An array (N, K), or (N,) for a single column, as doubles with names of its columns."""
    array = _numbers(f"{dim}s", values)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or not array.size:
        text = "they must be a table of rows and columns"
        raise Refused(Fault(f"{dim}s", Words(f"shape {array.shape}"), text, "give an array (N, K)"))
    columns = names(values, array.shape[1], stem)
    if twice := {name for name in columns if columns.count(name) > 1}:
        raise Refused(Fault(f"{dim} names", sorted(twice), "a name stands once", "rename them"))
    return xr.DataArray(array, {dim: columns}, ["row", dim])


def _numbers(name: str, values: Table) -> NDArray[np.float64]:
    """An array of real numbers as doubles."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise Refused(Fault(name, Words(f"values of type {array.dtype}"), "they must be real numbers", "convert them"))
    if beyond_double(array):
        text = "a double holds integers up to 2^53 exactly"
        raise Refused(Fault(name, Words("larger integers"), text, "subtract an offset, or number them from 0"))
    return np.require(array, np.float64, "W")  # torch warns of arrays that are read-only, as those of Parquet are


def _kind_faults(u: xr.DataArray, periods: NDArray[Any], classes: NDArray[Any]) -> list[Fault]:
    """What is wrong with the periods of factors, or with those that are of classes."""
    if wrong := [*_period_faults(periods, u.shape[1]), *_flag_faults("categorical", classes, u.shape[1])]:
        return wrong
    if both := u["factor"].values[(periods > 0) & (classes > 0)].tolist():
        return [Fault("categorical", listed(both), "a factor is circular or categorical", "take one of the two away")]
    return [*_class_faults(u, classes), *_angle_faults(u, periods)]


def _class_faults(u: xr.DataArray, classes: NDArray[Any]) -> Iterator[Fault]:
    for name, column in zip(u["factor"].values[classes > 0], u.values.T[classes > 0], strict=True):
        if (count := len(np.unique(column))) > CLASSES:
            text = f"a categorical factor has {CLASSES} classes at most"
            yield Fault(f"categorical {name}", Words(f"{count} values"), text, "take it for a number")


def _angle_faults(u: xr.DataArray, periods: NDArray[Any]) -> Iterator[Fault]:
    circular = periods > 0
    for name, column, period in zip(u["factor"].values[circular], u.values.T[circular], periods[circular], strict=True):
        angle = encoded({"u": column}, [Kind("u", float(period))])
        if not any(np.ptp(each) for each in angle.values()):
            text = f"after a period of {period:g} all values are the same"
            yield Fault(f"period {name}", Words("one angle in every row"), text, "give the period in the factor's unit")


def _period_faults(periods: NDArray[Any], factors: int) -> Iterator[Fault]:
    numbers = len(periods) == factors and periods.dtype.kind in "iuf"
    if not numbers or not ((periods >= 0) & np.isfinite(periods)).all():
        text = f"it is a number above 0 for each of the {factors} factors that is circular, and 0 for the others"
        yield Fault("period", periods.tolist(), text, "correct it")


def _flag_faults(name: str, flags: NDArray[np.generic], factors: int) -> Iterator[Fault]:
    if len(flags) != factors or not np.isin(flags, (0, 1)).all():
        text = f"there are {factors} factors, each {name} or not"
        yield Fault(name, flags.tolist(), text, "give true or false for each")


def _extra_faults(name: str, value: NDArray[np.float64], latents: int) -> Iterator[Fault]:
    """Samples of a prior are (P, D), codes of films (B, T, D), with at least two samples and three images."""
    dimensions, least = {"prior": (2, 2), "films": (3, 3)}[name]
    if value.ndim != dimensions or value.shape[-1] != latents or value.shape[-2] < least:
        text = f"the codes have {latents} latents: it is {('(P, D)', '(B, T, D), T at least 3')[dimensions - 2]}"
        yield Fault(name, Words(f"shape {value.shape}"), text, "give that shape")
    elif wrong := int((~np.isfinite(value)).sum()):
        yield Fault(name, Words(f"{wrong} values that are no finite numbers"), "all must be finite", "mend it")


def _faults(z: xr.DataArray, u: xr.DataArray | None, codes: str, factors: str) -> Iterator[Fault]:
    yield from (fault for name, each in ((codes, z), (factors, u)) for fault in _number_faults(name, each))
    if len(z) < BINS:
        text = f"histograms have {BINS} bins"
        yield Fault(codes, Words(f"{len(z)} rows"), text, f"give {BINS} rows or more, better thousands")
    if u is None:
        return
    if len(u) != len(z):
        text = f"{codes} has {len(z)} rows"
        yield Fault(factors, Words(f"{len(u)} rows"), text, "give the same rows in the same order")
    for name, column in zip(u["factor"].values, u.values.T, strict=True):
        if np.ptp(column) == 0:
            text = "a factor needs two values at least"
            yield Fault(f"{factors} {name}", Words(f"{column[0]:g} in every row"), text, "leave it out")


def _number_faults(name: str, table: xr.DataArray | None) -> Iterator[Fault]:
    if table is not None and (wrong := int((~(np.abs(table.values) < LARGEST)).sum())):
        row = int(np.flatnonzero(~(np.abs(table.values) < LARGEST).all(1))[0])
        value = Words(f"{wrong} values that are no finite numbers, the first in row {row}")
        yield Fault(
            name, value, "every value must be finite and below 1e100", "leave those rows out of codes and factors"
        )


def _test_faults(
    z: xr.DataArray, u: xr.DataArray | None, z_test: xr.DataArray | None, u_test: xr.DataArray | None
) -> Iterator[Fault]:
    if (z_test is None) != (u_test is None):
        present, absent = ("codes_test", "factors_test") if u_test is None else ("factors_test", "codes_test")
        yield Fault(absent, Words("nothing"), f"{present} is there", "give both or none")
    if z_test is None or u_test is None or u is None:
        return
    yield from (fault for fault in _faults(z_test, u_test, "codes_test", "factors_test"))
    for name, fit, test in (("codes_test", z, z_test), ("factors_test", u, u_test)):
        if fit.shape[1] != test.shape[1]:
            text = f"the rows to learn from have {fit.shape[1]}"
            yield Fault(name, Words(f"{test.shape[1]} columns"), text, "give the same columns")
