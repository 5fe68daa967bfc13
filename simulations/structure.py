r"""A structural model over the factors, and contexts: what is intervened on in which rows.

    s_k = sum_i w_ik s_i + sigma_k n_k           n_k ~ N(0, 1), causes before effects     (Pearl 2009, section 1.4)
    value of factor k = F_k^-1(Phi(s_k))         F_k its declared distribution: a Gaussian copula
    sigma_k^2 = 1 - Var(sum_i w_ik s_i)          so that every factor keeps its own distribution where nothing is done

w are the `mechanisms`, in standard deviations of the normal scores s. In a context that intervenes on k (`do`), s_k
follows the intervention in place of its causes, and everything downstream of it follows s_k:

    {mean, std}    s_k = mean + std n_k          in standard deviations of the factor where nothing is done
    {low, high}    value uniform between two values, in the factor's unit

A row's context is its place in a random permutation of the rows, cut by the contexts' shares; within a context the
first rows are training rows, then validation, then test. Of a context that is `held_out` all rows are test rows.

Neither GalSim nor numpy is imported here, because this module also runs inside the Snakefile.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Annotated, Any

from pydantic.dataclasses import dataclass

from foundation.faults import Fault, Words
from foundation.fields import SECTION, Flag, Number, Positive, Range, Section, Text
from simulations.distributions import range_faults

NARROWEST = 1e-3  # standard deviations of the factor: a narrower intervention is lost in the rounding of its values
FARTHEST = 4.0  # standard deviations of an intervention's mean: beyond it a factor is at the end of its range
Mechanisms = Mapping[str, Mapping[str, float]]  # by effect, the weight of each cause


@dataclass(frozen=True, config=SECTION)
class Intervention(Section):
    """What a factor follows in place of its causes: a normal score, or values between two bounds."""

    mean: Annotated[Number, Range(-FARTHEST, FARTHEST)] | None = None
    """of the normal score, in standard deviations of the factor where nothing is done"""

    std: Annotated[Number, Range(NARROWEST, FARTHEST)] | None = None
    """of the normal score"""

    low: Number | None = None
    """the least value, in the factor's unit"""

    high: Number | None = None
    """the greatest value"""

    def faults(self) -> Iterator[Fault]:
        """Anything but mean and std, or low and high; values that the factor does not have, or that do not vary."""
        written = {name for name in ("mean", "std", "low", "high") if getattr(self, name) is not None}
        if written not in ({"mean", "std"}, {"low", "high"}):
            value = Words(", ".join(sorted(written)) or "nothing")
            yield Fault("", value, "an intervention takes mean and std, or low and high", "write one of the pairs")
        elif self.mean is not None and abs(self.mean) + 4 * (self.std or 0) > 2 * FARTHEST:
            value = Words(f"a mean of {self.mean:g} and a std of {self.std:g}")
            text = f"|mean| + 4 std is {2 * FARTHEST:g} at most: beyond, values lie at the end of the factor's range"
            yield Fault("", value, text, "lower one of them")
        elif self.low is not None and self.high is not None:
            yield from range_faults(self.low, self.high)


@dataclass(frozen=True, config=SECTION)
class Context(Section):
    """Rows of one context: the interventions on factors that they share."""

    do: dict[Text, Intervention] = field(default_factory=dict)
    """by factor, the intervention; none in the observational context"""

    share: Positive = 1.0
    """rows of this context, relative to the shares of the others"""

    held_out: Flag = False
    """all of its rows are test rows: a combination that training never shows"""


@dataclass(frozen=True)
class Part:
    """The rows of one context: positions in the permutation of the rows, and how many of them are of which split."""

    first: int
    train: int
    validation: int
    test: int

    @property
    def rows(self) -> int:
        """Rows of the context."""
        return self.train + self.validation + self.test


@dataclass(frozen=True)
class ContextFacts:
    """What a model must know of a context: its name, the factors intervened on, and its training rows."""

    name: str
    of: tuple[str, ...]
    train: int


def in_order(mechanisms: Mechanisms, factors: Iterable[str]) -> list[str] | None:
    """The factors, each after its causes, otherwise in their own order; None where causes form a circle."""
    waiting, done = list(factors), list[str]()
    while waiting:
        ready = next((name for name in waiting if not {*mechanisms.get(name, ())} & {*waiting}), None)
        if ready is None:
            return None
        waiting.remove(ready)
        done.append(ready)
    return done


def scatters(mechanisms: Mechanisms, ordered: Sequence[str]) -> dict[str, float]:
    """sigma_k of every factor; NaN where its causes alone have a variance of 1 or more."""
    covariance: dict[tuple[str, str], float] = {}
    scatter = {}
    for i, name in enumerate(ordered):
        causes = mechanisms.get(name, {})
        for other in ordered[:i]:
            both = sum(weight * covariance[cause, other] for cause, weight in causes.items())
            covariance[name, other] = covariance[other, name] = both
        left = 1 - sum(weight * covariance[name, cause] for cause, weight in causes.items())
        scatter[name] = math.sqrt(left) if left > 0 else math.nan
        covariance[name, name] = 1.0
    return scatter


def parts_of(contexts: Iterable[Context], rows: int, train: float, validation: float) -> tuple[Part, ...]:
    """The part of each context, of so many rows in all and these shares of training and validation rows."""
    shares = [context.share for context in contexts]
    edges = [round(rows * sum(shares[:i]) / sum(shares)) for i in range(len(shares) + 1)]
    parts = []
    for context, first, stop in zip(contexts, edges, edges[1:], strict=False):
        held = 0 if context.held_out else stop - first
        trained, validated = round(train * held), round(validation * held)
        parts.append(Part(first, trained, validated, stop - first - trained - validated))
    return tuple(parts)


def facts_of(contexts: Mapping[str, Context], parts: Sequence[Part]) -> tuple[ContextFacts, ...]:
    """The facts of each context, in the order in which the store numbers them."""
    return tuple(
        ContextFacts(name, tuple(sorted(context.do)), part.train)
        for (name, context), part in zip(contexts.items(), parts, strict=False)
    )


def read_contexts(values: Iterable[Mapping[str, Any]], factors: Iterable[str]) -> tuple[ContextFacts, ...]:
    """Facts of contexts from their JSON; a ValueError says what cannot be read."""
    read = tuple(ContextFacts(str(each["name"]), tuple(each["of"]), int(each["train"])) for each in values)
    if len({each.name for each in read}) < len(read):
        raise ValueError("two contexts of one name")
    if others := {name for each in read for name in each.of} - {*factors}:
        raise ValueError(f"a context of {sorted(others)[0]!r}, which is no factor")
    return read
