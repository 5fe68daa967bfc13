"""A config unfolded to a study: every fault before the first job, then the runs, the fleets and what they cost.

The models know a data set by its facts alone (name, factors, sizes, noise), which the simulations provide as JSON.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from auxvae.config import idle
from auxvae.config.auxiliaries import added
from auxvae.config.checks import Facts, dataset_of, study_faults
from auxvae.config.choices import Choice, candidate_ids, choices_of
from auxvae.config.contexts import contexts_of
from auxvae.config.cost import core_hours
from auxvae.config.fresh import fresh_fleets, fresh_twice
from auxvae.config.kinds import kinds_of
from auxvae.config.measured import measured_of
from auxvae.config.methods import METHODS, PRESETS
from auxvae.config.networks import HALVED
from auxvae.config.run import Fleet, Run, Source, fleets
from auxvae.config.settings import resolved
from auxvae.config.spec import Config, Group
from auxvae.config.subsets import with_subsets
from auxvae.config.trials import Tried, around, trials_of
from auxvae.config.unread import unread_faults
from foundation.declare import read_despite
from foundation.faults import Fault, Refused, Words, listed, suggest
from foundation.written import as_written

T = TypeVar("T")
MOST_RUNS = 10_000  # to unfold them takes half a millisecond each


@dataclass(frozen=True)
class Study:
    """What a config unfolds to."""

    config: Config
    facts: Facts
    runs: tuple[Run, ...]
    fleets: tuple[Fleet, ...]
    choices: tuple[Choice, ...] = ()

    def candidates(self, fleet: Fleet) -> list[str]:
        """The ids of those runs of a fleet that are chosen among."""
        return [run.id for run in fleet.runs if run.id in self.chosen_among]

    @cached_property
    def chosen_among(self) -> frozenset[str]:
        """The ids of the runs that are chosen among."""
        return candidate_ids(self.choices)

    @cached_property
    def retrained(self) -> frozenset[str]:
        """The ids of those whose setting, if it is chosen, is trained again: none of them is scored on test rows."""
        return candidate_ids(choice for choice in self.choices if choice.fresh_seeds)

    @property
    def scored_fleets(self) -> tuple[Fleet, ...]:
        """The fleets that have runs which may be scored on test rows."""
        return tuple(fleet for fleet in self.fleets if any(run.id not in self.retrained for run in fleet.runs))

    def fleet(self, identity: str) -> Fleet:
        """The fleet of that id; the first, if none is named."""
        return self.fleets[0] if not identity else _named(identity, {f.id: f for f in self.fleets}, "--fleet")

    @property
    def notes(self) -> tuple[str, ...]:
        """What the config says in vain, and images that are padded, one line each: nothing is wrong with either."""
        used = {run.dataset.name: self.facts[run.dataset.name] for run in self.runs}
        said = [*idle.notes(self.config, used), *filter(None, map(_padding, self.runs))]
        return tuple(dict.fromkeys(f"note: {each}" for each in said))

    @property
    def has_contexts(self) -> bool:
        """Whether a data set that runs are trained on has contexts."""
        return any(run.dataset.contexts for run in self.runs)

    @property
    def has_denoisers(self) -> bool:
        """Whether some runs are score-based autoencoders."""
        return any(run.composition.family == "score" for run in self.runs)

    def store_bytes(self) -> float:
        """Disk that the simulated data sets take."""
        return float(sum(f["image_bytes"] for f in self.facts.values() if f["store"] is None))

    def core_hours(self) -> float:
        """Time of training and evaluation on one CPU core, in hours."""
        return core_hours([run for fleet in self.fleets for run in fleet.runs], self.config.analyses.labelled)

    def drawing_hours(self) -> float:
        """Time of the simulations on one CPU core, in hours, as they estimate it."""
        return float(sum(f.get("core_seconds", 0) for f in self.facts.values() if f["store"] is None)) / 3600

    def estimate(self) -> str:
        """Size and cost in a line."""
        runs = sum(len(fleet.runs) for fleet in self.fleets)
        counts = f"{_counted(runs, 'run')} in {_counted(len(self.fleets), 'fleet')}"
        drawing = f" drawn in {self.drawing_hours():.2g} core hours" if self.drawing_hours() else ""
        images = f"{self.store_bytes() / 1e9:.2g} GB of images{drawing}, " if self.store_bytes() else ""
        return f"{counts}, {images}{self.core_hours():.2g} core hours of training and evaluation without a GPU"


def _padding(run: Run) -> str:
    """What a U-Net adds to images whose sides it cannot halve, in words; empty where it adds nothing."""
    side, source = run.dataset.stamp, run.dataset.name
    if run.composition.family != "score" or run.settings.diffusion.denoiser or side % HALVED == 0:
        return ""
    padded = side + -side % HALVED
    return f"datasets.{source}: a U-Net halves sides of multiples of {HALVED}, and pads {side} pixels to {padded}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _named(identity: str, choices: Mapping[str, T], where: str) -> T:
    if identity not in choices:
        text = f"the study has {listed(choices)}"
        raise Refused(Fault(where, identity, text, suggest(identity, choices, "name one")))
    return choices[identity]


def read_study(config: Mapping[str, Any], facts: Facts, faults: list[Fault], tried: Tried = lambda trials: []) -> Study:
    """The study of a config, or a refusal with all that is wrong, `faults` of its data sets included.

    tried: says what is wrong with users' priors; nothing, where they were tried before.
    """
    config = with_subsets(config, facts, faults)
    written = _written_groups(config)
    beside: list[Fault] = []
    sections = read_despite(Config, {**config, "runs": []} if written else dict(config), "", beside)
    said = {fault.where for fault in faults}  # that there are no data sets is said by the simulations
    faults += as_written((fault for fault in beside if fault.where not in said), config)
    groups = _read_groups(config, written, faults)
    if not isinstance(sections, Config):  # what stands for a needed section lets the others be checked
        named = config["datasets"] if isinstance(config.get("datasets"), Mapping) else {}
        sections = read_despite(Config, {**config, "study": "study", "datasets": named, "runs": []}, "", [])
    if not isinstance(sections, Config):
        raise Refused(faults)
    whole = replace(sections, runs=tuple(groups.values()))
    if not written and config.get("runs") == []:
        faults.append(Fault("runs", Words("none"), "at least one group of runs is needed", "add one"))
    places = around(_places(faults))
    beyond = (*study_faults(whole, groups, facts, config), *unread_faults(config, written))
    faults += as_written((fault for fault in beyond if fault.where not in places), config)
    faults += tried(trials_of(whole, groups, lambda group: facts.get(dataset_of(whole, group), {}), _places(faults)))
    faults += () if faults else _too_many(groups)
    if faults:
        raise Refused(faults)
    unfolded = {where: tuple(_unfold(whole, group, facts)) for where, group in groups.items()}
    runs = tuple(run for each in unfolded.values() for run in each)
    if faults := list(_twice(unfolded)):
        raise Refused(faults)
    choices = tuple(each for where, group in groups.items() for each in choices_of(where, group, unfolded[where]))
    if faults := list(fresh_twice(choices, runs)):
        raise Refused(faults)
    most = whole.runs_per_fleet
    return Study(whole, facts, runs, (*fleets(runs, most), *fresh_fleets(choices, most)), choices)


def _places(faults: Iterable[Fault]) -> list[str]:
    return [fault.where for fault in faults]


def _too_many(groups: Mapping[str, Group]) -> Iterator[Fault]:
    """More runs than a workflow can hold, counted before they are unfolded."""
    number = sum(
        max(1, len(group.coverages)) * (len(group.seeds) * math.prod(map(len, group.weights.values())) + _fresh(group))
        for group in groups.values()
    )
    if number > MOST_RUNS:
        text, remedy = f"a study has {MOST_RUNS:,} at most", "shorten the lists of weights and seeds"
        yield Fault("runs", Words(f"{number:,} runs"), text, remedy)


def _fresh(group: Group) -> int:
    return len(group.select.fresh_seeds) if group.select else 0


def _written_groups(config: Mapping[str, Any]) -> dict[str, Any]:
    """The groups of runs as they stand in the config, by place."""
    runs = config.get("runs")
    return {f"runs[{i}]": group for i, group in enumerate(runs)} if isinstance(runs, (list, tuple)) else {}


def _read_groups(config: Mapping[str, Any], written: Mapping[str, Any], faults: list[Fault]) -> dict[str, Group]:
    """The groups that can be read, by place; a fault in a section of the study is not repeated for each group."""
    groups: dict[str, Group] = {}
    above = {fault.where for fault in faults}
    for where, group in written.items():
        wrong: list[Fault] = []
        result = read_despite(Group, _merged(config, group), where, wrong)
        new = (fault for fault in wrong if fault.where.removeprefix(f"{where}.") not in above)
        faults += as_written(new, config)
        if isinstance(result, Group):
            groups[where] = result
    return groups


def _merged(config: Mapping[str, Any], group: Any) -> Any:
    """A group of runs over the settings of its preset and method, and its sections over those of the study."""
    if not isinstance(group, Mapping):
        return group
    merged = {**PRESETS.get(str(group.get("preset")), {}), **group}
    for section in ("network", "training"):
        common, changed = config.get(section), group.get(section)
        if isinstance(common, Mapping) and isinstance(changed, Mapping):
            merged[section] = {**common, **changed}
    method, mmd = METHODS.get(str(group.get("method"))), group.get("mmd", {})
    if method and isinstance(mmd, Mapping):
        replaced = {"queue"} if mmd.get("block") else set()  # blocks stand in place of the method's queue
        merged["mmd"] = {**{key: value for key, value in method.mmd.items() if key not in replaced}, **mmd}
    return merged


def _unfold(config: Config, group: Group, facts: Facts) -> Iterator[Run]:
    source = _source(facts[dataset_of(config, group)], config)
    settings = resolved(group.settings(), METHODS[group.method], source.train)
    for coverage in group.coverages or ("",):
        for weights in group.weightings(source.channels * source.stamp**2):
            for seed in group.seeds:
                yield Run(
                    dataset=source,
                    network=group.network or config.network,
                    training=group.training or config.training,
                    settings=settings,
                    method=group.method,
                    coverage=coverage,
                    aux=config.coverages.get(coverage, ()),
                    weights=weights,
                    seed=seed,
                    label=group.label,
                )


def _source(facts: Mapping[str, Any], config: Config) -> Source:
    names = ("name", "digest", "stamp", "channels", "train")
    several = {"factors": tuple(facts["factors"]), "symmetries": facts.get("symmetries", ()), "kinds": kinds_of(facts)}
    several |= {"contexts": contexts_of(facts), "weights": tuple(facts.get("weights", ()))}
    several |= {"measurements": measured_of(facts)}
    return Source(**{name: facts[name] for name in names}, **several, auxiliaries=added(config.auxiliaries))


def _twice(unfolded: Mapping[str, tuple[Run, ...]]) -> Iterator[Fault]:
    earlier: dict[str, str] = {}
    for where, runs in unfolded.items():
        for run in runs:
            if (first := earlier.setdefault(run.id, where)) != where:
                text = f"every run stands once, and {first} has it too"
                yield Fault(where, Words(run.title), text, "take one of the equal groups away")
