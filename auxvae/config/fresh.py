"""Fresh seeds: the setting that a choice takes is trained again with seeds that had no part in the choice.

The least of many noisy values is low in part by luck: the seeds by which a setting won flatter it. Runs of fresh seeds
are trained after the choice, and they alone are scored on test rows.

Which setting it will be is not known when the workflow is parsed. Until then its runs have stand-ins, the first
candidate with the fresh seeds: runs of a choice differ in their weights alone, so that stand-ins cost what the runs
will cost. A fleet of stand-ins has the same id whatever is chosen; auxvae.analysis.selection.settled puts the runs in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from auxvae.config.choices import Choice
from auxvae.config.run import Fleet, Run, fleets
from auxvae.config.spec import Group
from foundation.faults import Fault, Words
from foundation.files import digest_of

ANOTHER = "take another seed"


def fresh_fleets(choices: Sequence[Choice], most: int) -> tuple[Fleet, ...]:
    """Fleets of stand-ins, at most so many runs together, named by all candidates of their choices."""
    among = {run.id: choice for choice in choices for run in choice.fresh(0)}
    stand_ins = tuple(run for choice in choices for run in choice.fresh(0))
    return tuple(replace(fleet, name=_name(fleet, among)) for fleet in fleets(stand_ins, most))


def _name(fleet: Fleet, among: Mapping[str, Choice]) -> str:
    runs = [[run.id, [each.id for each in among[run.id].runs]] for run in fleet.runs]
    return f"{fleet.id.rpartition('-')[0]}-fresh-{digest_of(runs)[:8]}"


def fresh_faults(group: Group, where: str) -> Iterator[Fault]:
    """Fresh seeds that are among those of the group."""
    for seed in group.select.fresh_seeds if group.select else ():
        if seed in group.seeds:
            text = f"the choice is made with {' and '.join(map(str, group.seeds))}, and fresh seeds have no part in it"
            yield Fault(f"{where}.select.fresh_seeds", seed, text, ANOTHER)


def fresh_twice(choices: Sequence[Choice], runs: Iterable[Run]) -> Iterator[Fault]:
    """Runs of fresh seeds, of any setting that may be chosen, that another group has too."""
    again = {seed for choice in choices for seed in choice.fresh_seeds}
    taken = {run.id for run in runs if run.seed in again}  # seeds differ as a rule, and no id need be computed
    alike: dict[tuple[str, str, str], int] = {}
    for choice in choices:
        alike[_kind(choice)] = alike.get(_kind(choice), 0) + bool(choice.fresh_seeds)
    for choice in choices:
        if taken or alike[_kind(choice)] > 1:
            fresh = {run.id: run for i in range(len(choice.candidates)) for run in choice.fresh(i)}
            for name in fresh.keys() & taken:
                value, text = Words(fresh[name].title), "every run stands once, and another group has it too"
                yield Fault(f"{choice.where}.select.fresh_seeds", value, text, ANOTHER)
            taken |= fresh.keys()


def _kind(choice: Choice) -> tuple[str, str, str]:
    run = choice.candidates[0][0]
    return run.dataset.name, run.method, run.coverage
