"""What a study unfolds to: runs, each one model, and fleets, the runs that one process trains together.

The identity of a run holds its data set's digest, the factors of its coverage, the seed, the entry of its method in the
table (fields at the defaults of Method left out), the weights, and those settings, network and training keys that the
method reads and that differ from the declared defaults (config.identity); of augmented runs also the symmetries of the
data set; where auxiliary variables are no factors, how they are computed. A fleet is the runs of equal shape on the
same data; they may differ in method, coverage, weights and seed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from auxvae.config import identity
from auxvae.config.auxiliaries import Added
from auxvae.config.contexts import DataContext, concepts_of, contexts_read, set_of
from auxvae.config.kinds import Kind, variables_of
from auxvae.config.latents import Mmd, PriorSpec
from auxvae.config.measured import Measured, measurements_read
from auxvae.config.methods import METHODS, Method
from auxvae.config.networks import Network
from auxvae.config.settings import Settings
from auxvae.config.terms import TERMS
from auxvae.config.training import Training
from foundation.declare import read_whole
from foundation.fields import SECTION
from foundation.files import digest_of


@dataclass(frozen=True, config=SECTION)
class Symmetry:
    """An operation on images that leaves their data set what it was, and the factors whose sign it flips."""

    operation: Literal[
        "mirror_x", "mirror_y", "half_turn", "transpose", "antitranspose", "quarter_turn", "three_quarter_turn"
    ]
    flips: tuple[str, ...]


@dataclass(frozen=True, config=SECTION)
class Source:
    """The data set that a run is trained on: enough to refuse another one, and to augment this one."""

    name: str
    digest: str
    factors: tuple[str, ...]
    stamp: int
    channels: int
    train: int
    symmetries: tuple[Symmetry, ...] = ()
    kinds: tuple[Kind, ...] = ()
    auxiliaries: tuple[Added, ...] = ()
    contexts: tuple[DataContext, ...] = ()
    weights: tuple[str, ...] = ()  # what its store has of `inverse_variance` and `mask`
    measurements: tuple[Measured, ...] = ()


@dataclass(frozen=True, config=SECTION)
class Run:
    """One model: everything that decides its bytes, and a label, which does not. The settings are resolved."""

    dataset: Source
    network: Network
    training: Training
    settings: Settings
    method: str
    coverage: str
    aux: tuple[str, ...]
    weights: dict[str, float]
    seed: int
    label: str = ""

    @cached_property
    def id(self) -> str:
        """Readable slug and eight digits of the identity's hash: the run's folder."""
        parts = [self.dataset.name, self.method, self.coverage, f"s{self.seed}", digest_of(self.identity)[:8]]
        return "-".join(filter(None, parts))

    @property
    def identity(self) -> dict[str, Any]:
        """What makes this run another than the others, as plain JSON."""
        method, defaults = self.composition, identity.defaults_read(self.composition, self.dataset.train)
        values = identity.values_read(method, self.settings, self.network, self.training)
        inputs = self.settings.inputs
        augmented = {"symmetries": identity.plain(self.dataset.symmetries)} if self.training.augment else {}
        beside = [identity.plain(each) for each in self.dataset.auxiliaries if each.name in (*self.aux, *inputs)]
        return {
            **augmented,
            **({"auxiliaries": beside} if beside else {}),
            "dataset": self.dataset.digest,
            "aux": list(self.aux),
            "seed": self.seed,
            "method": identity.entry(method),
            "weights": self.weights,
            "values": {key: value for key, value in values.items() if value != defaults[key]},
        }

    @property
    def title(self) -> str:
        """The run in a table's words."""
        return " ".join(filter(None, (self.method, self.coverage, self.label, f"seed {self.seed}")))

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the auxiliary variables: those of the factors `aux` of its coverage, a latent for each."""
        return variables_of(self.aux, self.dataset.kinds)

    @cached_property
    def measurements(self) -> tuple[Measured, ...]:
        """What stands in place of auxiliary variables of the run, or gives them errors."""
        settings = self.settings
        return measurements_read(
            self.dataset.measurements, self.aux, settings.measured, takes_errors=settings.errors != "ignored"
        )

    @property
    def aux_latents(self) -> int:
        """How many latents, the first ones, are reserved for auxiliary variables; 0 where the method reserves none."""
        return len(self.variables) if self.composition.has_aux_latents else 0

    @property
    def composition(self) -> Method:
        """The method's entry in the table."""
        return METHODS[self.method]

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the loss terms, in the order of the method's table whatever the order of the weights."""
        return tuple(self.composition.weights)

    @property
    def needs_density(self) -> bool:
        """Whether a term needs log p(z) of its prior."""
        return any(TERMS[name].needs_density for name in self.terms)

    @property
    def prior(self) -> PriorSpec:
        """The prior of the residual latents."""
        return self.settings.prior or PriorSpec(self.composition.prior)

    @property
    def left_factors(self) -> tuple[str, ...]:
        """The factors that the run is not given, neither as auxiliary variables nor beside the image."""
        return tuple(name for name in self.dataset.factors if name not in (*self.aux, *self.settings.inputs))

    @property
    def prior_factors(self) -> tuple[str, ...]:
        """Per latent the factor whose distribution is its prior (kind `empirical`), '' for none."""
        others = self.left_factors
        reserved = ("",) * self.aux_latents
        return reserved + self.prior.made_of(
            self.network.latents - len(reserved), lambda names: variables_of(names or others, self.dataset.kinds)
        )

    @property
    def encoder(self) -> str:
        """`gaussian`, a posterior, or `deterministic`, a point."""
        return self.settings.encoder or self.composition.encoder

    @property
    def prior_variance(self) -> float:
        """Variance of the auxiliary latents' prior."""
        variance = self.settings.prior_variance
        return 1 / self.dataset.train if isinstance(variance, str) else variance

    @property
    def mmd(self) -> Mmd:
        """How codes are compared with the prior."""
        return self.settings.mmd

    @cached_property
    def contexts(self) -> tuple[DataContext, ...]:
        """The contexts that the run is trained on, in the order of their numbers; none where a store has none."""
        return contexts_read(self.settings.contexts, self.dataset.contexts)

    @cached_property
    def concepts(self) -> tuple[DataContext, ...]:
        """The concepts of the run's context module, a block of latents each, whether or not it is told the contexts."""
        return concepts_of(self.contexts) if self.composition.module else ()

    @cached_property
    def sets(self) -> tuple[tuple[int, ...], ...]:
        """For each context of the data set 0 or 1 for each concept; none where contexts are pooled, or unknown."""
        none = (0,) * len(self.concepts)
        if self.composition.module != "contexts":
            return (none,) * len(self.dataset.contexts)
        return tuple(set_of(each, self.concepts) for each in self.dataset.contexts)

    @property
    def is_stacked(self) -> bool:
        """Whether the run is trained in one program with others of its kind; never where it reads shard by shard."""
        return self.training.order == "rows" and identity.is_stacked(self.composition, self.network)

    @property
    def modules(self) -> tuple[str, ...]:
        """Dotted names of the modules whose code decides this run's bytes, beside the training loop."""
        return identity.modules(self.composition, self.network, self.prior)

    def record(self) -> dict[str, Any]:
        """The run as its folder keeps it, as plain JSON: every resolved value, the identity's hash, the values read."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return {"id": self.id, "identity": digest_of(self.identity), "read": self._in_full(), **values}

    def agrees_with(self, record: Mapping[str, Any]) -> bool:
        """Whether a record is this run's: equal identity, and equal values of every key that both read.

        A default that has changed since is thereby noticed; a key that one of the two lacks is no difference.
        """
        if record.get("identity") != digest_of(self.identity):
            return False
        here, there = self._in_full(), record.get("read")
        return isinstance(there, Mapping) and all(here[key] == value for key, value in there.items() if key in here)

    def _in_full(self) -> dict[str, Any]:
        return identity.in_full(self.composition, self.settings, self.network, self.training)


@dataclasses.dataclass(frozen=True)
class Fleet:
    """Runs of equal shape that one process trains together on one data set.

    name: the id of a fleet of fresh seeds, which is that of its stand-ins (config.fresh); empty for any other.
    """

    runs: tuple[Run, ...]
    name: str = ""

    @cached_property
    def id(self) -> str:
        """Data set, network, and a hash of the runs."""
        if self.name:
            return self.name
        first = self.runs[0]
        name = f"{first.dataset.name}-{first.network.name}-{first.network.latents}"
        return f"{name}-{digest_of([run.id for run in self.runs])[:8]}"

    @property
    def modules(self) -> tuple[str, ...]:
        """Dotted names of the modules whose code decides the bytes of any of the runs, beside the training loop."""
        return tuple(sorted({module for run in self.runs for module in run.modules}))

    def to_json(self) -> dict[str, Any]:
        """The fleet as plain JSON; what its runs share is converted once."""
        parts = [part for run in self.runs for part in (run.dataset, run.network, run.training, run.settings)]
        plain = {key: asdict(part) for key, part in {id(part): part for part in parts}.items()}
        named = [{each.name: getattr(run, each.name) for each in dataclasses.fields(run)} for run in self.runs]
        runs = tuple({name: plain.get(id(value), value) for name, value in run.items()} for run in named)
        return {"runs": runs, **({"name": self.name} if self.name else {})}


def fleets(runs: tuple[Run, ...], most: int) -> tuple[Fleet, ...]:
    """Runs gathered by data set and shape, at most so many together."""
    shapes: dict[tuple[Source, Network, Training], list[Run]] = {}
    for run in runs:
        shapes.setdefault((run.dataset, run.network, run.training), []).append(run)
    return tuple(
        Fleet(tuple(alike[start : start + most])) for alike in shapes.values() for start in range(0, len(alike), most)
    )


def read_run(value: object) -> Run:
    """A run from its JSON."""
    return read_whole(Run, value, "run")
