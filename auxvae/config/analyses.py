"""What is computed from every trained run, beside its scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from foundation.declare import Positive, Range, read_whole
from foundation.faults import Fault, Words


@dataclass(frozen=True)
class Sensitivity:
    """Scales of the latent perturbations, in standard deviations of each latent, and the number of perturbed images.

    Without a number, 1,024 images or all test rows where there are fewer.
    """

    scales: tuple[Positive, ...] = (0.25, 0.5, 1.0, 2.0)
    images: Annotated[int, Range(2)] | None = None

    def rows(self, test: int) -> int:
        """Number of images out of so many test rows."""
        return min(1024, test) if self.images is None else self.images

    def faults(self, where: str) -> list[Fault]:
        """An empty list of scales."""
        empty = Fault(f"{where}.scales", Words("an empty list"), "at least one scale is needed", "write [1.0]")
        return [] if self.scales else [empty]


@dataclass(frozen=True)
class Traversal:
    """Steps along each latent, from low to high quantile of the test codes, from so many images."""

    steps: Annotated[int, Range(2, 21)] = 7
    images: Annotated[int, Range(1, 8)] = 1


@dataclass(frozen=True)
class Analyses:
    """What is computed from every trained run, beside its scores."""

    sensitivity: Sensitivity = field(default_factory=Sensitivity)
    traversal: Traversal = field(default_factory=Traversal)
    bootstrap: Annotated[int, Range(20)] = 200


def read_analyses(value: object) -> Analyses:
    """Analyses from their JSON."""
    return read_whole(Analyses, value, "analyses")
