"""What a factor is drawn from, and whether its values vary as they were meant to.

Neither GalSim nor numpy is imported here, because this module also runs inside the Snakefile.

A normal distribution is drawn from its quantiles at u in [2^-54, 1 - 2^-53] (simulations.factors), so that no value
lies further than REACH standard deviations from its mean. A truncated normal distribution is drawn well up to 10^7
standard deviations from its mean and down to a width of 10^-12 standard deviations (scipy.stats.truncnorm); the limits
here are those of what can be meant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist
from typing import Annotated, Literal

from pydantic.dataclasses import dataclass

from foundation.faults import Fault, Words
from foundation.fields import SECTION, Number, Positive, Range, Section, Text, Whole
from simulations.parameters import MOST_GALAXIES

REACH = 8.3  # standard deviations
FAR = 8.0  # standard deviations from the mean, where fewer than one value in 10^15 lies
FLAT = 1e6  # widths of a range, of whose truncated normal distribution nothing but the range is left
CONSTANTS = "; a constant goes to scene.constants"
CONSTANT = 1e-6  # of a value: a range that no image shows


@dataclass(frozen=True, config=SECTION)
class Factor(Section):
    """A named generative parameter: its unit and the distribution it is drawn from."""

    distribution: Literal["uniform", "log_uniform", "normal", "truncated_normal"]
    """`uniform` and `log_uniform` take `low` and `high`; `normal` `mean` and `std`; `truncated_normal` all four"""

    unit: Text = ""
    """the unit of the numbers here, of those that the parameter may be declared in"""

    low: Number | None = None
    """the least value"""

    high: Number | None = None
    """the greatest value"""

    mean: Number | None = None
    """of the normal distribution, before it is truncated"""

    std: Positive | None = None
    """of the normal distribution, before it is truncated"""

    levels: Annotated[Whole, Range(1, MOST_GALAXIES)] | None = None
    """number of values in a grid design"""

    def support(self) -> tuple[float, float]:
        """The least and the greatest value that can be drawn, in the declared unit; NaN where nothing says it."""
        if self.distribution == "normal":
            mean, reach = self.mean or 0.0, REACH * (self.std or math.nan)
            return (mean - reach, mean + reach)
        return (math.nan if self.low is None else self.low, math.nan if self.high is None else self.high)

    def at(self, u: float) -> float:
        """About the quantile at u in (0, 1), for estimates; simulations.factors has the exact ones."""
        low, high = self.support()
        if self.distribution == "uniform":
            return low + u * (high - low)
        if self.distribution == "log_uniform":
            return math.exp((1 - u) * math.log(low) + u * math.log(high))
        value = NormalDist(self.mean or 0.0, self.std or 1.0).inv_cdf(u)
        return min(max(value, low), high)

    def faults(self) -> Iterator[Fault]:
        """What the distribution needs and does not have, and ranges that hold nothing."""
        bounds, bell = ("low", "high"), ("mean", "std")
        needs = {"normal": bell, "truncated_normal": (*bounds, *bell)}.get(self.distribution, bounds)
        missing = [name for name in needs if getattr(self, name) is None]
        unused = [name for name in (*bounds, *bell) if name not in needs and getattr(self, name) is not None]
        for name in missing:
            yield Fault(f".{name}", Words("nothing"), f"{self.distribution} needs it", "add it")
        for name in unused:
            yield Fault(f".{name}", getattr(self, name), f"{self.distribution} does not take it", "take it away")
        if not missing and not unused:
            yield from self._bounds()

    def _bounds(self) -> Iterator[Fault]:
        low, high = self.support()
        if not low < high:
            yield from range_faults(low, high, instead=CONSTANTS)
        elif self.distribution == "log_uniform" and low <= 0:
            yield Fault(".low", low, "log_uniform needs a low above 0", "raise it or take uniform")
        elif self.distribution == "truncated_normal" and (fault := self._truncation(low, high)):
            yield fault
        else:
            yield from range_faults(low, high, self._spread(low, high), CONSTANTS)

    def _spread(self, low: float, high: float) -> float:
        """About how far its values lie apart."""
        return min(high - low, self.std or math.inf) if self.distribution == "truncated_normal" else high - low

    def _truncation(self, low: float, high: float) -> Fault | None:
        """The fault of a range that its normal distribution does not reach, or in which it is flat."""
        mean, std = self.mean or 0.0, self.std or math.inf
        if (distance := max(low - mean, mean - high) / std) > FAR:
            value = Words(f"low {low:g} and high {high:g}")
            text = f"they lie {distance:.3g} standard deviations from the mean, where no value is drawn"
            return Fault("", value, text, "widen std, or correct mean, low or high")
        if std > FLAT * (high - low):
            text = f"between low and high that is a uniform distribution, {std / (high - low):.3g} times as wide"
            return Fault(".std", std, text, "take uniform or correct it")
        return None


def range_faults(low: float, high: float, spread: float = math.inf, instead: str = "") -> Iterator[Fault]:
    """A range that holds nothing, or whose values, spread so far at most, all look the same; instead: of widening."""
    if not low < high:
        text = f"low ({low:g}) must be less than high ({high:g})"
        yield Fault(".low", low, text, f"swap or widen them{instead}")
    elif min(spread, high - low) < CONSTANT * max(abs(low), abs(high)):
        value = Words(f"values from {low:.10g} to {high:.10g}")
        yield Fault("", value, "no image shows so small a change", f"widen it{instead}")
