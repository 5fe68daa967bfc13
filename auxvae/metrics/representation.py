"""What the suite scores: codes and factors of the same rows, which factors are discrete, rows to learn and to judge.

Metrics that fit something learn from `codes`, `factors` and are judged on the test rows; those that do not, take all
of `codes`, `factors`. Where no test rows are given, a third of the rows, dealt by an address made of their number, is
set apart for the judging of what is fitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from auxvae.metrics.information import BINS, classes_of
from auxvae.metrics.score import Table, names
from foundation.faults import Fault, Refused, Words

FEW = 64  # distinct values of a factor that may be discrete
ROWS = 10  # to a class, at least
LARGEST = 1e100  # whose square is a number


@dataclass(frozen=True)
class Representation:
    """Codes (N, D) and factors (N, F) with names, discrete (F,), and test rows where they are given."""

    codes: xr.DataArray
    factors: xr.DataArray | None = None
    discrete: tuple[bool, ...] = ()
    codes_test: xr.DataArray | None = None
    factors_test: xr.DataArray | None = None
    extra: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def known(self) -> xr.DataArray:
        """The factors, which are there."""
        assert self.factors is not None, "a metric of factors is asked for where there are none"
        return self.factors

    @cached_property
    def binary(self) -> NDArray[np.intp]:
        """Which factors take two values."""
        return np.array(
            [k for k, column in enumerate(self.known.values.T) if len(np.unique(column)) == 2], dtype=np.intp
        )

    @cached_property
    def parts(self) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray, xr.DataArray]:
        """Codes and factors to learn from, and to be judged on."""
        if self.codes_test is not None and self.factors_test is not None:
            return self.codes, self.known, self.codes_test, self.factors_test
        dealt = np.random.Generator(np.random.Philox(key=(len(self.codes), 3))).permutation(len(self.codes))
        learned, judged = np.sort(dealt[len(dealt) // 3 :]), np.sort(dealt[: len(dealt) // 3])
        return self.codes[learned], self.known[learned], self.codes[judged], self.known[judged]

    def classes(self, rows: xr.DataArray) -> xr.DataArray:
        """Factors (M, F) as classes counted from 0, continuous ones by quantiles of the rows learned from."""
        return rows.copy(data=class_columns(self.known.values, rows.values, self.discrete))


def class_columns(known: NDArray[np.float64], rows: NDArray[np.float64], discrete: Sequence[bool]) -> NDArray[np.intp]:
    """Rows of factors (M, F) as classes, by the values or the quantiles of the rows known, (N, F)."""
    bins = min(BINS, max(2, len(known) // ROWS))
    columns = zip(known.T, rows.T, discrete, strict=True)
    return np.stack([classes_of(column, own, bool(flag), bins) for column, own, flag in columns], 1)


def representation(
    codes: Table,
    factors: Table | None = None,
    discrete: Table | None = None,
    codes_test: Table | None = None,
    factors_test: Table | None = None,
    **extra: Table,
) -> Representation:
    """The same from arrays, or a refusal with all that is wrong; names come from DataArrays."""
    z, u = _table(codes, "latent", "z"), None if factors is None else _table(factors, "factor", "u")
    z_test = None if codes_test is None else _table(codes_test, "latent", "z")
    u_test = None if factors_test is None else _table(factors_test, "factor", "u")
    faults = [*_faults(z, u, "codes", "factors"), *_test_faults(z, u, z_test, u_test)]
    flags = [] if u is None else [is_discrete(column) for column in u.values.T]
    if discrete is not None and u is not None:
        given = np.asarray(discrete).ravel()
        if len(given) != u.shape[1] or not np.isin(given, (0, 1)).all():
            text = f"there are {u.shape[1]} factors, each discrete or not"
            faults.append(Fault("discrete", given.tolist(), text, "give true or false for each"))
        flags = [bool(flag) for flag in given]
    others = {name: _numbers(name, value) for name, value in extra.items()}
    faults += [fault for name, value in others.items() for fault in _extra_faults(name, value, z.shape[1])]
    if faults:
        raise Refused(faults)
    return Representation(z, u, tuple(flags), z_test, u_test, others)


def is_discrete(column: NDArray[np.float64]) -> bool:
    """Whether a factor takes few values, ten rows or more to each."""
    values = len(np.unique(column))
    return values <= FEW and len(column) >= ROWS * values


def _table(values: Table, dim: str, stem: str) -> xr.DataArray:
    """Any array (N, K) as one of doubles with names of its columns; a single column may be (N,)."""
    array = _numbers(f"{dim}s", values)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or not array.size:
        text = "they must be a table of rows and columns"
        raise Refused(Fault(f"{dim}s", Words(f"shape {array.shape}"), text, "give an array (N, K)"))
    known = names(values, array.shape[1], stem)
    if twice := {name for name in known if known.count(name) > 1}:
        raise Refused(Fault(f"{dim} names", sorted(twice), "a name stands once", "rename them"))
    return xr.DataArray(array, {dim: known}, ["row", dim])


def _numbers(name: str, values: Table) -> NDArray[np.float64]:
    """Any array of real numbers as doubles."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise Refused(Fault(name, Words(f"values of type {array.dtype}"), "they must be real numbers", "convert them"))
    return np.asarray(array, dtype=np.float64)


def _extra_faults(name: str, value: NDArray[np.float64], latents: int) -> Iterator[Fault]:
    """Samples of a prior are (P, D), codes of films (B, T, D), of at least two samples and three images."""
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
        there, absent = ("codes_test", "factors_test") if u_test is None else ("factors_test", "codes_test")
        yield Fault(absent, Words("nothing"), f"{there} is there", "give both or none")
    if z_test is None or u_test is None or u is None:
        return
    yield from (fault for fault in _faults(z_test, u_test, "codes_test", "factors_test"))
    for name, one, two in (("codes_test", z, z_test), ("factors_test", u, u_test)):
        if one.shape[1] != two.shape[1]:
            text = f"the rows to learn from have {one.shape[1]}"
            yield Fault(name, Words(f"{two.shape[1]} columns"), text, "give the same columns")
