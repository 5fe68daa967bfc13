"""The kinds of the factors of a collection: what a loader or the options of `convert` declare, with the classes found.

    --circular NAME=PERIOD    --categorical NAME        refused with a sentence for each option that is no kind

A model learns of a class what its training rows show, so that every class has one. What a loader declares without that
is stored as a number, and said.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from foundation.console import log
from foundation.faults import Fault, Refused, Words, listed, suggest
from simulations.collection import Collection, parts_of
from simulations.kinds import Kind, is_period

MOST_CLASSES = 256  # of a categorical factor
NO_CLASSES = f"a categorical factor has 2 to {MOST_CLASSES} classes, each with a training row"
Split = NDArray[np.int8]


def kinds_of(collection: Collection, split: Split) -> tuple[Kind, ...]:
    """The kinds that a collection declares, with the classes that its rows have; split (N,), 0 for training rows."""
    circular = [Kind(name, period) for name, period in collection.circular.items()]
    categorical = []
    for name in collection.categorical:
        values = collection.factors[name]
        if problem := _problem(values, split):
            log.info(f"{collection.where}: {name} is stored as a number: {problem}, and {NO_CLASSES}")
        else:
            categorical.append(Kind(name, classes=tuple(np.unique(values).tolist())))
    return (*circular, *categorical)


def _problem(values: NDArray[np.float64], split: Split) -> str:
    """Why values are no classes; empty if they are."""
    classes, trained = np.unique(values), np.unique(values[split == 0])
    if not 2 <= len(classes) <= min(MOST_CLASSES, len(values) // 2):
        return f"{len(classes)} values in {len(values)} rows"
    absent = np.setdiff1d(classes, trained)
    return f"no training row of class {absent[0]:g}" if absent.size else ""


def with_kinds(collection: Collection, circular: Sequence[str], categorical: Sequence[str], seed: int) -> Collection:
    """A collection with the kinds of its factors, from options NAME=PERIOD and NAME; refused with all their faults.

    seed: of the split.
    """
    periods = [(name, period) for name, _, period in (option.partition("=") for option in circular)]
    twice = Counter([name for name, _ in periods] + [*categorical])
    faults = [*_circular_faults(periods, collection), *_categorical_faults(categorical, collection, seed)]
    for name in (name for name, count in twice.items() if count > 1):
        faults.append(Fault("--circular, --categorical", name, "a factor is declared once", "take the second away"))
    if faults:
        raise Refused(faults)
    numbers = {name: float(period) for name, period in periods}
    return replace(collection, circular=numbers, categorical=tuple(categorical))


def _circular_faults(periods: Sequence[tuple[str, str]], collection: Collection) -> Iterator[Fault]:
    yield from _unknown("--circular", [name for name, _ in periods], collection)
    for name, text in periods:
        period = _number(text)
        if not text:
            allowed = "a circular factor has a period, in its unit"
            yield Fault("--circular", name, allowed, f"write {name}=PERIOD, such as {name}=360")
        elif not is_period(period):
            yield Fault(f"--circular {name}", text, "a period is a number above 0", "correct it")
        elif name in collection.factors and _is_one_angle(collection.factors[name], period):
            value = Words("one angle in every row")
            allowed = f"after a period of {period:g} all values are the same"
            yield Fault(f"--circular {name}", value, allowed, "correct the period, which is in the unit of the factor")
        elif name in collection.factors and (turns := np.ptp(collection.factors[name]) / period) > 1 + 1e-9:
            log.info(f"{name}: its values span {turns:.3g} periods of {period:g}; values a period apart are the same")


def _is_one_angle(values: NDArray[np.float64], period: float) -> bool:
    angle = 2 * np.pi * np.remainder(values, period) / period
    return bool(max(np.ptp(np.cos(angle)), np.ptp(np.sin(angle))) < 1e-9)


def _categorical_faults(categorical: Sequence[str], collection: Collection, seed: int) -> Iterator[Fault]:
    yield from _unknown("--categorical", categorical, collection)
    split = parts_of(collection, seed)
    for name in (name for name in categorical if name in collection.factors):
        if problem := _problem(collection.factors[name], split):
            remedy = "leave --categorical out where it is a number; else take another --seed or give a column 'split'"
            yield Fault(f"--categorical {name}", Words(problem), NO_CLASSES, remedy)


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
