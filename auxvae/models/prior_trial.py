"""python -m auxvae.models.prior_trial: try users' priors, which auxvae.config.trials sends as JSON on standard input.

The answer is a line of JSON when the process is ready, and one for each prior with its faults. A prior that takes
longer than SECONDS ends the process, whatever it waits for.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from typing import Any, TextIO

import torch

from auxvae.config.latents import PriorSpec
from auxvae.config.trials import SECONDS, Trial
from auxvae.models.prior_building import build, checked_samples
from auxvae.models.prior_checks import try_density
from foundation.declare import read_whole
from foundation.faults import Fault, Refused, shown


def main() -> None:
    """Answer on what was standard output; what a prior prints there goes nowhere."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _answer(answers, [])
    for value in json.load(sys.stdin):
        trial = Trial(**{**value, "prior": read_whole(PriorSpec, value["prior"], "prior")})
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        faults = faults_of(trial)
        faulthandler.cancel_dump_traceback_later()
        _answer(answers, faults)


def _answer(answers: TextIO, faults: list[Fault]) -> None:
    plain: list[dict[str, Any]] = [{**vars(fault), "value": shown(fault.value)} for fault in faults]
    print(json.dumps({"faults": plain}), file=answers, flush=True)


def faults_of(trial: Trial) -> list[Fault]:
    """What is wrong with a prior, at its place in the config."""
    try:
        prior = build(trial.prior, trial.latents, lambda names: torch.zeros(1, len(names)), trial.aux)
        checked_samples(prior, trial.prior, trial.aux)
        if trial.needs_density:
            try_density(prior, trial.prior, trial.aux, trial.method)
    except Refused as refused:
        where = (f"{trial.where}: {fault.where.removeprefix('prior ')}" for fault in refused.faults)
        return [Fault(at, f.value, f.allowed, f.remedy) for at, f in zip(where, refused.faults, strict=True)]
    return []


if __name__ == "__main__":
    main()
