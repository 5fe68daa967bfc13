"""A study as written: coverages, groups of runs, network, training and analyses.

A group of runs is the product of its lists: coverages x weights x seeds of one method. Nothing but the standard library
is imported here, because this module also runs inside the Snakefile.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

from auxvae.config.analyses import Analyses, Sensitivity, Traversal, read_analyses
from auxvae.config.methods import default_weights
from auxvae.config.networks import Network
from auxvae.config.run import Fleet, Run, Source, fleets, read_run
from auxvae.config.settings import Settings
from auxvae.config.training import Training
from foundation.declare import Count, NonNegative, Range

__all__ = [
    "Analyses", "Config", "Fleet", "Group", "Network", "Run", "Sensitivity", "Source", "Training", "Traversal",
    "fleets", "read_analyses", "read_run",
]  # fmt: skip  # the other rooms may import all of these from here


@dataclass(frozen=True, kw_only=True)
class Group(Settings):
    """Runs of one method that differ in coverage, weights and seed: the product of the three lists.

    network and training: keys that differ from those of the study.
    """

    method: str
    dataset: str = ""
    preset: Literal["default", "paper"] = "default"
    coverages: tuple[str, ...] = ()
    weights: dict[str, tuple[NonNegative, ...]] = field(default_factory=dict)
    seeds: tuple[Annotated[int, Range(0, 2**63 - 1)], ...] = (0,)
    network: Network | None = None
    training: Training | None = None

    def weightings(self) -> Iterator[dict[str, float]]:
        """Every combination of the weights in the config, over the method's defaults."""
        defaults = default_weights(self.method, self.preset)
        for values in itertools.product(*self.weights.values()):
            yield {**defaults, **dict(zip(self.weights, values, strict=True))}

    def settings(self) -> Settings:
        """The settings alone."""
        return Settings(**{each.name: getattr(self, each.name) for each in fields(Settings)})


@dataclass(frozen=True)
class Config:
    """A study as written; `datasets` is read by the simulations."""

    study: str
    datasets: dict[str, Any]
    runs: tuple[Group, ...]
    coverages: dict[str, tuple[str, ...]] = field(default_factory=dict)
    network: Network = field(default_factory=Network)
    training: Training = field(default_factory=Training)
    analyses: Analyses = field(default_factory=Analyses)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    runs_per_fleet: Count = 64
