"""The kinds of the factors of a collection: what a loader or the options of `convert` declare, with the classes found.

--circular NAME=PERIOD    --categorical NAME        refused with a sentence for each option that is no kind
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from foundation.faults import Fault, Refused, Words, listed, suggest
from simulations.collection import Collection
from simulations.kinds import Kind, is_period

MOST_CLASSES = 256  # of a categorical factor


def kinds_of(collection: Collection) -> tuple[Kind, ...]:
    """The kinds that a collection declares, with the classes that its rows have."""
    circular = [Kind(name, period) for name, period in collection.circular.items()]
    categorical = [(name, np.unique(collection.factors[name])) for name in collection.categorical]
    return (*circular, *(Kind(name, classes=tuple(values.tolist())) for name, values in categorical))


def with_kinds(collection: Collection, circular: Sequence[str], categorical: Sequence[str]) -> Collection:
    """A collection with the kinds of its factors, from options NAME=PERIOD and NAME; refused with all their faults."""
    periods = {name: period for name, _, period in (option.partition("=") for option in circular)}
    faults = [*_circular_faults(periods, collection), *_categorical_faults(categorical, periods, collection)]
    if faults:
        raise Refused(faults)
    numbers = {name: float(period) for name, period in periods.items()}
    return replace(collection, circular=numbers, categorical=tuple(dict.fromkeys(categorical)))


def _circular_faults(periods: Mapping[str, str], collection: Collection) -> Iterator[Fault]:
    yield from _unknown("--circular", periods, collection)
    for name, period in periods.items():
        if not period:
            text = "a circular factor has a period, in its unit"
            yield Fault("--circular", name, text, f"write {name}=PERIOD, such as {name}=360")
        elif not is_period(_number(period)):
            yield Fault(f"--circular {name}", period, "a period is a number above 0", "correct it")


def _categorical_faults(
    categorical: Sequence[str], periods: Mapping[str, str], collection: Collection
) -> Iterator[Fault]:
    yield from _unknown("--categorical", categorical, collection)
    for name in collection.factors.keys() & {*categorical}:
        classes = len(np.unique(collection.factors[name]))
        if name in periods:
            yield Fault("--categorical", name, "it is declared circular too", "declare one of the two")
        elif not 2 <= classes <= MOST_CLASSES:
            text = f"a categorical factor has 2 to {MOST_CLASSES} classes"
            yield Fault(f"--categorical {name}", Words(f"{classes} values"), text, "take it for a number on a line")


def _unknown(option: str, named: Iterable[str], collection: Collection) -> Iterator[Fault]:
    for name in named:
        if name not in collection.factors:
            remedy = suggest(name, collection.factors, "name one of them")
            yield Fault(option, name, f"the factors are {listed(collection.factors)}", remedy)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
