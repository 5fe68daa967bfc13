"""Factors that are not plain numbers, as a data set declares them: circular ones, and categories without an order.

    circular     a period P > 0 in the factor's unit: v and v + P are the same
    categorical  the values of its classes, in rising order

All other factors are numbers on a line. What a model makes of a kind is its own affair (cosine and sine, one-hot); here
it is a fact of the data set, kept in its seal and beside the column: `period`, or CF's `flag_values`. Neither numpy nor
zarr is imported, because this module also runs inside the Snakefile.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """A factor with a period, or with classes."""

    factor: str
    period: float | None = None
    classes: tuple[float, ...] = ()

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the factor's column."""
        return {"flag_values": list(self.classes)} if self.classes else {"period": self.period}


def read_kinds(values: Iterable[Mapping[str, Any]], factors: Iterable[str]) -> tuple[Kind, ...]:
    """Kinds from their JSON; a ValueError says what is no kind of these factors."""
    kinds = tuple(Kind(each["factor"], each["period"], tuple(each["classes"])) for each in values)
    named = [kind.factor for kind in kinds]
    for kind in kinds:
        if kind.factor not in factors or named.count(kind.factor) > 1:
            raise ValueError(f"the kind of {kind.factor!r}, which is no factor or has two")
        if kind.classes and kind.period is None:
            _refuse_classes(kind)
        elif kind.classes or not is_period(kind.period):
            raise ValueError(f"the period {kind.period!r} of {kind.factor}")
    return kinds


def _refuse_classes(kind: Kind) -> None:
    numbers = all(_is_number(each) for each in kind.classes)
    if not numbers or len(kind.classes) < 2 or list(kind.classes) != sorted(set(kind.classes)):
        raise ValueError(f"the classes of {kind.factor}, which are two numbers or more in rising order")


def is_period(value: object) -> bool:
    """Whether a value is a finite number above 0."""
    return _is_number(value) and float(value) > 0  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    """Whether a value is a finite number that a double holds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return -sys.float_info.max <= value <= sys.float_info.max
