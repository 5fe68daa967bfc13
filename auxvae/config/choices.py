"""What `select` chooses among: at each coverage of a group, its settings, each the runs of all seeds.

A setting is all that a group's runs may differ in beside coverage and seed; today, the lists of weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from auxvae.config.kinds import kinds_of, variables_of
from auxvae.config.methods import METHODS
from auxvae.config.rules import RULES, Select
from auxvae.config.run import Run
from auxvae.config.spec import Config, Group
from foundation.faults import Fault, Words, listed
from foundation.files import digest_of

OTHER = "take another rule"


@dataclass(frozen=True)
class Choice:
    """One setting to be chosen: by a rule, among candidates that are the runs of one setting, one for each seed.

    where: the group's place in the config. fresh_seeds: those with which the chosen setting is trained again.
    """

    where: str
    rule: str
    candidates: tuple[tuple[Run, ...], ...]
    fresh_seeds: tuple[int, ...] = ()

    def fresh(self, i: int) -> tuple[Run, ...]:
        """The runs of candidate i with the fresh seeds, which are trained if it is chosen (config.fresh)."""
        return tuple(replace(self.candidates[i][0], seed=seed) for seed in self.fresh_seeds)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs of all candidates."""
        return tuple(run for candidate in self.candidates for run in candidate)


def choices_of(where: str, group: Group, runs: Iterable[Run]) -> Iterator[Choice]:
    """The choices of a group with these runs: one for each coverage, none where it selects nothing."""
    if group.select is None:
        return
    by_coverage: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        setting = digest_of(asdict(replace(run, seed=0)))
        by_coverage.setdefault(run.coverage, {}).setdefault(setting, []).append(run)
    for settings in by_coverage.values():
        candidates = tuple(tuple(seeds) for seeds in settings.values())
        yield Choice(where, group.select.rule, candidates, group.select.fresh_seeds)


def candidate_ids(choices: Iterable[Choice]) -> frozenset[str]:
    """The ids of the runs that are chosen among."""
    return frozenset(run.id for choice in choices for run in choice.runs)


def choice_faults(config: Config, group: Group, where: str, dataset: Mapping[str, Any]) -> Iterator[Fault]:
    """A choice of one, a rule that the method's runs cannot be scored by, an interval over one seed.

    dataset: the facts of the group's data set, empty if they are not known.
    """
    if (select := group.select) is None:
        return
    place = f"{where}.select"
    if math.prod(len(values) for values in group.weights.values()) == 1:
        text = "the group has one setting, and nothing to choose among"
        yield Fault(place, select.rule, text, "list two weights of a term or more, or take it away")
    yield from _unscored(config, group, select, place)
    yield from _without_axes(config, group, select, place, dataset)
    if select.interval and len(group.seeds) == 1:
        text = "an interval over the seeds needs two at least"
        yield Fault(f"{where}.seeds", group.seeds[0], text, "add a seed, or take the interval away")


def _unscored(config: Config, group: Group, select: Select, place: str) -> Iterator[Fault]:
    """A rule that the runs of the group's method cannot be scored by."""
    rule = RULES[select.rule]
    absent = [term for term in rule.terms if term not in METHODS[group.method].weights]
    if absent:
        text = f"it asks for {rule.words}, and {group.method} has no term {listed(absent)}"
        yield Fault(place, select.rule, text, OTHER)
    if rule.blocks and METHODS[group.method].conditional != "gaussian":
        text = f"it asks what residual latents say of auxiliary ones, and {group.method} has none with a posterior"
        yield Fault(place, select.rule, text, OTHER)


def _without_axes(
    config: Config, group: Group, select: Select, place: str, dataset: Mapping[str, Any]
) -> Iterator[Fault]:
    """A rule that has nothing to score: no residual latent, or no factor of which LDS says something."""
    latents, kinds = (group.network or config.network).latents, kinds_of(dataset)
    rule, remedy = RULES[select.rule], f"raise latents, or {OTHER}"
    for name in group.coverages or ("",):
        factors = config.coverages.get(name, dataset.get("factors", ()))
        sizes = [len(variables_of([factor], kinds)) for factor in factors]
        if rule.blocks and group.coverages and sum(sizes) == latents:
            text = f"{name} has a factor for each of the {latents} latents, so that none is residual"
            yield Fault(place, Words(f"{select.rule!r} for the coverage {name}"), text, remedy)
        if "lds_sampled" in rule.reads and sizes and all(1 < size >= latents for size in sizes):
            text = f"every factor has as many variables as there are latents, {latents}, so that LDS says nothing"
            yield Fault(place, select.rule, text, remedy)
