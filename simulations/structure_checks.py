"""What is wrong with the mechanisms and contexts of a data set: unknown causes, circles, impossible values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from foundation.faults import Fault, Words, as_step, listed, suggest
from simulations.examination import Examination
from simulations.structure import Context, in_order, scatters

MOST_CONTEXTS = 100


def structure_faults(x: Examination) -> Iterator[Fault]:
    """All faults of `mechanisms` and `contexts`."""
    dataset = x.dataset
    if not (dataset.mechanisms or dataset.contexts) or not x.sound("factors"):
        return
    if dataset.design == "grid":
        text = "the rows of a grid are every combination of its levels, whatever causes what"
        yield Fault(f"{x.where}.design", dataset.design, text, "take another design")
    if dataset.correlations:
        text = "factors are related by correlations or by mechanisms"
        yield Fault(f"{x.where}.correlations", Words("correlations"), text, "write them as mechanisms")
    if x.sound("mechanisms"):
        yield from _mechanisms(x)
    if dataset.contexts and x.sound("contexts"):
        yield from _contexts(x)


def _mechanisms(x: Examination) -> Iterator[Fault]:
    mechanisms, factors, where = x.dataset.mechanisms, x.dataset.factors, f"{x.where}.mechanisms"
    named = {f"{where}.{as_step(effect)}": effect for effect in mechanisms}
    named |= {
        f"{where}.{as_step(effect)}.{as_step(cause)}": cause for effect in mechanisms for cause in mechanisms[effect]
    }
    unknown = [*_unknown(named, factors)]
    yield from unknown
    ordered = None if unknown else in_order(mechanisms, factors)
    if not unknown and ordered is None:
        value = Words(f"causes of {listed(mechanisms)} that form a circle")
        yield Fault(where, value, "a cause comes before its effect", "take one of them away")
    for name, scatter in scatters(mechanisms, ordered or []).items():
        if not math.isfinite(scatter):
            text = "its causes must leave it some scatter: together they explain less than all of its variance"
            yield Fault(f"{where}.{name}", Words("weights that explain it all"), text, "lower them")


def _unknown(named: Mapping[str, str], factors: Mapping[str, object]) -> Iterator[Fault]:
    for place, name in named.items():
        if name not in factors:
            remedy = suggest(name, factors, "name one of them")
            yield Fault(place, name, f"the factors are {listed(factors)}", remedy)


def _contexts(x: Examination) -> Iterator[Fault]:
    contexts, where = x.dataset.contexts, f"{x.where}.contexts"
    if len(contexts) > MOST_CONTEXTS:
        yield Fault(
            where, Words(f"{len(contexts):,} contexts"), f"there are {MOST_CONTEXTS} at most", "keep those you need"
        )
        return
    observed = [name for name, context in contexts.items() if not context.do]
    if len(observed) != 1 or contexts[observed[0]].held_out:
        value = Words(listed(observed) if observed else "none")
        text = "exactly one context, with training rows, intervenes on nothing"
        yield Fault(where, value, text, "add 'obs: {}', or say what the others do")
    for name, context in contexts.items():
        yield from _interventions(x, f"{where}.{as_step(name)}.do", context)
    if x.sound("galaxies", "split"):
        yield from _rows(x)


def _interventions(x: Examination, where: str, context: Context) -> Iterator[Fault]:
    """Interventions on what is no factor, or on values that it does not have."""
    yield from _unknown({f"{where}.{as_step(name)}": name for name in context.do}, x.dataset.factors)
    for name, each in context.do.items():
        if name not in x.dataset.factors or each.low is None or each.high is None:
            continue
        low, high = x.dataset.factors[name].support()
        if not low <= each.low < each.high <= high:
            value = Words(f"values from {each.low:g} to {each.high:g}")
            text = f"{name} has values from {low:g} to {high:g}, and effects follow its place among them"
            yield Fault(f"{where}.{as_step(name)}", value, text, "stay within them, or widen the factor's own range")


def _rows(x: Examination) -> Iterator[Fault]:
    """Contexts without rows, or without training rows though they are not held out."""
    for (name, context), part in zip(x.dataset.contexts.items(), x.dataset.parts, strict=True):
        if not part.rows or not (context.held_out or part.train):
            value = Words(f"{part.rows} rows, {part.train} of them for training")
            yield Fault(
                f"{x.where}.contexts.{as_step(name)}", value, "a context has rows", "raise its share or galaxies"
            )
