"""Contexts of a data set, and the concepts that they intervene on.

context    rows of a store that share their interventions; the factors intervened on are in the facts of the store
concept    the factors that one context with training rows intervenes on, of the context's name: shear, say, is g1
           and g2. A context that intervenes on several concepts together is composed of them
set        the concepts of a context, as 0 and 1 for each concept: none in observational data
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic.dataclasses import dataclass

from foundation.fields import SECTION


@dataclass(frozen=True, config=SECTION)
class DataContext:
    """A context as the facts of a data set have it: its name, the factors intervened on, and its training rows."""

    name: str
    of: tuple[str, ...]
    train: int


def contexts_of(facts: Mapping[str, Any]) -> tuple[DataContext, ...]:
    """The contexts in the facts of a data set, in the order of their numbers in the store."""
    return tuple(DataContext(each["name"], tuple(each["of"]), each["train"]) for each in facts.get("contexts", ()))


def concepts_of(contexts: Sequence[DataContext]) -> tuple[DataContext, ...]:
    """The contexts that stand for a concept each: those with training rows that are not composed of others."""
    single = [context for context in contexts if context.of and context.train]
    return tuple(each for each in single if not _composed(each, [other for other in single if other != each]))


def set_of(context: DataContext, concepts: Sequence[DataContext]) -> tuple[int, ...] | None:
    """0 or 1 for each concept; None for a context that is not composed of concepts."""
    chosen = [concept for concept in concepts if {*concept.of} <= {*context.of}]
    if {*context.of} != {name for concept in chosen for name in concept.of}:
        return None
    return tuple(int(concept in chosen) for concept in concepts)


def _composed(context: DataContext, others: Iterable[DataContext]) -> bool:
    """Whether a context intervenes on what several others do together, each on less."""
    within = [{*other.of} for other in others if {*other.of} < {*context.of}]
    return bool(within) and set().union(*within) == {*context.of}
