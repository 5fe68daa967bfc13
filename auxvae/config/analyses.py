"""What is computed from every trained run, beside its scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Annotated

from pydantic.dataclasses import dataclass

from foundation.faults import Fault, Words
from foundation.fields import SECTION, Many, Number, Range, Section, Whole


@dataclass(frozen=True, config=SECTION)
class Sensitivity(Section):
    """How far reconstructions change when one latent is perturbed."""

    scales: Many[Annotated[Number, Range(1e-4, 1e4)]] = (0.25, 0.5, 1.0, 2.0)
    """perturbations, in standard deviations of each latent"""

    images: Annotated[Whole, Range(2, 1_000_000)] | None = None
    """number of perturbed images; `null` for 1,024, or all test rows where there are fewer"""

    def rows(self, test: int) -> int:
        """Number of images out of so many test rows."""
        return min(1024, test) if self.images is None else self.images

    def faults(self) -> Iterator[Fault]:
        """An empty list of scales, or one of them twice."""
        if not self.scales:
            yield Fault(".scales", Words("an empty list"), "at least one scale is needed", "write [1.0]")
        for scale in dict.fromkeys(each for each in self.scales if self.scales.count(each) > 1):
            yield Fault(".scales", scale, "a scale stands once", "keep it once")


@dataclass(frozen=True, config=SECTION)
class Traversal(Section):
    """Images decoded along each latent, from a low to a high quantile of the test codes."""

    steps: Annotated[Whole, Range(2, 21)] = 7
    """steps along each latent"""

    images: Annotated[Whole, Range(1, 8)] = 1
    """number of test images to start from"""


@dataclass(frozen=True, config=SECTION)
class Analyses(Section):
    """What is computed from every trained run, beside its scores."""

    sensitivity: Sensitivity = field(default_factory=Sensitivity)
    """how far reconstructions change when one latent is perturbed"""

    traversal: Traversal = field(default_factory=Traversal)
    """images decoded along each latent"""

    bootstrap: Annotated[Whole, Range(20, 100_000)] = 200
    """resamples behind the intervals of the metrics"""
