"""A study as written: coverages, groups of runs, network, training and analyses.

A group of runs is the product of its lists: coverages x weights x seeds of one method. Neither torch nor numpy is
imported here, because this module also runs inside the Snakefile.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import field, fields
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from auxvae.config.analyses import Analyses, Sensitivity, Traversal
from auxvae.config.auxiliaries import Auxiliary
from auxvae.config.methods import METHODS, default_weights
from auxvae.config.networks import Network
from auxvae.config.rules import Select
from auxvae.config.run import Fleet, Run, Source, fleets, read_run
from auxvae.config.settings import Settings
from auxvae.config.terms import TERMS
from auxvae.config.training import Training
from foundation.fields import SECTION, Count, Many, Name, NonNegative, Section, Seed, Text

__all__ = [
    "Analyses", "Config", "Fleet", "Group", "Network", "Run", "Sensitivity", "Source", "Training", "Traversal",
    "fleets", "read_run",
]  # fmt: skip  # the other rooms may import all of these from here


TERM_NAMES = Field(json_schema_extra={"propertyNames": {"enum": [*TERMS]}})


def _or_all(schema: dict[str, Any]) -> None:
    """Where coverages are declared, the word `all` may stand (config.subsets)."""
    named = {key: schema.pop(key) for key in ("type", "patternProperties", "additionalProperties") if key in schema}
    schema["anyOf"] = [{"const": "all"}, named]


@dataclass(frozen=True, kw_only=True, config=SECTION)
class Group(Settings):
    """Runs of one method that differ in coverage, weights and seed: the product of the three lists.

    The settings are keys of the group, so that it extends their declaration.
    """

    ELSEWHERE: ClassVar[dict[str, str]] = {
        "beta": "weights: {kl: ...}",
        "seed": "seeds: ...",
        "coverage": "coverages: [...]",
    }

    method: Annotated[Text, Field(json_schema_extra={"enum": [*METHODS]})]
    """[the methods](methods.md)"""

    label: Name = ""
    """its name in tables and figures; without one, the settings in which it differs from the groups of its method"""

    dataset: Text = ""
    """name of its data set; may be left out where there is only one"""

    preset: Literal["default", "penalty", "paper"] = "default"
    """`paper`: the released settings of arXiv 2507.00298; `penalty`: its penalty of |rho| over the batch beside terms
    in nats, to compare with what `aux_vae` does now; key by key in auxvae/config/methods.py"""

    coverages: Many[Text] = ()
    """names of coverages, or `all`; for the methods that take auxiliary variables, which need one"""

    weights: Annotated[dict[Name, Many[NonNegative]], TERM_NAMES] = field(default_factory=dict)
    """by term, a number or a list of numbers over the method's: [each method's terms](methods.md), each
    defined in auxvae/losses"""

    seeds: Many[Seed] = (0,)
    """a number or a list"""

    select: Select | None = None
    """a rule, `mse_lds`, `leakage` or `bound`, or a section, [below](#choosing-a-setting): at each coverage one of the
    weights is chosen on validation rows, and the others are not scored on test rows; `null`: all are scored"""

    network: Network | None = None
    """keys that differ from those of the study"""

    training: Training | None = None
    """keys that differ from those of the study"""

    def weightings(self, pixels: int) -> Iterator[dict[str, float]]:
        """Every combination of the weights in the config, over the method's defaults for so many pixels.

        In the order of the method's terms, not of the config's keys: JSON that a job reads may have them in another.
        """
        defaults = default_weights(self.method, self.preset, pixels)
        terms = [name for name in defaults if name in self.weights]
        for values in itertools.product(*(self.weights[name] for name in terms)):
            yield {**defaults, **dict(zip(terms, values, strict=True))}

    def settings(self) -> Settings:
        """The settings alone."""
        return Settings(**{each.name: getattr(self, each.name) for each in fields(Settings)})


@dataclass(frozen=True, config=SECTION)
class Config(Section):
    """A study as written; `datasets` is read by the simulations."""

    ELSEWHERE: ClassVar[dict[str, str]] = {
        key: f"{key!r} within a data set of 'datasets'" for key in ("preset", "scene", "noise", "factors", "split")
    }

    study: Name
    """name of the folder under `results/`"""

    datasets: dict[Name, Any]
    """by name, a data set to simulate ([its keys](own_factors.md)), with `preset: paper` if you like, or `store: PATH`
    ([your images](own_images.md), [official data sets](official_data.md))"""

    runs: tuple[Group, ...]
    """list of groups of runs, [below](#a-group-of-runs)"""

    question: Text = ""
    """what the study asks, for the top of its report"""

    coverages: Annotated[dict[Name, Many[Text]], Field(json_schema_extra=_or_all)] = field(default_factory=dict)
    """by name, the factors that are a model's auxiliary variables, or `all`, every subset of the factors; latents 1,
    2, ... stand for them in this order, two for a circular factor and one for each class of a categorical one
    ([how](own_images.md#angles-and-classes))"""

    auxiliaries: dict[Name, Auxiliary] = field(default_factory=dict)
    """by name, auxiliary variables beside the factors, which coverages may name ([how](candidates.md)): noise, or a
    function of factors"""

    network: Network = field(default_factory=Network)
    """[below](#the-networks)"""

    training: Training = field(default_factory=Training)
    """[below](#the-training)"""

    analyses: Analyses = field(default_factory=Analyses)
    """[below](#the-analyses)"""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: a CUDA GPU where there is one"""

    runs_per_fleet: Count = 64
    """runs that one job trains, one per core on a CPU"""
