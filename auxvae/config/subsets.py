"""`coverages: all`: every subset of the factors is a coverage, so that no choice of subsets is left to defend.

The empty subset is not among them: a method that takes auxiliary variables needs one, and `beta_vae` is its control.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from foundation.faults import Fault, Words, listed

ALL = "all"
LONGEST = 64  # letters of a name
MOST_FACTORS = 6  # 63 coverages, each a run for every seed
NAMED = "name the coverages instead"


def with_subsets(
    config: Mapping[str, Any], facts: Mapping[str, Mapping[str, Any]], faults: list[Fault]
) -> dict[str, Any]:
    """The config with every subset in place of the word, in its coverages and in its groups of runs."""
    every = config.get("coverages")
    if every == ALL:
        faults += _faults(facts)
        every = {"_".join(subset): list(subset) for subset in _subsets(_factors(facts))}
    if not isinstance(every, Mapping):
        return dict(config)
    config = {**config, "coverages": every}
    runs = config.get("runs")
    if not isinstance(runs, list) or not every or ALL in every:
        return config
    names = _in_order(every, _factors(facts))
    return {**config, "runs": [_named(group, names) for group in runs]}


def _in_order(coverages: Mapping[Any, Any], factors: tuple[str, ...]) -> list[Any]:
    """The names of coverages, the largest first, then in the order of their factors: that of the keys of a config is
    lost where the workflow hands it to its jobs.
    """
    places = {factor: place for place, factor in enumerate(factors)}

    def key(name: Any) -> tuple[int, list[int], str]:
        factors = coverages[name] if isinstance(coverages[name], (list, tuple)) else [coverages[name]]
        return -len(factors), [places.get(str(factor), len(places)) for factor in factors], str(name)

    return sorted(coverages, key=key)


def _named(group: Any, names: list[Any]) -> Any:
    """A group of runs at every coverage, if it says `all`."""
    if isinstance(group, Mapping) and group.get("coverages") == ALL:
        return {**group, "coverages": names}
    return group


def _subsets(factors: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every subset but the empty one, the largest first, in the order of the factors."""
    for size in range(min(len(factors), MOST_FACTORS), 0, -1):
        yield from combinations(factors, size)


def _factors(facts: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """The factors of the first data set; of data sets that could not be read, one to stand for them."""
    return next((tuple(each["factors"]) for each in facts.values()), ("factors",))


def _faults(facts: Mapping[str, Mapping[str, Any]]) -> Iterator[Fault]:
    """Too many factors, or data sets that do not have the same."""
    first = _factors(facts)
    if len(first) > MOST_FACTORS:
        text = f"{ALL} takes the subsets of {MOST_FACTORS} factors at most"
        yield Fault("coverages", Words(f"{len(first)} factors"), text, NAMED)
    names = ["_".join(subset) for subset in _subsets(first)]
    if len({*names}) < len(names) or max(map(len, names)) > LONGEST:
        text = f"{ALL} joins the names of the factors, which must then be unlike and have {LONGEST} letters at most"
        yield Fault("coverages", Words(f"{ALL} of {listed(first)}"), text, NAMED)
    for name, each in facts.items():
        if tuple(each["factors"]) != first:
            text = f"the data sets differ: {name} has {listed(each['factors'])}, and the first has {listed(first)}"
            yield Fault("coverages", ALL, text, NAMED)
