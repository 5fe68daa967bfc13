"""What a factor is beside a number on a line, and the auxiliary variables that it becomes.

    kind          declared by its data set as        auxiliary variables                      their names
    -             nothing                            the factor itself                        NAME
    circular      a period P, in the factor's unit   cos(2 pi v / P), sin(2 pi v / P)         NAME_cos, NAME_sin
    categorical   its classes                        1 in the rows of the class, 0 elsewhere  NAME_CLASS, for each class

A coverage names factors; a model has a latent for each of their auxiliary variables (values: auxvae.data.encoding).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.dataclasses import dataclass

from foundation.fields import SECTION


@dataclass(frozen=True, config=SECTION)
class Kind:
    """A factor that is circular, with a period in its unit, or categorical, with classes in rising order."""

    factor: str
    period: float | None = None
    classes: tuple[float, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of its auxiliary variables."""
        if self.classes:
            return tuple(f"{self.factor}_{each:.12g}" for each in self.classes)
        return f"{self.factor}_cos", f"{self.factor}_sin"


def kinds_of(facts: Mapping[str, Any]) -> tuple[Kind, ...]:
    """The kinds in the facts of a data set."""
    return tuple(Kind(each["factor"], each["period"], tuple(each["classes"])) for each in facts.get("kinds", ()))


def variables_of(factors: Iterable[str], kinds: Iterable[Kind]) -> tuple[str, ...]:
    """Names of the auxiliary variables of some factors, in their order."""
    by_factor = {kind.factor: kind.variables for kind in kinds}
    return tuple(variable for factor in factors for variable in by_factor.get(factor, (factor,)))
