"""Auxiliary variables beside the factors of a data set, computed for every row, and the question that they are for.

    noise     N(0, 1), addressed by (seed, name, row)         no image shows it
    product   prod_k |v_k|^p_k                                of factors v_k with powers p_k
    sum       sum_k w_k v_k                                   of factors v_k with weights w_k

in the units of the factors. A coverage names them like factors, and a model is trained on them like on factors; they
are no factors of the data, so that metrics of factors leave them out. `analyses.candidates` asks of each coverage that
has one variable more than another whether that variable says anything new (auxvae.metrics.novelty).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from auxvae.config.kinds import kinds_of, variables_of
from auxvae.config.methods import METHODS
from foundation.faults import Fault, Words, listed, suggest
from foundation.fields import SECTION, Number, Section, Seed, Text

Coverages = Mapping[str, tuple[str, ...]]
Facts = Mapping[str, Mapping[str, Any]]
Kinds = Literal["noise", "product", "sum"]


@dataclass(frozen=True, config=SECTION)
class Auxiliary(Section):
    """An auxiliary variable that is no factor of the data set."""

    kind: Kinds
    """`noise`: standard normal numbers; `product`: of powers of the sizes of factors; `sum`: of factors with weights"""

    of: dict[Text, Number] = field(default_factory=dict)
    """of a `product` or a `sum`: factors, each with its power or its weight"""

    seed: Seed = 0
    """of `noise`"""

    def faults(self) -> Iterator[Fault]:
        """What the kind does not take, and what it needs."""
        if self.kind == "noise" and self.of:
            yield Fault(".of", Words(listed(self.of)), "noise is a function of nothing", "take it away")
        if self.kind != "noise" and self.seed:
            yield Fault(".seed", self.seed, f"nothing in a {self.kind} is random", "take it away")
        if self.kind != "noise" and not self.of:
            yield Fault(".of", Words("nothing"), f"a {self.kind} is of factors", "write of: {flux: 1, radius: -2}")
        for name in (name for name, number in self.of.items() if number == 0):
            yield Fault(f".of.{name}", 0, f"it changes nothing in the {self.kind}", "take it away")


@dataclass(frozen=True, config=SECTION)
class Added:
    """The same as a run holds it: its name, and its factors with their powers or weights."""

    name: str
    kind: Kinds
    of: tuple[tuple[str, float], ...] = ()
    seed: int = 0

    @property
    def factors(self) -> tuple[str, ...]:
        """The factors that it is a function of."""
        return tuple(name for name, _ in self.of)


def added(auxiliaries: Mapping[str, Auxiliary]) -> tuple[Added, ...]:
    """The declared variables as runs hold them, whatever the order in which a config has them."""
    return tuple(
        Added(name, each.kind, tuple(sorted(each.of.items())), each.seed) for name, each in sorted(auxiliaries.items())
    )


def auxiliary_faults(auxiliaries: Mapping[str, Auxiliary], coverages: Coverages, facts: Facts) -> Iterator[Fault]:
    """Variables called like a factor, of what is no factor or no number, and those that no coverage names."""
    named = {name for coverage in coverages.values() for name in coverage}
    for name, each in auxiliaries.items():
        where = f"auxiliaries.{name}"
        if coverages and name not in named:
            yield Fault(where, Words("a variable in no coverage"), "no model is given it", "name it in a coverage")
        for dataset, described in facts.items():
            kinds = kinds_of(described)
            if name in {*described["factors"], *variables_of(described["factors"], kinds)}:
                yield Fault(where, name, f"{dataset} has a factor of that name", "rename it")
            for factor in each.of:
                if factor not in described["factors"]:
                    text = f"the factors of {dataset} are {listed(described['factors'])}"
                    yield Fault(f"{where}.of", factor, text, suggest(factor, described["factors"], "name one of them"))
                elif factor in {kind.factor for kind in kinds}:
                    text = f"in {dataset} it is an angle or a class, of which there is no {each.kind}"
                    yield Fault(f"{where}.of", factor, text, "take it away")


def candidate_faults(
    candidates: Mapping[str, tuple[str, ...]], coverages: Coverages, groups: Iterable[Any]
) -> Iterator[Fault]:
    """Pairs of coverages that do not differ by one variable, and pairs that no group of runs is given."""
    used = [(METHODS.get(group.method), {*group.coverages}) for group in groups]
    for base, several in candidates.items():
        place = f"analyses.candidates.{base}"
        for name in (base, *several):
            if name not in coverages:
                text = f"the coverages are {listed(coverages)}"
                yield Fault(place, name, text, suggest(name, coverages, "declare it under coverages"))
        for name in (name for name in several if {base, name} <= coverages.keys()):
            yield from _pair_faults(place, base, name, coverages, used)


def _pair_faults(place: str, base: str, name: str, coverages: Coverages, used: list[Any]) -> Iterator[Fault]:
    more, less = {*coverages[name]} - {*coverages[base]}, {*coverages[base]} - {*coverages[name]}
    if len(more) != 1 or less:
        text = f"a candidate is the one variable that it has beside those of {base}, {listed(coverages[base])}"
        yield Fault(place, Words(f"{name} with {listed(coverages[name])}"), text, "correct one of the two coverages")
        return
    methods = [method for method, both in used if {base, name} <= both]
    if not methods:
        text = f"no group of runs has both {base} and {name}"
        yield Fault(place, name, text, "name both in the coverages of one group")
    elif not any(method and judges(method) for method in methods):
        text = "its auxiliary latents must be read from the image alone, as those of aux_vae are"
        yield Fault(place, name, text, "take another method")


def judges(method: Any) -> bool:
    """Whether the auxiliary latents of a method say what the image says: a copy of u says whatever it was given."""
    return bool(method.conditional == "gaussian")


def truth_of(candidate: str, base: Iterable[str], variables: Iterable[Added], is_drawn: bool) -> str:
    """What is true of a candidate by its making; empty where nobody knows.

    is_drawn: whether the data set is simulated here, with independent factors, each of which its images show.
    """
    by_name, names = {each.name: each for each in variables}, {*base}
    if candidate in by_name:
        each = by_name[candidate]
        if each.kind == "noise":
            return "irrelevant"
        return "redundant" if {*each.factors} <= names else ""
    in_base = {name for each in names & by_name.keys() for name in by_name[each].factors}
    return "new" if is_drawn and candidate not in in_base else ""
