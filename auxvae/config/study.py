"""A config made into a study: every fault found before the first job, then the runs, the fleets and what they cost.

The models know a data set by its facts alone (name, factors, sizes, noise), which the simulations provide as JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from auxvae.config.checks import Facts, dataset_of, study_faults
from auxvae.config.latents import PriorSpec
from auxvae.config.methods import METHODS, PRESETS
from auxvae.config.spec import Config, Fleet, Group, Run, Source, fleets
from foundation.declare import read_despite
from foundation.faults import Fault, Refused, listed, suggest
from foundation.files import digest_file

T = TypeVar("T")
# Trained by one core, 33 x 33 pixels, width 32: conv4 on the machine of the README, the others beside it.
PIXELS_PER_SECOND = {"conv4": 1.2e6, "residual": 0.35e6, "mlp": 5.4e6}
EVALUATION_SECONDS = 15  # a run, on one core: its pictures, sensitivities and the suite of metrics


@dataclass(frozen=True)
class Study:
    """What a config unfolds to."""

    config: Config
    facts: Facts
    runs: tuple[Run, ...]
    fleets: tuple[Fleet, ...]

    def run(self, identity: str) -> Run:
        """The run of that id; the first, if none is named."""
        return self.runs[0] if not identity else _named(identity, {run.id: run for run in self.runs}, "--run")

    def fleet(self, identity: str) -> Fleet:
        """The fleet of that id; the first, if none is named."""
        return self.fleets[0] if not identity else _named(identity, {f.id: f for f in self.fleets}, "--fleet")

    def fleet_of(self, identity: str) -> Fleet:
        """The fleet that trains the run of that id."""
        return next(fleet for fleet in self.fleets if any(run.id == identity for run in fleet.runs))

    def store_bytes(self) -> float:
        """Disk that the simulated data sets take."""
        return float(sum(f["image_bytes"] for f in self.facts.values() if f["store"] is None))

    def core_hours(self) -> float:
        """Time of training and evaluation on one CPU core, in hours."""
        seconds = sum(
            run.dataset.train
            * run.training.epochs
            * run.dataset.stamp**2
            * run.dataset.channels
            / PIXELS_PER_SECOND[run.network.name]
            for run in self.runs
        )
        return (seconds + EVALUATION_SECONDS * len(self.runs)) / 3600

    def estimate(self) -> str:
        """Size and cost in a line."""
        counts = f"{_counted(len(self.runs), 'run')} in {_counted(len(self.fleets), 'fleet')}"
        return (
            f"{counts}, {self.store_bytes() / 1e9:.2g} GB of images, {self.core_hours():.2g} core hours without a GPU"
        )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _named(identity: str, known: Mapping[str, T], where: str) -> T:
    if identity not in known:
        raise Refused(Fault(where, identity, f"the study has {listed(known)}", suggest(identity, known, "name one")))
    return known[identity]


def read_study(config: Mapping[str, Any], facts: Facts, faults: list[Fault]) -> Study:
    """The study of a config, or a refusal with all that is wrong, the faults of its data sets (given) among it."""
    made = read_despite(Config, _with_presets({**config}), faults)
    if not isinstance(made, Config):
        raise Refused(faults)
    faults += study_faults(made, facts)
    if faults:
        raise Refused(faults)
    runs = tuple(run for group in made.runs for run in _unfold(made, group, facts))
    faults += _twice(runs)
    if faults:
        raise Refused(faults)
    return Study(made, facts, runs, fleets(runs, made.runs_per_fleet))


def _with_presets(config: Mapping[str, Any]) -> dict[str, Any]:
    """Each group of runs over the settings of its preset and method, and its sections over those of the study."""
    groups = config.get("runs")
    if not isinstance(groups, list):
        return dict(config)
    return {**config, "runs": [_laid(config, group) if isinstance(group, Mapping) else group for group in groups]}


def _laid(config: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, Any]:
    laid = {**PRESETS.get(str(group.get("preset")), {}), **group}
    for section in ("network", "training"):
        common, own = config.get(section), group.get(section)
        if isinstance(common, Mapping) and isinstance(own, Mapping):
            laid[section] = {**common, **own}
    method, mmd = METHODS.get(str(group.get("method"))), group.get("mmd", {})
    if method and isinstance(mmd, Mapping):
        own = {"queue"} if mmd.get("block") else set()  # blocks stand in place of the method's queue
        laid["mmd"] = {**{key: value for key, value in method.mmd.items() if key not in own}, **mmd}
    return laid


def _unfold(config: Config, group: Group, facts: Facts) -> Iterator[Run]:
    known = facts[dataset_of(config, group)]
    names = ("name", "digest", "stamp", "channels", "train")
    source = Source(**{n: known[n] for n in names}, factors=tuple(known["factors"]))
    variance = 1 / source.train if group.prior_variance == "1/n" else float(group.prior_variance)
    method = METHODS[group.method]
    for coverage in group.coverages or ("",):
        for weights in group.weightings():
            for seed in group.seeds:
                yield Run(
                    dataset=source,
                    network=group.network or config.network,
                    activation=group.activation,
                    method=group.method,
                    coverage=coverage,
                    aux=config.coverages.get(coverage, ()),
                    weights=weights,
                    likelihood=group.likelihood,
                    sigma=group.sigma,
                    prior=_with_digest(group.prior or PriorSpec(method.prior)),  # type: ignore[arg-type]
                    encoder=group.encoder or method.encoder,
                    mmd=replace(group.mmd, queue=min(group.mmd.queue, source.train)),
                    capacity=group.capacity,
                    cooling=group.cooling,
                    prior_variance=variance,
                    degree=group.degree,
                    aux_degree=group.aux_degree,
                    normalise=group.normalise,
                    interactions=group.interactions,
                    training=group.training or config.training,
                    seed=seed,
                )


def _with_digest(prior: PriorSpec) -> PriorSpec:
    """A prior from a file carries the digest of its bytes, since they decide the run's."""
    digest = digest_file(Path(prior.path)) if prior.path else None
    return replace(prior, sha256=digest, of=tuple(_with_digest(part) for part in prior.of))


def _twice(runs: tuple[Run, ...]) -> Iterator[Fault]:
    seen: set[str] = set()
    for run in runs:
        if run.id in seen:
            yield Fault("runs", run.title, "every run stands once", "take one of the equal groups away")
        seen.add(run.id)
