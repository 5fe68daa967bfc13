"""A config made into a study: every fault found before the first job, then the runs, the fleets and what they cost.

The models know a data set by its facts alone (name, factors, sizes, noise), which the simulations provide as JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from auxvae.methods import METHODS, PRESETS, default_weights
from auxvae.spec import Config, Fleet, Group, Run, Source, fleets
from foundation.declare import NAME, read_despite
from foundation.faults import Absent, Fault, Refused, guess, listed

T = TypeVar("T")
Facts = Mapping[str, Mapping[str, Any]]
SMALLEST_STAMP, LARGEST_STAMP = 28, 128
PIXELS_PER_SECOND = 1.2e6  # trained by one core: conv4, 33 x 33 pixels, two runs at a time on the machine of the README


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
        """Training time on one CPU core, in hours."""
        pixels = sum(
            run.dataset.train * run.training.epochs * run.dataset.stamp**2 * run.dataset.channels for run in self.runs
        )
        return pixels / PIXELS_PER_SECOND / 3600

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
        raise Refused(Fault(where, identity, f"the study has {listed(known)}", guess(identity, known, "name one")))
    return known[identity]


def read_study(config: Mapping[str, Any], facts: Facts, faults: list[Fault]) -> Study:
    """The study of a config, or a refusal with all that is wrong, the faults of its data sets (given) among it."""
    made = read_despite(Config, _with_presets({**config}), faults)
    if not isinstance(made, Config):
        raise Refused(faults)
    faults += _study_faults(made, facts)
    if faults:
        raise Refused(faults)
    runs = tuple(run for group in made.runs for run in _unfold(made, group, facts))
    faults += _twice(runs)
    if faults:
        raise Refused(faults)
    return Study(made, facts, runs, fleets(runs, made.runs_per_fleet))


def _with_presets(config: Mapping[str, Any]) -> dict[str, Any]:
    """Each group of runs over the settings of its preset."""
    groups = config.get("runs")
    if not isinstance(groups, list):
        return dict(config)
    laid = [{**PRESETS.get(str(g.get("preset")), {}), **g} if isinstance(g, Mapping) else g for g in groups]
    return {**config, "runs": laid}


def _unfold(config: Config, group: Group, facts: Facts) -> Iterator[Run]:
    known = facts[_dataset(config, group)]
    names = ("name", "digest", "stamp", "channels", "train")
    source = Source(**{n: known[n] for n in names}, factors=tuple(known["factors"]))
    variance = 1 / source.train if group.prior_variance == "1/n" else float(group.prior_variance)
    for coverage in group.coverages or ("",):
        for weights in group.weightings():
            for seed in group.seeds:
                yield Run(
                    dataset=source,
                    network=config.network,
                    activation=group.activation,
                    method=group.method,
                    coverage=coverage,
                    told=config.coverages.get(coverage, ()),
                    weights=weights,
                    likelihood=group.likelihood,
                    sigma=group.sigma,
                    prior_variance=variance,
                    degree=group.degree,
                    aux_degree=group.aux_degree,
                    normalise=group.normalise,
                    interactions=group.interactions,
                    training=replace(config.training),
                    seed=seed,
                )


def _dataset(config: Config, group: Group) -> str:
    """The data set of a group: the one it names, or the only one there is."""
    return group.dataset or next(iter(config.datasets), "")


def _study_faults(config: Config, facts: Facts) -> Iterator[Fault]:
    if not NAME.fullmatch(config.study):
        yield Fault("study", config.study, "a name is letters, digits and _, a letter first", "rename it")
    if not config.runs:
        yield Fault("runs", Absent("none"), "at least one group of runs is needed", "add one")
    for name, told in config.coverages.items():
        yield from _coverage(config, name, told, facts)
    for i, group in enumerate(config.runs):
        yield from _group(config, group, f"runs[{i}]", facts)


def _coverage(config: Config, name: str, told: tuple[str, ...], facts: Facts) -> Iterator[Fault]:
    users = {_dataset(config, g) for g in config.runs if name in g.coverages} & facts.keys() or facts.keys()
    for i, factor in enumerate(told):
        where = f"coverages.{name}[{i}]"
        if factor in told[:i]:
            yield Fault(where, factor, "a factor is told once", "take the second away")
        for dataset in sorted(users):
            factors = facts[dataset]["factors"]
            if factor not in factors:
                text = f"the factors of {dataset} are {listed(factors)}"
                yield Fault(where, factor, text, guess(factor, factors, "name one of them"))


def _group(config: Config, group: Group, where: str, facts: Facts) -> Iterator[Fault]:
    if group.method not in METHODS:
        text = f"the methods are {listed(METHODS)}"
        yield Fault(f"{where}.method", group.method, text, guess(group.method, METHODS, "name one of them"))
        return
    if group.dataset == "" and len(config.datasets) > 1:
        text = f"the study has the data sets {listed(config.datasets)}"
        yield Fault(f"{where}.dataset", Absent("nothing"), text, "name one of them")
    elif _dataset(config, group) not in config.datasets:
        text = f"the data sets are {listed(config.datasets)}"
        remedy = guess(group.dataset, config.datasets, "name one of them")
        yield Fault(f"{where}.dataset", group.dataset, text, remedy)
    elif _dataset(config, group) in facts:
        yield from _fit(config, group, where, facts[_dataset(config, group)])
    yield from _coverages(config, group, where)
    yield from _lists(group, where)


def _lists(group: Group, where: str) -> Iterator[Fault]:
    terms = default_weights(group.method, group.preset)
    for name, values in group.weights.items():
        if name not in terms:
            text = f"{group.method} has the terms {listed(terms)}"
            yield Fault(f"{where}.weights.{name}", name, text, guess(name, terms, "name one of them"))
        if not values:
            yield Fault(f"{where}.weights.{name}", Absent("an empty list"), "a weight is needed", "write a number")
    if not group.seeds:
        yield Fault(f"{where}.seeds", Absent("an empty list"), "at least one seed is needed", "write [0]")
    if group.likelihood == "gaussian" and group.sigma is None:
        yield Fault(f"{where}.sigma", Absent("nothing"), "the gaussian likelihood needs it", "add it, in photons")
    if group.likelihood != "gaussian" and group.sigma is not None:
        yield Fault(f"{where}.sigma", group.sigma, "only the gaussian likelihood takes it", "take it away")


def _coverages(config: Config, group: Group, where: str) -> Iterator[Fault]:
    if not METHODS[group.method].told:
        if group.coverages:
            text = f"{group.method} is told no factors"
            yield Fault(f"{where}.coverages", listed(group.coverages), text, "take the coverages away")
        return
    if not group.coverages:
        text = f"{group.method} must be told factors: {listed(config.coverages)}"
        yield Fault(f"{where}.coverages", Absent("none"), text, "name a coverage")
    for i, name in enumerate(group.coverages):
        place = f"{where}.coverages[{i}]"
        if name not in config.coverages:
            text = f"the coverages are {listed(config.coverages)}"
            yield Fault(place, name, text, guess(name, config.coverages, "declare it under coverages"))
        elif not config.coverages[name]:
            text = f"{group.method} must be told at least one factor"
            yield Fault(
                f"coverages.{name}", Absent("an empty coverage"), text, "add a factor or take it out of the runs"
            )
        elif len(config.coverages[name]) > config.network.latents:
            text = f"coverage {name} needs a latent for each of its {len(config.coverages[name])} factors"
            yield Fault("network.latents", config.network.latents, text, "raise it or take a smaller coverage")


def _fit(config: Config, group: Group, where: str, known: Mapping[str, Any]) -> Iterator[Fault]:
    """What the data set and the models ask of each other."""
    stamp, name = known["stamp"], known["name"]
    if not SMALLEST_STAMP <= stamp <= LARGEST_STAMP:
        text = f"{config.network.name} takes stamps of {SMALLEST_STAMP} to {LARGEST_STAMP} pixels"
        where_stamp = f"datasets.{name}" if known["store"] else f"datasets.{name}.scene.stamp"
        yield Fault(where_stamp, Absent(f"{stamp} pixels"), text, "change the size of the images")
    if group.likelihood == "noise" and known["noise"] == "none":
        text = f"{name} has no noise, so no likelihood follows from it"
        yield Fault(f"{where}.likelihood", "noise", text, "write gaussian with a sigma, or log10")
    if config.training.batch > known["train"]:
        text = f"{name} has {known['train']} training rows"
        yield Fault("training.batch", config.training.batch, text, "lower it or simulate more")
    images = config.analyses.sensitivity.rows(known["test"])
    if not 2 <= images <= known["test"]:
        text = f"{name} has {known['test']} test rows"
        yield Fault("analyses.sensitivity.images", images, text, "lower it or give more test rows")


def _twice(runs: tuple[Run, ...]) -> Iterator[Fault]:
    seen: set[str] = set()
    for run in runs:
        if run.id in seen:
            yield Fault("runs", run.title, "every run stands once", "take one of the equal groups away")
        seen.add(run.id)
