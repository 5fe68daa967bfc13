"""Settings chosen on validation rows: for each choice of a study the candidate of least mean value over its seeds.

    value(candidate) = mean_s rule(scores of seed s on validation rows)          auxvae.config.rules

with Student's t interval over the seeds where there are two or more. Of equal candidates the first is chosen, in the
order of the config; one with a seed whose value is no number is not chosen. selection.json holds every candidate's
runs, values, interval and the means of the scores that a map shows, and what was chosen; the evaluation on test rows,
`collect` and the report read it.

Where a choice has fresh seeds, the chosen setting is trained again with them (auxvae.config.fresh), and those runs, not
the candidates, are scored on test rows.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

from auxvae.analysis.files import SELECTION, VALIDATION
from auxvae.config.choices import Choice, candidate_ids
from auxvae.config.rules import RULES
from auxvae.config.run import Fleet, Run
from auxvae.config.study import Study
from auxvae.data.failures import failures
from foundation.console import log
from foundation.faults import Fault, Refused, Words
from foundation.files import read_json, write_json

Scores = dict[str, dict[str, Any]]
MAPPED = ("mse", "lds_sampled", "leakage")  # scores of validation rows that maps show beside the rule's value
AGAIN = "run `python -m auxvae evaluate --validation` for every fleet, then `python -m auxvae select`"


def select(choices: tuple[Choice, ...], results: Path) -> None:
    """Choose, and write selection.json."""
    if not choices:
        text = "there is nothing to choose without one"
        raise Refused(Fault("runs", Words("no group with a `select`"), text, "write `select: RULE` in a group of runs"))
    chosen = [decided(choice, results) for choice in choices]
    write_json(results / SELECTION, {"choices": chosen})
    for choice in chosen:
        title = " ".join(filter(None, (choice["method"], choice["coverage"])))
        weights = next(each["weights"] for each in choice["candidates"] if each["chosen"])
        log.info(f"{title}: {choice['rule']} chose {weights} of {len(choice['candidates'])} settings")


def decided(choice: Choice, results: Path) -> dict[str, Any]:
    """A choice as plain JSON: every candidate with its values, and the least marked."""
    failed = failures(choice.runs, results)
    files = [
        [None if run.id in failed else results / "runs" / run.id / VALIDATION for run in c] for c in choice.candidates
    ]
    scores = [[_scores(file) for file in each] for each in files]
    values = [[value_of(choice.rule, file) for file in each] for each in files]
    means = [float(np.mean(each)) for each in values]
    finite = [i for i, mean in enumerate(means) if math.isfinite(mean)]
    first = choice.candidates[0][0]
    if not finite:
        value = Words(f"no number for any setting of {first.method}")
        text = f"{choice.rule} needs a finite value for every seed of one setting at least"
        raise Refused(Fault(f"{choice.where}.select", value, text, "take another rule, or other weights"))
    least = min(finite, key=lambda i: means[i])
    head = {"where": choice.where, "rule": choice.rule, "dataset": first.dataset.name}
    rows = enumerate(zip(choice.candidates, values, scores, strict=True))
    candidates = [
        {**_candidate(runs, each), "means": _means(scored), "chosen": i == least} for i, (runs, each, scored) in rows
    ]
    return {**head, "method": first.method, "label": first.label, "coverage": first.coverage, "candidates": candidates}


def _scores(file: Path | None) -> Scores | None:
    """The scores of one run on its validation rows; None of a run that failed."""
    return None if file is None else read_json(file, "the scores of the validation rows")["scores"]


def value_of(rule: str, file: Path | None) -> float:
    """The value of the run with these validation scores; NaN where the rule reads no number, and without a file."""
    scores = _scores(file)
    if scores is None:
        return math.nan
    for name in RULES[rule].reads:
        if name not in scores:
            raise Refused(Fault(str(file), Words(f"no score {name}"), f"{rule} reads it", "take another rule"))
    read = {name: scores[name]["value"] for name in RULES[rule].reads}
    return math.nan if None in read.values() else float(RULES[rule].value(read))


def _candidate(runs: tuple[Run, ...], values: list[float]) -> dict[str, Any]:
    """The runs of a setting, the value of each, their mean and its interval; None for what is no number."""
    numbers = dict(zip(("value", "low", "high"), mean_of_seeds(values), strict=True))
    return {
        "runs": [run.id for run in runs],
        "seeds": [run.seed for run in runs],
        "weights": runs[0].weights,
        "values": [_plain(each) for each in values],
        **{name: _plain(number) for name, number in numbers.items()},
    }


def mean_of_seeds(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean of the values of so many seeds, and the ends of Student's 95 % interval; NaN for one seed."""
    mean, half, n = float(np.mean(values)), math.nan, len(values)
    if n > 1:
        half = float(stdtrit(n - 1, 0.975) * np.std(values, ddof=1)) / math.sqrt(n)
    return mean, mean - half, mean + half


def _means(scores: list[Scores | None]) -> dict[str, float | None]:
    """The mean over the seeds of every score of a map that all of them have; None where one is no number or failed."""
    present = [each for each in scores if each is not None]
    names = [name for name in MAPPED if present and all(name in each for each in present)]
    if len(present) < len(scores):
        return dict.fromkeys(names)
    values = {name: [each[name]["value"] for each in present] for name in names}
    return {name: None if None in each else _plain(float(np.mean(each))) for name, each in values.items()}


def _plain(number: float) -> float | None:
    return number if math.isfinite(number) else None


def left_out(candidates: Collection[str], results: Path) -> frozenset[str]:
    """Those candidates that were not chosen, by selection.json, which is not asked where there is no candidate."""
    judged = _judged(candidates, results) if candidates else {}
    return frozenset(run for run in candidates if not judged[run])


def _judged(candidates: Collection[str], results: Path) -> dict[str, bool]:
    """Whether the setting of each candidate was chosen, by selection.json."""
    file = results / SELECTION
    if not file.is_file():
        text = "settings are chosen before any run of them is scored on test rows"
        raise Refused(Fault(str(file), Words("no file"), text, AGAIN))
    judged = {run: c["chosen"] for choice in read_selection(results) for c in choice["candidates"] for run in c["runs"]}
    for run in sorted(candidates):
        if run not in judged:
            raise Refused(Fault(str(file), Words(f"nothing on {run}"), "it must be the choice of this study", AGAIN))
    return judged


def read_selection(results: Path) -> list[dict[str, Any]]:
    """The choices of a study as `select` left them."""
    choices: list[dict[str, Any]] = read_json(results / SELECTION, "the choice of settings")["choices"]
    return choices


def fresh_runs(choices: Iterable[Choice], results: Path) -> dict[str, Run]:
    """The runs of the chosen settings with fresh seeds, by the ids of their stand-ins (auxvae.config.fresh)."""
    again = [choice for choice in choices if choice.fresh_seeds]
    judged = _judged(candidate_ids(again), results) if again else {}
    by_stand_in: dict[str, Run] = {}
    for choice in again:
        chosen = next(i for i, runs in enumerate(choice.candidates) if judged[runs[0].id])
        by_stand_in |= {first.id: run for first, run in zip(choice.fresh(0), choice.fresh(chosen), strict=True)}
    return by_stand_in


def settled(study: Study, fleet: Fleet, results: Path) -> Fleet:
    """A fleet as it is trained: of fresh seeds with the runs of the settings that were chosen, any other as it is."""
    if not fleet.name:
        return fleet
    runs = fresh_runs(study.choices, results)
    return replace(fleet, runs=tuple(runs[stand_in.id] for stand_in in fleet.runs))


def trained_runs(study: Study, results: Path) -> tuple[Run, ...]:
    """All runs that a study has trained, or has tried to: those of its config, then those of fresh seeds."""
    return (*study.runs, *fresh_runs(study.choices, results).values())


def shown_runs(study: Study, results: Path) -> tuple[Run, ...]:
    """The runs of a study that are scored on test rows.

    That is without failed ones, candidates that were not chosen, and those whose setting was trained again.
    """
    trained = trained_runs(study, results)
    failed = failures(trained, results)
    absent = left_out(study.chosen_among, results) | study.retrained | failed.keys()
    shown = tuple(run for run in trained if run.id not in absent)
    if not shown and failed:
        raise Refused(failed.values())
    return shown


def with_first_weights(runs: Iterable[Run], choices: Iterable[Choice]) -> tuple[Run, ...]:
    """The runs, those that were chosen with the weights of their first candidate.

    Runs of a group that were chosen at different coverages are thereby one method with one setting: the rule's.
    """
    first = {
        run.id: choice.candidates[0][0].weights
        for choice in choices
        for i, runs in enumerate(choice.candidates)
        for run in (*runs, *choice.fresh(i))
    }
    return tuple(replace(run, weights=first.get(run.id, run.weights)) for run in runs)
