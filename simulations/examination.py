"""A data set under examination: what has been faulty so far, so that no check answers a fault with another."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from foundation.faults import Fault
from simulations.parameters import PARAMETERS
from simulations.spec import Dataset

UNSOUND = (math.nan, math.nan)


@dataclass
class Examination:
    """A data set, its place in the config, and the faults in what was written; faulty parts are absent from it."""

    dataset: Dataset
    where: str
    faults: list[Fault] = field(default_factory=list)

    def sound(self, *keys: str) -> bool:
        """Whether no fault lies at these keys of the data set (`scene.stamp`), within them or around them."""
        return not any(_touch(f"{self.where}.{key}", fault.where) for key in keys for fault in self.faults)

    def place(self, name: str) -> str:
        """Where a parameter is declared: among the factors, or else among the constants."""
        section = "scene.constants" if name in self.dataset.scene.constants else "factors"
        return f"{self.where}.{section}.{name}"

    def range(self, name: str) -> tuple[float, float]:
        """Least and greatest value of a parameter, in its own unit; NaN where that is faulty or absent."""
        sound = self.sound(f"factors.{name}", f"scene.constants.{name}")
        return self.dataset.parameter_range(name) if sound else UNSOUND

    def largest(self, name: str) -> float:
        """The greatest absolute value of a parameter."""
        return max(map(abs, self.range(name)))

    def written(self, name: str) -> str:
        """The values of a parameter in words, in the unit that they are declared in."""
        if name not in self.dataset.factors:
            return f"{self.dataset.constant(name):.6g} {PARAMETERS[name].unit}".rstrip()
        factor = self.dataset.factors[name]
        low, high = factor.support()
        return f"values from {low:.6g} to {high:.6g} {factor.unit}".rstrip()


def _touch(one: str, other: str) -> bool:
    """Whether one place is the other, or lies within it."""
    short, long = sorted((one, other), key=len)
    return long == short or long.startswith((f"{short}.", f"{short}["))
