"""Users' priors, tried before anything runs, in a process of its own: none can hold up, end or soil the check.

A prior is tried wherever its own settings are right, whatever else is wrong with the study. torch is imported by that
process alone (auxvae.models.prior_trial).
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from auxvae.config.kinds import kinds_of, variables_of
from auxvae.config.latents import PriorSpec
from auxvae.config.methods import METHODS
from auxvae.config.spec import Config, Group
from auxvae.config.terms import TERMS
from foundation.faults import Fault, Words

SECONDS = 4  # for one prior: its file imported, 4,096 samples drawn three times
START = 120  # seconds in which torch must be imported
ROOT = Path(__file__).parents[2]
SOUND = "the class is a Prior that takes its number of latents and has sample(u, source)"


@dataclasses.dataclass(frozen=True)
class Trial:
    """A prior with its place, the residual latents and auxiliary variables that it is for, and the loss it enters."""

    where: str
    prior: PriorSpec
    latents: int
    aux: int
    method: str

    @property
    def needs_density(self) -> bool:
        """Whether a term of the loss needs log p(z)."""
        return any(TERMS[name].needs_density for name in METHODS[self.method].weights)


Tried = Callable[[Sequence[Trial]], Iterable[Fault]]


def trials_of(
    config: Config, groups: Mapping[str, Group], facts_of: Callable[[Group], Mapping[str, Any]], places: Sequence[str]
) -> list[Trial]:
    """The trials of a study whose faults lie at these places, each prior once."""
    faulty = around(places)
    every: dict[tuple[Any, ...], Trial] = {}
    for where, group in groups.items():
        keys = {f"{where}.prior", f"{where}.method", f"{where}.coverages", f"{where}.network", "network"}
        if _is_program(group.prior) and not keys & faulty:
            for trial in _trials(config, group, where, facts_of(group)):
                every.setdefault((trial.prior, trial.latents, trial.aux, trial.needs_density), trial)
    return [*every.values()]


def around(places: Iterable[str]) -> set[str]:
    """These places, and those that they lie within."""
    return {place[:end] for place in places for end in _ends(place)}


def _ends(place: str) -> list[int]:
    return [*(each.start() for each in re.finditer(r"[.\[]", place)), len(place)]


def _is_program(prior: PriorSpec | None) -> bool:
    """Whether a prior is a user's file that can be tried without a store."""
    return prior is not None and prior.is_a_program() and not prior.reads_factors()


def _trials(config: Config, group: Group, where: str, facts: Mapping[str, Any]) -> Iterator[Trial]:
    prior = group.prior or PriorSpec()
    for coverage in group.coverages or ("",):
        aux = len(variables_of(config.coverages.get(coverage, ()), kinds_of(facts)))
        latents = (group.network or config.network).latents - aux
        if latents > 0 and (not coverage or coverage in config.coverages):
            yield Trial(f"{where}.prior", prior, latents, aux, group.method)


def tried(trials: Sequence[Trial]) -> list[Fault]:
    """What is wrong with these priors; one that never ends, or ends the process, is refused, and the trials end there.

    Nothing is said where there is no torch: then it is said when they are trained.
    """
    if not trials or importlib.util.find_spec("torch") is None:
        return []
    command = [sys.executable, "-m", "auxvae.models.prior_trial"]
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONDONTWRITEBYTECODE": "1"}
    sent = json.dumps([dataclasses.asdict(trial) for trial in trials])
    limit = START + SECONDS * len(trials)
    ended = subprocess.run(command, input=sent, capture_output=True, text=True, check=False, env=env, timeout=limit)
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    if not answers and ended.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{ended.stderr}")
    faults = [Fault(**{**fault, "value": Words(fault["value"])}) for each in answers for fault in each["faults"]]
    if len(answers) <= len(trials):
        faults.append(_unfinished(trials[len(answers) - 1], "Timeout (" in ended.stderr, ended.returncode))
    return faults


def _unfinished(trial: Trial, late: bool, status: int) -> Fault:
    """The fault of the prior at which the process ended."""
    what = f"a program that does not end within {SECONDS} s" if late else f"a program that ends with status {status}"
    return Fault(f"{trial.where}: {trial.prior.words()}", Words(what), SOUND, "correct the file: docs/own_prior.md")
