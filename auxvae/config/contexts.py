"""Contexts of a data set, and the concepts that they intervene on.

context    rows of a store that share their interventions; the factors intervened on are in the facts of the store
concept    the factors that one context with training rows intervenes on, of the context's name: shear, say, is g1
           and g2. A context that intervenes on several concepts together is composed of them
set        the concepts of a context, as 0 and 1 for each concept: none in observational data
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic.dataclasses import dataclass

from auxvae.config.methods import METHODS
from foundation.faults import Fault, Words, listed, suggest
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


def set_of(context: DataContext, concepts: Sequence[DataContext]) -> tuple[int, ...]:
    """0 or 1 for each concept: whether all its factors are intervened on. What else is done has no concept."""
    return tuple(int({*concept.of} <= {*context.of}) for concept in concepts)


def is_composed(context: DataContext, concepts: Sequence[DataContext]) -> bool:
    """Whether what a context does is what its concepts do, and nothing else."""
    chosen = zip(set_of(context, concepts), concepts, strict=True)
    return {*context.of} == {name for is_in, concept in chosen if is_in for name in concept.of}


def contexts_read(named: Sequence[str], contexts: Iterable[DataContext]) -> tuple[DataContext, ...]:
    """The contexts with training rows that a group with these names reads: all, if it names none."""
    return tuple(each for each in contexts if each.train and (not named or each.name in named))


def rows_of_a_batch(group: Any, dataset: Mapping[str, Any]) -> tuple[int, str]:
    """How many training rows a batch of a group is taken from, and where: of one context, of several, of all."""
    chosen = contexts_read(group.contexts, contexts_of(dataset))
    if chosen and METHODS[group.method].module == "contexts":
        smallest = min(chosen, key=lambda each: each.train)
        return smallest.train, f"{dataset['name']} (context {smallest.name})"
    if chosen and group.contexts:
        return sum(each.train for each in chosen), f"{dataset['name']} (contexts {listed(group.contexts)})"
    return dataset["train"], dataset["name"]


def context_faults(group: Any, where: str, config: Any, dataset: Mapping[str, Any]) -> Iterator[Fault]:
    """Contexts that the data set of a group does not have, or has no training rows of; a module without concepts."""
    name, contexts, module = dataset["name"], contexts_of(dataset), METHODS[group.method].module
    names = [each.name for each in contexts_read((), contexts)]
    for i, wanted in enumerate(group.contexts):
        if wanted not in names:
            text = f"{name} has training rows of {listed(names)}" if names else f"{name} has no contexts"
            remedy = suggest(wanted, names, "name one of them") if names else "take it away"
            yield Fault(f"{where}.contexts[{i}]", wanted, text, remedy)
    for wanted in sorted({each for each in group.contexts if group.contexts.count(each) > 1}):
        yield Fault(f"{where}.contexts", wanted, "a context stands once", "take the second away")
    training = group.training or config.training
    if training.order == "shards" and (group.contexts or module):
        place = f"{where}.contexts" if group.contexts else f"{where}.method"
        text = "batches of chosen contexts are taken from images in memory"
        yield Fault(place, Words("training.order: shards"), text, "write order: rows")
    if module:
        yield from _module_faults(group, where, config, name, contexts_read(group.contexts, contexts))


def _module_faults(group: Any, where: str, config: Any, name: str, chosen: Sequence[DataContext]) -> Iterator[Fault]:
    """A module without concepts, with latents that cannot be divided among them, or whose training may not be kept."""
    concepts, latents = len(concepts_of(chosen)), (group.network or config.network).latents
    if not concepts:
        text = (
            f"{group.method} learns a concept from each context that intervenes, and {name} has none with training rows"
        )
        remedy = "declare contexts (docs/contexts.md), or take another method"
        yield Fault(f"{where}.method", group.method, text, remedy)
    elif latents % concepts:
        text = f"{group.method} divides the latents among {concepts} concepts"
        yield Fault(f"{where}.network.latents", latents, text, f"write {latents + concepts - latents % concepts}")
    training = group.training or config.training
    if group.module.start and (training.keep == "best" or training.patience is not None):
        key = "keep" if training.keep == "best" else "patience"
        text = f"the bound is least before module.start, when the decoder gets the latents, and {key} goes by the bound"
        remedy = "write keep: last" if key == "keep" else "write patience: null"
        yield Fault(f"{where}.training.{key}", getattr(training, key), text, remedy)


def _composed(context: DataContext, others: Iterable[DataContext]) -> bool:
    """Whether a context intervenes on what several others do together, each on less."""
    within = [{*other.of} for other in others if {*other.of} < {*context.of}]
    return bool(within) and set().union(*within) == {*context.of}
