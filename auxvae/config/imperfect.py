"""How the auxiliary variables that a model is trained on differ from the factors: noise, bias, exchanges, gaps.

A model is judged against the true factors, so that this says what imperfect measurements cost. Of a factor that takes
values between LOW and HIGH in the training rows, and of every training and validation row i,

    u_i  <-  u_i + (HIGH - LOW) (noise e_i + bias),   e_i ~ N(0, 1)
    u_i  <-  u_k of a random row k                    in the share `swapped` of the rows
    u_i  is unknown                                   but in the share `observed` of the rows

each addressed by (seed of the run, factor, row). A uniform factor with `noise: 0.029` has a signal-to-noise ratio of
10.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic.dataclasses import dataclass

from auxvae.config.kinds import kinds_of
from auxvae.config.methods import METHODS, Method
from foundation.faults import Fault, Words, listed, suggest
from foundation.fields import SECTION, Fraction, Many, Number, Range, Section, Text

FEWEST = 10  # known values of a factor, from which its mean and its variance are taken


@dataclass(frozen=True, kw_only=True, config=SECTION)
class Imperfect(Section):
    """What is wrong with the auxiliary variables in training."""

    noise: Annotated[Number, Range(0, 10)] = 0.0
    """standard deviation of Gaussian noise, in shares of the factor's range"""

    bias: Annotated[Number, Range(-10, 10)] = 0.0
    """added to every value, in shares of the factor's range"""

    swapped: Fraction = 0.0
    """share of the rows that have another row's value"""

    observed: Annotated[Number, Range(0, 1, above=True)] = 1.0
    """share of the rows whose value is known; the others are trained on without it"""

    of: Many[Text] = ()
    """the factors concerned; all of the coverage, if left out"""

    def faults(self) -> Iterable[Fault]:
        """A section without an effect."""
        if (self.noise, self.bias, self.swapped, self.observed) == (0, 0, 0, 1):
            text = "it needs noise, bias, swapped or observed"
            yield Fault("", Words("nothing imperfect"), text, "set one, or take the section away")


def takes_gaps(method: Method) -> bool:
    """Whether the terms of a method can do without an auxiliary variable in some rows."""
    return method.conditional == "gaussian" and method.dependence == "polynomial"


def imperfect_faults(
    group: Any, where: str, coverages: Mapping[str, tuple[str, ...]], dataset: Mapping[str, Any]
) -> Iterator[Fault]:
    """Gaps where the method cannot have them; factors that the models are not given, or that are no numbers.

    group: a group of runs (config.spec.Group). dataset: the facts of its data set, empty if they are not known.
    """
    spec: Imperfect | None = group.imperfect
    if spec is None:
        return
    place, shown = f"{where}.imperfect", [name for name in group.coverages if name in coverages]
    yield from _gap_faults(spec, group.method, f"{place}.observed", dataset)
    for factor in dict.fromkeys(spec.of):
        if lacking := [name for name in shown if factor not in coverages[name]]:
            has = coverages[lacking[0]]
            text = f"the models are not given it: the coverage {lacking[0]} has {listed(has)}"
            yield Fault(f"{place}.of", factor, text, suggest(factor, has, "name one of them"))
    concerned = spec.of or [factor for name in shown for factor in coverages[name]]
    for factor in sorted({kind.factor for kind in kinds_of(dataset)} & {*concerned}):
        if spec.noise or spec.bias:
            text = f"{factor} is an angle or a class, of which only `swapped` and `observed` mean something"
            yield Fault(place, Words(f"noise or bias of {factor}"), text, "name the other factors with `of`")


def _gap_faults(spec: Imperfect, method: str, where: str, dataset: Mapping[str, Any]) -> Iterator[Fault]:
    """Gaps of which the method cannot do without the values, or that leave hardly any."""
    if spec.observed < 1 and not takes_gaps(METHODS[method]):
        able = listed(name for name, each in METHODS.items() if takes_gaps(each))
        text = f"{method} needs every auxiliary variable; rows may lack them with {able}"
        yield Fault(where, spec.observed, text, "take it away, or take another method")
    rows = dataset.get("train", math.inf)
    if spec.observed * rows < FEWEST:
        text = f"of {rows:,} training rows {FEWEST} at least must keep their value"
        yield Fault(where, spec.observed, text, "raise it, or give more images")
